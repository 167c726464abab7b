"""What billing does about Stripe's events: it reads how things stand (see `stripe_handlers`)."""

from __future__ import annotations

import datetime as dt
from typing import Final

from billing.models import InvoiceCheckout, StripeCustomer, StripeEvent, TopUpOrder
from billing.services.invoice_booking import look_at_checkout
from billing.services.stripe_customers import read_card, take_saved_card
from billing.services.stripe_disputes import take_in_dispute
from billing.services.stripe_refunds import take_in_refund
from billing.services.top_up_orders import look_at_order
from billing.stripe_handlers import handles
from clients.models import Client

OF_PAYMENTS: Final = (
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.succeeded",
)


@handles("checkout.session.completed")
def save_card(event: StripeEvent, *, now: dt.datetime) -> str:
    """A client has saved a card on Stripe's page, and may never have come back from there."""
    about = event.body["data"]["object"]
    if about.get("mode") != "setup":
        return ""
    customer = _customer(about.get("customer"))
    if customer is None:
        return ""
    take_saved_card(customer=customer, page_id=event.object_id, now=now)
    return f"{customer.client} is charged on the card that it saved."


@handles(*OF_PAYMENTS)
def settle_order(event: StripeEvent, *, now: dt.datetime) -> str:
    """Something happened to the payment of a top-up that was ordered."""
    number = _number(event, "order")
    rows = TopUpOrder.objects.select_related("workspace", "band", "client__agency", "agency")
    order = rows.filter(pk=number, is_live=event.is_live).first()
    if order is None:
        return ""
    if order.session_id is None and _is_payment_of(event, order.client):
        # Stripe was quicker than the answer of our own call, or that answer was lost.
        order.intent_id = order.intent_id or event.object_id
    order = look_at_order(order=order, now=now)
    return f"Order {order.pk} is {order.get_state_display().lower()}."


@handles(*OF_PAYMENTS)
def settle_invoice(event: StripeEvent, *, now: dt.datetime) -> str:
    """Something happened to a payment of an invoice on Stripe's page."""
    number = _number(event, "invoice_payment")
    rows = InvoiceCheckout.objects.select_related("invoice__client", "client__agency")
    checkout = rows.filter(pk=number, is_live=event.is_live).first()
    if checkout is None:
        return ""
    if checkout.session_id is None and _is_payment_of(event, checkout.client):
        # Stripe was quicker than the answer of our own call.
        checkout.intent_id = checkout.intent_id or event.object_id
    checkout = look_at_checkout(checkout=checkout, now=now)
    return f"{checkout} is {checkout.get_state_display().lower()}."


def _number(event: StripeEvent, name: str) -> int:
    """The number of ours that is noted on what an event is about; nothing has 0."""
    said = (event.body["data"]["object"].get("metadata") or {}).get(name, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0


def _is_payment_of(event: StripeEvent, client: Client) -> bool:
    """Whether an event is about a payment by a client. Other programs that charge by the same
    account may number what they sell, too."""
    customer = _customer(event.body["data"]["object"].get("customer"))
    is_payment = event.type.startswith("payment_intent.")
    return is_payment and customer is not None and customer.client == client


@handles("refund.created", "refund.failed", "refund.updated")
def settle_refund(event: StripeEvent, *, now: dt.datetime) -> str:
    """Money is on its way back, has arrived there, or has not."""
    return take_in_refund(refund_id=event.object_id, now=now)


@handles(
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
)
def settle_dispute(event: StripeEvent, *, now: dt.datetime) -> str:
    """A payer's bank asks a payment back, or has decided."""
    closed_at = event.occurred_at if event.type == "charge.dispute.closed" else now
    return take_in_dispute(dispute_id=event.object_id, closed_at=closed_at, now=now)


@handles(
    "customer.updated",
    "payment_method.attached",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
)
def look_at_card(event: StripeEvent, *, now: dt.datetime) -> str:
    """A card was renewed by its bank, replaced, or taken off at Stripe."""
    about = event.body["data"]["object"]
    before = event.body["data"].get("previous_attributes") or {}
    customer = _customer(about["id"] if about["object"] == "customer" else about.get("customer"))
    customer = customer or _customer(before.get("customer"))
    if customer is None:
        return ""
    read_card(customer=customer, now=now)
    return f"Looked at the card of {customer.client}."


def _customer(customer_id: str | None) -> StripeCustomer | None:
    if not customer_id:
        return None
    rows = StripeCustomer.objects.select_related("client__agency")
    return rows.filter(customer_id=customer_id).first()
