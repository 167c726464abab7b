"""Paying an invoice on Stripe's page.

As with top-up orders: the intent is committed first, Stripe is asked outside of any transaction,
and what came of it is read from Stripe by the page that the payer comes back to, by Stripe's
events and by a tick. All of them call `look_at_checkout`; the payment is booked once.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from agencyportal.core.locks import lock_row
from agencyportal.core.money import format_money
from billing import stripe_gateway as gateway
from billing.models import Invoice, InvoiceCheckout, Payment
from billing.refusals import RefusedError
from billing.stripe_amounts import UnchargeableError, to_stripe
from billing.stripe_gateway import CheckoutLine, Intent, RejectedError
from clients.models import User

from .payments import record_payment
from .stripe_attempts import locked_attempt, look_at_each, note_trouble, open_page, record
from .stripe_standing import read_standing

NO_PAGE_AFTER: Final = dt.timedelta(minutes=25)
"""An attempt that has no page by then gets none: nobody has seen one."""

PAYABLE: Final = (Invoice.State.ISSUED, Invoice.State.PARTIALLY_PAID)

_logger = logging.getLogger(__name__)
_States = InvoiceCheckout.State


def page_of(checkout: InvoiceCheckout) -> str:
    """The portal's page of an attempt, to which Stripe sends the payer back."""
    path = f"/portal/{checkout.client_id}/invoice-payments/{checkout.pk}/"
    return f"{settings.PORTAL_BASE_URL}{path}"


def pay_invoice(*, invoice: Invoice, payer: User | None, now: dt.datetime) -> InvoiceCheckout:
    """Open Stripe's page for what is due of an invoice; clicked again, it is the page of before,
    or a new one where another amount is due by now.

    One whose payment is on its way is given back as it stands. Raises RefusedError where nothing
    is due, or Stripe cannot charge it; GatewayError where Stripe did not open it, or nobody knows:
    asked again, it opens the same. Locks the invoice, and no Stripe is called meanwhile.
    """
    gateway.refuse_off()
    invoice.refresh_from_db(fields=["state", "total", "amount_paid", "amount_credited"])
    if (earlier := _open_attempt(invoice)) is not None:
        _bring_up_to_date(earlier, invoice, now)
    return _open_page(_place(invoice, payer, now), now)


def look_at_checkout(*, checkout: InvoiceCheckout, now: dt.datetime) -> InvoiceCheckout:
    """Read from Stripe how an attempt stands, and bring it to it; done twice, it changes nothing.
    Raises GatewayError where Stripe cannot be read."""
    if checkout.state == _States.PAID and not checkout.trouble:
        return checkout
    found = read_standing(checkout.session_id, checkout.intent_id)
    if found is None:
        return checkout
    if found.paid is not None:
        return book_checkout(checkout_id=checkout.pk, intent=found.paid, now=now)
    return record(checkout, found.state, **found.facts)


def look_at_open_checkouts(*, now: dt.datetime, limit: int) -> int:
    """Look at attempts that may have been paid without anybody hearing of it; how many."""
    return look_at_each(InvoiceCheckout.objects.all(), _follow_up, now=now, limit=limit)


def book_checkout(*, checkout_id: int, intent: Intent, now: dt.datetime) -> InvoiceCheckout:
    """Record what an attempt's intent has paid as a payment of its invoice; done before, it
    changes nothing. What is more than is due by now is kept as the client's balance.

    What goes wrong is logged and stays on the attempt as its ``trouble``. Owns its transactions.
    """
    try:
        return _book(checkout_id, intent, now)
    except Exception as error:
        _logger.exception("the paid invoice checkout %s could not be booked", checkout_id)
        said = f"{intent.id}: {type(error).__name__}: {error}"
        return note_trouble(InvoiceCheckout, checkout_id, said, now)


# --- Opening it ------------------------------------------------------------------------------


def _open_attempt(invoice: Invoice) -> InvoiceCheckout | None:
    rows = InvoiceCheckout.objects.unsettled().select_related("invoice__client", "client__agency")
    return rows.filter(invoice=invoice).first()


