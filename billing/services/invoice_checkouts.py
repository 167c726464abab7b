"""Paying an invoice on Stripe's page.

The attempt is committed first and Stripe is asked outside of any transaction
(`stripe_attempts`); what came of it is booked once (`invoice_booking`). Of an invoice one attempt
is open: before a page is opened, a charge of the saved card that waits for its holder is taken
back.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from agencyportal.core.locks import lock_row
from billing import stripe_gateway as gateway
from billing.models import Invoice, InvoiceCheckout
from billing.refusals import RefusedError
from billing.stripe_amounts import UnchargeableError, to_stripe
from billing.stripe_gateway import CheckoutLine, RejectedError
from clients.models import User

from .invoice_booking import look_at_checkout
from .saved_card_charges import (
    follow_up_charge,
    metadata_of,
    page_of,
    resume_charge,
    take_charge_back,
)
from .stripe_attempts import look_at_each, open_page, record

NO_PAGE_AFTER: Final = dt.timedelta(minutes=25)
"""An attempt that has no page by then gets none: nobody has seen one."""

PAYABLE: Final = (Invoice.State.ISSUED, Invoice.State.PARTIALLY_PAID)

_States = InvoiceCheckout.State


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


def look_at_open_checkouts(*, now: dt.datetime, limit: int) -> int:
    """Look at attempts that may have been paid without anybody hearing of it; how many."""
    return look_at_each(InvoiceCheckout.objects.all(), _follow_up, now=now, limit=limit)


# --- Opening it ------------------------------------------------------------------------------


def _open_attempt(invoice: Invoice) -> InvoiceCheckout | None:
    rows = InvoiceCheckout.objects.unsettled().select_related("invoice__client", "client__agency")
    return rows.filter(invoice=invoice).first()


def _bring_up_to_date(earlier: InvoiceCheckout, invoice: Invoice, now: dt.datetime) -> None:
    """Settle what has ended meanwhile, and close a page that asks for another amount; a charge of
    the saved card that waits for its holder is taken back."""
    if earlier.method == InvoiceCheckout.Method.CARD:
        earlier = resume_charge(checkout=earlier, now=now)
        take_charge_back(checkout=look_at_checkout(checkout=earlier, now=now), now=now)
        return
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
    is_page = checkout.method == InvoiceCheckout.Method.PAGE
    if checkout.state != _States.PENDING or checkout.session_id or not is_page:
        return checkout
    with translation.override(checkout.client.language):
        name = _("Invoice %(number)s") % {"number": checkout.invoice.number}
    return open_page(
        checkout,
        lines=[CheckoutLine(name, checkout.amount)],
        description=f"Invoice {checkout.invoice.number}",
        metadata=metadata_of(checkout),
        key=f"invoice-payment:{checkout.pk}",
        address=page_of(checkout),
        now=now,
    )


# --- How it stands ---------------------------------------------------------------------------


def _follow_up(checkout: InvoiceCheckout, now: dt.datetime) -> None:
    if checkout.method == InvoiceCheckout.Method.CARD:
        follow_up_charge(checkout, now)
    elif checkout.session_id:
        _bring_up_to_date(checkout, checkout.invoice, now)
    elif now - checkout.opened_at > NO_PAGE_AFTER:
        record(checkout, _States.CANCELLED)
