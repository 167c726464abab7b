"""Charging the saved card for an invoice, while nobody is here.

Under a client's consent (`charge_consents`), on the days of its dunning schedule. The attempt is
committed first, in the transaction of the step; then Stripe is asked, with the attempt's key. Where
the card's bank asks for its holder, the attempt waits for them: they confirm the same payment, or
pay another way, which takes it back first.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.conf import settings

from billing import stripe_gateway as gateway
from billing.models import Invoice, InvoiceCheckout
from billing.stripe_amounts import UnchargeableError, to_stripe
from billing.stripe_gateway import DeclinedError, RejectedError
from billing.stripe_gateway.errors import NEVER_AGAIN

from .charge_consents import consent_of
from .invoice_booking import look_at_checkout, take_in
from .stripe_attempts import ASKED_AGAIN_FOR, LOST, charge_card, record
from .stripe_customers import customer_of
from .stripe_standing import declined, standing_of

_States: Final = InvoiceCheckout.State
_Methods: Final = InvoiceCheckout.Method


def page_of(checkout: InvoiceCheckout) -> str:
    """The portal's page of an attempt, to which Stripe sends the payer back."""
    path = f"/portal/{checkout.client_id}/invoice-payments/{checkout.pk}/"
    return f"{settings.PORTAL_BASE_URL}{path}"


def metadata_of(checkout: InvoiceCheckout) -> dict[str, str]:
    """What Stripe keeps with a payment, so that its events say what they are about."""
    return {"invoice_payment": str(checkout.pk), "client": checkout.client.slug}


def why_not_charged(invoice: Invoice) -> str:
    """Why the saved card cannot be charged for what is due; empty where it can."""
    if not gateway.is_on():
        return "Stripe is not switched on."
    if consent_of(invoice.client) is None:
        return "The client has not consented to charges on due dates."
    customer = customer_of(invoice.client)
    if customer is None or not customer.has_card:
        return "No card is saved."
    tried = invoice.checkouts.filter(method=_Methods.CARD, card_id=customer.card_id)
    last = tried.order_by("-pk").first()
    if last is not None and last.awaits_holder:
        return "Its holder has to confirm the charge before."
    if last is not None and last.decline in NEVER_AGAIN:
        return f"The bank will not let this card be charged: {last.failure}"
    try:
        to_stripe(invoice.amount_due, invoice.currency)
    except UnchargeableError as error:
        return str(error)
    return ""


def place_charge(invoice: Invoice, *, now: dt.datetime) -> InvoiceCheckout:
    """Write down that the saved card is to be charged what is due. In the caller's transaction,
    who holds the invoice and has asked `why_not_charged`; `begin_charge` follows its commit."""
    customer = customer_of(invoice.client)
    return InvoiceCheckout.objects.create(
        agency_id=invoice.agency_id,
        client=invoice.client,
        invoice=invoice,
        amount=invoice.amount_due,
        currency=invoice.currency,
        method=_Methods.CARD,
        card_id=customer.card_id if customer is not None else "",
        is_live=settings.STRIPE_LIVE_MODE,
        opened_at=now,
        look_at=now + dt.timedelta(minutes=1),
        created_at=now,
    )


def begin_charge(*, checkout: InvoiceCheckout, now: dt.datetime) -> InvoiceCheckout:
    """Charge it. Safe to repeat: the attempt's key charges once. A decline is the attempt's
    outcome. Raises GatewayError where nobody knows: the tick asks again."""
    if checkout.state != _States.PENDING or checkout.intent_id:
        return checkout
    found = charge_card(
        checkout,
        amount=checkout.amount,
        description=f"Invoice {checkout.invoice.number}",
        metadata=metadata_of(checkout),
        key=f"invoice-payment:{checkout.pk}",
        now=now,
    )
    return take_in(checkout, found, now)


def confirm_charge(*, checkout: InvoiceCheckout, now: dt.datetime) -> InvoiceCheckout:
    """The card's holder is here: try the charge that waits for them again, the same payment.
    ``pay_url`` leads to their bank. Raises GatewayError."""
    if not checkout.awaits_holder or checkout.pay_url or not checkout.intent_id:
        return checkout
    try:
        intent = gateway.confirm_intent(
            intent_id=checkout.intent_id,
            card_id=checkout.card_id,
            return_url=f"{page_of(checkout)}?back=paid",
            key=f"invoice-payment:{checkout.pk}:confirm",
        )
    except DeclinedError as error:
        return take_in(checkout, declined(error), now)
    except RejectedError:
        return look_at_checkout(checkout=checkout, now=now)
    return take_in(checkout, standing_of(intent), now)


def take_charge_back(*, checkout: InvoiceCheckout, now: dt.datetime) -> InvoiceCheckout:
    """Make sure that a charge that waits for its holder is never made; paid by now, it is booked.
    Raises GatewayError."""
    if not checkout.awaits_holder or not checkout.intent_id:
        return checkout
    try:
        gateway.cancel_intent(checkout.intent_id)
    except RejectedError:
        return look_at_checkout(checkout=checkout, now=now)
    return record(checkout, _States.CANCELLED)


def follow_up_charge(checkout: InvoiceCheckout, now: dt.datetime) -> None:
    """What a tick does about a charge that is open. One whose invoice needs no such amount any
    more is taken back."""
    if not checkout.intent_id:
        if now - checkout.opened_at < ASKED_AGAIN_FOR:
            begin_charge(checkout=checkout, now=now)
        else:
            record(checkout, _States.FAILED, trouble=LOST)
        return
    checkout = look_at_checkout(checkout=checkout, now=now)
    if checkout.awaits_holder and checkout.amount != checkout.invoice.amount_due:
        take_charge_back(checkout=checkout, now=now)
