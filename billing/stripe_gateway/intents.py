"""Charging a saved card, and how far a payment is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from billing.stripe_amounts import to_stripe

from .client import calling, once
from .reading import intent_of, notes
from .values import Intent

WITH_CHARGE = ["latest_charge"]
"""Read with the payment: its charge says what was paid with."""


def charge(
    *,
    customer_id: str,
    card_id: str,
    amount: Decimal,
    currency: str,
    description: str,
    metadata: Mapping[str, str],
    key: str,
    return_url: str = "",
) -> Intent:
    """Charge a saved card, now.

    With ``return_url`` its holder is here: the payment may come back as ``requires_action``, to be
    confirmed at its ``next_url``. Without, nobody is. Raises DeclinedError, and
    AuthenticationNeededError where the holder has to come; UnchargeableError for an amount that
    Stripe cannot say. After UnreachableError nobody knows whether it was charged: the same key
    asks again, and charges once.
    """
    presence: dict[str, Any] = {"off_session": True}
    if return_url:
        presence = {"return_url": return_url}
    with calling() as client:
        found = client.v1.payment_intents.create(
            {
                "amount": to_stripe(amount, currency),
                "currency": currency.lower(),
                "customer": customer_id,
                "payment_method": card_id,
                "confirm": True,
                "description": description,
                "metadata": dict(metadata),
                "expand": WITH_CHARGE,
                **presence,  # type: ignore[typeddict-item]
            },
            once(key),
        )
        return intent_of(found)


def confirm_intent(*, intent_id: str, card_id: str, return_url: str, key: str) -> Intent:
    """Try a payment again whose holder has to confirm it, and is here by now.

    After AuthenticationNeededError: the same payment, so that it is made once. It comes back as
    ``requires_action``, to be confirmed at its ``next_url``, or paid where the bank asks nothing.
    Raises DeclinedError; RejectedError where it was paid or cancelled meanwhile.
    """
    with calling() as client:
        found = client.v1.payment_intents.confirm(
            intent_id,
            {"payment_method": card_id, "return_url": return_url, "expand": WITH_CHARGE},
            once(key),
        )
        return intent_of(found)


def read_intent(intent_id: str) -> Intent:
    """A payment as it stands now."""
    with calling() as client:
        return intent_of(client.v1.payment_intents.retrieve(intent_id, {"expand": WITH_CHARGE}))


def find_intent(
    *, customer_id: str, metadata: Mapping[str, str], since: dt.datetime
) -> Intent | None:
    """A customer's payment that carries these notes, made since then; None where there is none.

    Read from Stripe's list, which knows of a payment as soon as it is made.
    """
    wanted = metadata.items()
    with calling() as client:
        made = client.v1.payment_intents.list(
            {"customer": customer_id, "created": {"gte": int(since.timestamp())}, "limit": 100}
        )
        mine = (one.id for one in made.auto_paging_iter() if wanted <= notes(one.metadata).items())
        found = next(mine, None)
    return None if found is None else read_intent(found)


def cancel_intent(intent_id: str) -> Intent:
    """Make sure that a payment is never made. Raises RejectedError where it was, or is on its
    way."""
    with calling() as client:
        return intent_of(client.v1.payment_intents.cancel(intent_id))
