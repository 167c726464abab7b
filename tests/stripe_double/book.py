"""What the double knows: objects by id, and the events that tell of them."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import stripe
from django.utils import timezone

from .wire import missing

ACCOUNT = "acct_double0000000001"

PREFIXES = {
    "customer": "cus",
    "checkout.session": "cs_test",
    "payment_intent": "pi",
    "setup_intent": "seti",
    "payment_method": "pm",
    "charge": "ch",
    "refund": "re",
    "dispute": "du",
    "balance_transaction": "txn",
    "account": "acct",
    "transfer": "tr",
    "transfer_reversal": "trr",
    "webhook_endpoint": "we",
    "event": "evt",
}


class Book:
    """Everything by id. Rows are plain dictionaries in the shape of the API."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.numbers = itertools.count(1)
        self.add("account", id=ACCOUNT, **account_shape())

    # -- rows -----------------------------------------------------------------------------------

    def add(self, kind: str, **values: Any) -> dict[str, Any]:
        row = {
            "id": f"{PREFIXES[kind]}_{next(self.numbers):014d}",
            "object": kind,
            "created": self.now(),
            "livemode": False,
            "metadata": {},
            **values,
        }
        self.rows[row["id"]] = row
        return row

    def get(self, kind: str, row_id: str) -> dict[str, Any]:
        row = self.rows.get(row_id)
        if row is None or row["object"] != kind:
            raise missing(kind, row_id)
        return row

    def all(self, kind: str, **equal: Any) -> list[dict[str, Any]]:
        """Newest first, as the API lists."""
        rows = [row for row in self.rows.values() if row["object"] == kind]
        wanted = {name: value for name, value in equal.items() if value is not None}
        found = [row for row in rows if all(row.get(n) == v for n, v in wanted.items())]
        return found[::-1]

    def now(self) -> int:
        """The time as the story has it; signatures go by the clock all the same."""
        return int(timezone.now().timestamp())

    # -- events ---------------------------------------------------------------------------------

    def tell(self, kind: str, row: dict[str, Any], *, account: str = "") -> dict[str, Any]:
        """Write an event down, with the object as it is at this moment."""
        event = self.add(
            "event",
            type=kind,
            api_version=stripe.api_version,
            data={"object": copy.deepcopy(row)},
            pending_webhooks=1,
            request={"id": None, "idempotency_key": None},
        )
        if account:
            event["account"] = account
        self.events.append(event)
        return event


def account_shape() -> dict[str, Any]:
    return {
        "type": "standard",
        "country": "US",
        "default_currency": "usd",
        "email": "operator@example.com",
        "business_profile": {"name": "Agency Portal", "url": None},
        "charges_enabled": True,
        "payouts_enabled": True,
        "details_submitted": True,
        "capabilities": {},
        "requirements": {"currently_due": [], "disabled_reason": None},
        "settings": {"dashboard": {"display_name": "Agency Portal", "timezone": "Etc/UTC"}},
    }