def _bring_up_to_date(earlier: InvoiceCheckout, invoice: Invoice, now: dt.datetime) -> None:
    """Settle what has ended meanwhile, and close a page that asks for another amount."""
    if not earlier.session_id:
        if earlier.amount != invoice.amount_due or now - earlier.opened_at > NO_PAGE_AFTER:
            record(earlier, _States.CANCELLED)
        return
    earlier = look_at_checkout(checkout=earlier, now=now)
    if earlier.state != _States.PENDING or earlier.amount == invoice.amount_due:
        return
    try:
        gateway.close_checkout(earlier.session_id or "")
    except RejectedError:  # somebody has just paid there
        look_at_checkout(checkout=earlier, now=now)
    else:
        record(earlier, _States.CANCELLED)


@transaction.atomic
def _place(invoice: Invoice, payer: User | None, now: dt.datetime) -> InvoiceCheckout:
    """The attempt that is open, or a new one. Locks the invoice."""
    locked = lock_row(Invoice.objects.select_related("client__agency").filter(pk=invoice.pk))
    if (earlier := _open_attempt(locked)) is not None:
        return earlier
    if locked.state not in PAYABLE or locked.amount_due <= 0:
        raise RefusedError(f"There is nothing left to pay of invoice {locked.number}.")
    try:
        to_stripe(locked.amount_due, locked.currency)
    except UnchargeableError as error:
        raise RefusedError(f"{error} Please pay by bank transfer.") from error
    return InvoiceCheckout.objects.create(
        agency_id=locked.agency_id,
        client=locked.client,
        invoice=locked,
        amount=locked.amount_due,
        currency=locked.currency,
        payer=payer,
        is_live=settings.STRIPE_LIVE_MODE,
        opened_at=now,
        look_at=now + dt.timedelta(minutes=1),
        created_at=now,
    )


def _open_page(checkout: InvoiceCheckout, now: dt.datetime) -> InvoiceCheckout:
    if checkout.state != _States.PENDING or checkout.session_id:
        return checkout
    with translation.override(checkout.client.language):
        name = _("Invoice %(number)s") % {"number": checkout.invoice.number}
    return open_page(
        checkout,
        lines=[CheckoutLine(name, checkout.amount)],
        description=f"Invoice {checkout.invoice.number}",
        metadata={"invoice_payment": str(checkout.pk), "client": checkout.client.slug},
        key=f"invoice-payment:{checkout.pk}",
        address=page_of(checkout),
        now=now,
    )


# --- How it stands ---------------------------------------------------------------------------


def _follow_up(checkout: InvoiceCheckout, now: dt.datetime) -> None:
    if checkout.session_id:
        look_at_checkout(checkout=checkout, now=now)
    elif now - checkout.opened_at > NO_PAGE_AFTER:
        record(checkout, _States.CANCELLED)


@transaction.atomic
def _book(checkout_id: int, intent: Intent, now: dt.datetime) -> InvoiceCheckout:
    """Locks the attempt, its invoice, and the client's balance where something is kept."""
    locked = locked_attempt(InvoiceCheckout, checkout_id)
    if locked.state == _States.PAID and not locked.trouble:
        return locked
    _refuse_mismatch(locked, intent)
    methods = Payment.Method
    locked.payment = record_payment(
        invoice=locked.invoice,
        amount=intent.received,
        currency=intent.currency,
        method=methods.CARD if intent.method == "card" else methods.OTHER,
        reference=f"Stripe {intent.method}".strip(),
        received_at=now,
        now=now,
        key=f"invoice-payment:{locked.pk}",
        recorded_by=locked.payer,
        provider_id=intent.id,
    )
    locked.state, locked.intent_id = _States.PAID, intent.id
    locked.paid_at = locked.paid_at or now
    locked.failure = locked.trouble = locked.pay_url = ""
    locked.save()
    return locked


def _refuse_mismatch(checkout: InvoiceCheckout, intent: Intent) -> None:
    paid, asked = (intent.received, intent.currency), (checkout.amount, checkout.currency)
    if paid != asked or intent.metadata.get("invoice_payment") != str(checkout.pk):
        raise RefusedError(
            f"The payment {intent.id} of {format_money(intent.received, intent.currency)} is not "
            f"the one of {format_money(checkout.amount, checkout.currency)} that was asked for."
        )
