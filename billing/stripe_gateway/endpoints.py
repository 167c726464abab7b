"""Whose key it is, and where Stripe sends its events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import stripe

from .client import calling, once
from .values import Account, Endpoint


def read_account() -> Account:
    """The account of the key; the quickest way to find out whether it works."""
    with calling() as client:
        found = client.v1.accounts.retrieve_current()
        profile = found.business_profile
        name = (profile.name if profile is not None else None) or found.id
        return Account(id=found.id, name=name, country=found.country or "")


def change_endpoint(endpoint_id: str, *, events: Sequence[str]) -> None:
    """Have Stripe send these events there from now on. Raises NotThereError for one that was
    deleted."""
    asked: Any = {"enabled_events": list(events)}
    with calling() as client:
        client.v1.webhook_endpoints.update(endpoint_id, asked)


def create_endpoint(*, url: str, events: Sequence[str], uuid: str, key: str) -> Endpoint:
    """Have Stripe send ``events`` to ``url``, in the version of the API that we read."""
    asked: Any = {
        "url": url,
        "enabled_events": list(events),
        "api_version": stripe.api_version,
        "description": "Agency Portal",
        "metadata": {"djstripe_uuid": uuid},
    }
    with calling() as client:
        found = client.v1.webhook_endpoints.create(asked, once(key))
        return Endpoint(
            id=found.id,
            url=found.url,
            secret=found.secret or "",
            api_version=found.api_version or stripe.api_version,
            events=tuple(found.enabled_events),
            is_live=found.livemode,
        )
