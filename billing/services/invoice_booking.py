"""What a try to pay an invoice comes to: booked once, or written down as it stands.

The page that the payer comes back to, Stripe's events and ticks all end here, in any order.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.db import transaction

from agencyportal.core.money import format_money
from billing.models import InvoiceCheckout
from billing.refusals import RefusedError
from billing.stripe_gateway import Intent

from .dunning_mail import queue_charge_mail
from .payments import record_payment
from .stripe_attempts import locked_attempt, note_trouble, payment_found, record
from .stripe_payments import method_of
from .stripe_standing import Standing, read_standing

_logger = logging.getLogger(__name__)
_States = InvoiceCheckout.State


def look_at_checkout(*, checkout: InvoiceCheckout, now: dt.datetime) -> InvoiceCheckout:
    """Read from Stripe how an attempt stands, and bring it to it; done twice, it changes nothing.
    Raises GatewayError where Stripe cannot be read."""
    if checkout.state == _States.PAID and not checkout.trouble:
        return checkout
    found = read_standing(checkout.session_id, checkout.intent_id)
    return checkout if found is None else take_in(checkout, found, now)


def take_payment(*, checkout: InvoiceCheckout, intent_id: str, now: dt.datetime) -> InvoiceCheckout:
    """Look at an attempt by a payment that somebody found for it at Stripe. Raises as
    `stripe_attempts.payment_found` does."""
    return take_in(checkout, payment_found(checkout, intent_id, named="invoice_payment"), now)


def take_in(checkout: InvoiceCheckout, found: Standing, now: dt.datetime) -> InvoiceCheckout:
    """Bring an attempt to how its payment stands. Where the saved card was charged in its holder's
    absence and that did not work, the client is told, once."""
    if found.paid is not None:
        return book_checkout(checkout_id=checkout.pk, intent=found.paid, now=now)
    facts: dict[str, Any] = dict(found.facts)
    if checkout.method == InvoiceCheckout.Method.CARD and found.failure_code:
        facts["decline"] = found.failure_code
    with transaction.atomic():
        recorded = record(checkout, found.state, **facts)
        if recorded.awaits_holder or (recorded.decline and recorded.state == _States.FAILED):
            queue_charge_mail(recorded, now=now)
    return recorded


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


@transaction.atomic
def _book(checkout_id: int, intent: Intent, now: dt.datetime) -> InvoiceCheckout:
    """Locks the attempt, its invoice, and the client's balance where something is kept."""
    locked = locked_attempt(InvoiceCheckout, checkout_id)
    if locked.state == _States.PAID and not locked.trouble:
        return locked
    _refuse_mismatch(locked, intent)
    locked.payment = record_payment(
        invoice=locked.invoice,
        amount=intent.received,
        currency=intent.currency,
        method=method_of(intent),
        reference=f"Stripe {intent.method}".strip(),
        received_at=now,
        now=now,
        key=f"invoice-payment:{locked.pk}",
        recorded_by=locked.payer,
        provider_id=intent.id,
    )
    locked.state, locked.intent_id = _States.PAID, intent.id
    locked.paid_at = locked.paid_at or now
    locked.failure = locked.trouble = locked.pay_url = locked.decline = ""
    locked.save()
    return locked


def _refuse_mismatch(checkout: InvoiceCheckout, intent: Intent) -> None:
    paid, asked = (intent.received, intent.currency), (checkout.amount, checkout.currency)
    if paid != asked or intent.metadata.get("invoice_payment") != str(checkout.pk):
        raise RefusedError(
            f"The payment {intent.id} of {format_money(intent.received, intent.currency)} is not "
            f"the one of {format_money(checkout.amount, checkout.currency)} that was asked for."
        )
