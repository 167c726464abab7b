"""What billing does about Stripe's events: it reads how things stand (see `stripe_handlers`)."""

from __future__ import annotations

import datetime as dt

from billing.models import StripeCustomer, StripeEvent
from billing.services.stripe_customers import read_card, take_saved_card
from billing.stripe_handlers import handles


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
