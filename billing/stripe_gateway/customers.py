"""Clients as Stripe's customers, and the card that each is charged on."""

from __future__ import annotations

from typing import Any

import stripe

from .client import calling, once
from .errors import NotThereError
from .reading import card_of
from .values import Card, CustomerDetails

DEFAULT = "invoice_settings.default_payment_method"


def create_customer(details: CustomerDetails, *, key: str) -> str:
    """Make a customer; its id."""
    with calling() as client:
        return client.v1.customers.create(_params(details), once(key)).id


def update_customer(customer_id: str, details: CustomerDetails) -> None:
    """Tell Stripe what a client is called now. Safe to repeat. Raises NotThereError for one that
    was deleted there."""
    with calling() as client:
        found = client.v1.customers.update(customer_id, _params(details))
        _refuse_deleted(found)


def read_default_card(customer_id: str) -> Card | None:
    """The method that a customer is charged on; None where none is saved."""
    with calling() as client:
        found = client.v1.customers.retrieve(customer_id, {"expand": [DEFAULT]})
        _refuse_deleted(found)
        settings = found.invoice_settings
        method = settings.default_payment_method if settings is not None else None
        if isinstance(method, stripe.PaymentMethod):
            return card_of(method)
        return None


def use_card(customer_id: str, card_id: str) -> Card:
    """Charge a customer on this method from now on."""
    with calling() as client:
        client.v1.customers.update(
            customer_id, {"invoice_settings": {"default_payment_method": card_id}}
        )
        return card_of(client.v1.payment_methods.retrieve(card_id))


def forget_card(card_id: str) -> None:
    """Take a method off its customer: it can never be charged again."""
    with calling() as client:
        client.v1.payment_methods.detach(card_id)


def _params(details: CustomerDetails) -> Any:
    """Empty values are said as empty, so that what was there goes away."""
    return {
        "name": details.name,
        "email": details.email,
        "address": {
            "line1": details.line1,
            "line2": details.line2,
            "postal_code": details.postal_code,
            "city": details.city,
            "state": details.state,
            "country": details.country,
        },
        "preferred_locales": [details.language],
        "metadata": {"reference": details.reference, "tax_id": details.tax_id},
    }


def _refuse_deleted(customer: stripe.Customer) -> None:
    if getattr(customer, "deleted", False):
        raise NotThereError(f"The customer {customer.id} was deleted at Stripe.")
