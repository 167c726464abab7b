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
from billing.models import Dispute, Dunning, Invoice, InvoiceCheckout, PaymentReversal
from billing.stripe_amounts import UnchargeableError, to_stripe
from billing.stripe_gateway import DeclinedError, RejectedError
from billing.stripe_gateway.errors import NEVER_AGAIN

from .charge_consents import consent_of
from .invoice_booking import look_at_checkout, take_in
from .stripe_attempts import ASKED_AGAIN_FOR, LOST, charge_card, find_lost, record
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
    if invoice.checkouts.unsettled().exists():  # of whatever card: one is open at most
        return "Its holder has to confirm the charge before."
    if _was_taken_back(invoice):
        return "A payment of it was taken back: its card is not charged by itself again."
    tried = invoice.checkouts.filter(method=_Methods.CARD, card_id=customer.card_id)
    last = tried.order_by("-pk").first()
    if last is not None and last.decline in NEVER_AGAIN:
        return f"The bank will not let this card be charged: {last.failure}"
    try:
        to_stripe(invoice.amount_due, invoice.currency)
    except UnchargeableError as error:
        return str(error)
    return ""


def _was_taken_back(invoice: Invoice) -> bool:
    """Whether its payer's bank decided against a payment of it, or somebody refunded one at Stripe:
    nobody who has their money back expects it to be taken again."""
    lost = Dispute.objects.filter(payment__invoice=invoice, state=Dispute.State.LOST)
    refunds = PaymentReversal.objects.filter(
        payment__invoice=invoice, cause=PaymentReversal.Cause.REFUND
    )
    return lost.exists() or refunds.exists()


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
    outcome. Raises GatewayError where nobody knows: `resume_charge` asks again."""
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


def resume_charge(*, checkout: InvoiceCheckout, now: dt.datetime) -> InvoiceCheckout:
    """Go on with a charge that Stripe has not answered about. While it may still be made, it is
    asked for again. Where it was paid otherwise meanwhile, consent was withdrawn or another card is
    saved, it is looked for at Stripe, and over if it is not there. Raises GatewayError."""
    if checkout.state != _States.PENDING or checkout.intent_id:
        return checkout
    if _may_be_made(checkout):
        return begin_charge(checkout=checkout, now=now)
    made = find_lost(checkout, named="invoice_payment", now=now)
    if made is not None:
        return take_in(checkout, made, now)
    return record(checkout, _States.CANCELLED)


def _may_be_made(checkout: InvoiceCheckout) -> bool:
    """Whether a charge that was written down some time ago may be made now."""
    invoice = checkout.invoice
    if invoice.state not in (Invoice.State.ISSUED, Invoice.State.PARTIALLY_PAID):
        return False
    if Dunning.objects.filter(invoice=invoice, paused_at__isnull=False).exists():
        return False
    return _is_wanted(checkout) and consent_of(checkout.client) is not None


def _is_wanted(checkout: InvoiceCheckout) -> bool:
    """Whether its amount is what is due, and its card the one that is saved."""
    customer = customer_of(checkout.client)
    is_saved = customer is not None and customer.card_id == checkout.card_id
    return is_saved and checkout.amount == checkout.invoice.amount_due


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
    """What a tick does about a charge that is open. One that waits for its holder is taken back
    where its invoice needs no such amount any more, or another card is saved."""
    if not checkout.intent_id:
        if now - checkout.opened_at < ASKED_AGAIN_FOR:
            resume_charge(checkout=checkout, now=now)
        else:
            record(checkout, _States.FAILED, trouble=LOST)
        return
    checkout = look_at_checkout(checkout=checkout, now=now)
    if checkout.awaits_holder and not _is_wanted(checkout):
        take_charge_back(checkout=checkout, now=now)
