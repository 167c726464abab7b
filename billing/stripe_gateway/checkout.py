"""Stripe's hosted pages: to pay on, and to save a card on. No card data comes near us."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, cast

import stripe

from billing.stripe_amounts import to_stripe

from .client import calling, once
from .reading import card_of, checkout_of, id_of
from .values import CardPage, Checkout, CheckoutLine, PageStatus

SESSION = "{CHECKOUT_SESSION_ID}"
"""Stripe puts the page's id in its place in an address to return to."""


def open_checkout(
    *,
    customer_id: str,
    currency: str,
    lines: Sequence[CheckoutLine],
    description: str,
    success_url: str,
    cancel_url: str,
    expires_at: dt.datetime,
    language: str,
    metadata: Mapping[str, str],
    key: str,
    save_card: bool = False,
) -> Checkout:
    """Open a page on which the sum of ``lines`` is paid, by any method the account offers.

    ``expires_at``: half an hour to a day ahead. ``metadata`` goes on the page and on the payment.
    With ``save_card`` the method is kept for later charges, and the page says so. Raises
    UnchargeableError for an amount that Stripe cannot say.
    """
    intent: dict[str, Any] = {"description": description, "metadata": dict(metadata)}
    if save_card:
        intent["setup_future_usage"] = "off_session"
    asked: Any = {
        "mode": "payment",
        "customer": customer_id,
        "line_items": [_line(line, currency) for line in lines],
        "payment_intent_data": intent,
        "success_url": success_url,
        "cancel_url": cancel_url,
        "expires_at": int(expires_at.timestamp()),
        "locale": language,
        "metadata": dict(metadata),
    }
    with calling() as client:
        return checkout_of(client.v1.checkout.sessions.create(asked, once(key)))


def read_checkout(session_id: str) -> Checkout:
    """A page as it stands now."""
    with calling() as client:
        return checkout_of(client.v1.checkout.sessions.retrieve(session_id))


def close_checkout(session_id: str) -> Checkout:
    """Make an open page unpayable. Raises RejectedError where somebody has paid there."""
    with calling() as client:
        return checkout_of(client.v1.checkout.sessions.expire(session_id))


def open_card_page(
    *,
    customer_id: str,
    currency: str,
    success_url: str,
    cancel_url: str,
    language: str,
    key: str,
) -> CardPage:
    """Open a page on which a method for later charges is saved."""
    asked: Any = {
        "mode": "setup",
        "customer": customer_id,
        "currency": currency.lower(),
        "success_url": success_url,
        "cancel_url": cancel_url,
        "locale": language,
    }
    with calling() as client:
        return _card_page(client.v1.checkout.sessions.create(asked, once(key)))


def read_card_page(session_id: str) -> CardPage:
    """Such a page as it stands now, with the method that was saved there."""
    with calling() as client:
        found = client.v1.checkout.sessions.retrieve(
            session_id, {"expand": ["setup_intent", "setup_intent.payment_method"]}
        )
        return _card_page(found)


def _card_page(found: stripe.checkout.Session) -> CardPage:
    setup = found.setup_intent
    card = setup.payment_method if isinstance(setup, stripe.SetupIntent) else None
    return CardPage(
        id=found.id,
        url=found.url or "",
        status=cast(PageStatus, found.status or "open"),
        customer_id=id_of(found.customer),
        card=card_of(card) if isinstance(card, stripe.PaymentMethod) else None,
    )


def _line(line: CheckoutLine, currency: str) -> Any:
    product = {"name": line.name}
    if line.description:
        product["description"] = line.description
    return {
        "quantity": 1,
        "price_data": {
            "currency": currency.lower(),
            "unit_amount": to_stripe(line.amount, currency),
            "product_data": product,
        },
    }
