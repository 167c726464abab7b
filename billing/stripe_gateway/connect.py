"""Agencies as connected accounts: set up on Stripe's own pages, and paid by transfers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import stripe

from billing.stripe_amounts import from_stripe, to_stripe

from .client import calling, once
from .reading import id_of, notes
from .values import ConnectedAccount, SentTransfer


def create_connected(*, country: str, email: str, metadata: Mapping[str, str], key: str) -> str:
    """Make an account for somebody who is to be paid; its id. Stripe asks them for the rest."""
    asked: Any = {
        "type": "express",
        "capabilities": {"transfers": {"requested": True}},
        "metadata": dict(metadata),
    }
    if country:
        asked["country"] = country
    if email:
        asked["email"] = email
    with calling() as client:
        return client.v1.accounts.create(asked, once(key)).id


def onboarding_url(account_id: str, *, return_url: str, refresh_url: str) -> str:
    """A page of Stripe's on which the account's holder says what is missing. For once, and for
    some minutes."""
    with calling() as client:
        return client.v1.account_links.create(
            {
                "account": account_id,
                "type": "account_onboarding",
                "return_url": return_url,
                "refresh_url": refresh_url,
            }
        ).url


def read_connected(account_id: str) -> ConnectedAccount:
    """An account as it stands now. Raises NotThereError for one that is gone or disconnected."""
    with calling() as client:
        found = client.v1.accounts.retrieve(account_id)
        needs = found.requirements
        capabilities = found.capabilities
        transfers = getattr(capabilities, "transfers", None) if capabilities is not None else None
        return ConnectedAccount(
            id=found.id,
            is_submitted=bool(found.details_submitted),
            takes_transfers=transfers == "active",
            is_paid_out=bool(found.payouts_enabled),
            disabled_reason=(needs.disabled_reason or "") if needs is not None else "",
            due=tuple(needs.currently_due or ()) if needs is not None else (),
        )


def transfer(
    *,
    account_id: str,
    amount: Decimal,
    currency: str,
    description: str,
    group: str,
    metadata: Mapping[str, str],
    key: str,
) -> SentTransfer:
    """Give an account money of the platform's balance, once by ``key``.

    Raises RejectedError where the account may not be given any, or there is too little.
    """
    with calling() as client:
        found = client.v1.transfers.create(
            {
                "destination": account_id,
                "amount": to_stripe(amount, currency),
                "currency": currency.lower(),
                "description": description,
                "transfer_group": group,
                "metadata": dict(metadata),
            },
            once(key),
        )
        return _transfer_of(found)


def read_transfer(transfer_id: str) -> SentTransfer:
    """A transfer as it stands now."""
    with calling() as client:
        return _transfer_of(client.v1.transfers.retrieve(transfer_id))


def find_transfers(group: str) -> list[SentTransfer]:
    """The transfers of a group, the newest first; at most a hundred."""
    with calling() as client:
        found = client.v1.transfers.list({"transfer_group": group, "limit": 100})
        return [_transfer_of(one) for one in found.data]


def reverse_transfer(transfer_id: str, *, key: str) -> SentTransfer:
    """Take all that is left of a transfer back, once by ``key``; the transfer as it stands then.

    Raises RejectedError where it is not there any more.
    """
    with calling() as client:
        client.v1.transfers.reversals.create(transfer_id, {}, once(key))
        return _transfer_of(client.v1.transfers.retrieve(transfer_id))


def _transfer_of(found: stripe.Transfer) -> SentTransfer:
    currency = found.currency.upper()
    return SentTransfer(
        id=found.id,
        amount=from_stripe(found.amount, currency),
        reversed=from_stripe(found.amount_reversed, currency),
        currency=currency,
        account_id=id_of(found.destination),
        metadata=notes(found.metadata),
    )
