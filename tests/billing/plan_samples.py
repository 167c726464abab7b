"""Plans that stories are told with; each function returns a fresh scenario `plan` object."""

from __future__ import annotations

import datetime as dt
from typing import Any

NEW_YORK_2026 = {
    month: dt.datetime(2026, month, 1, 4 if 4 <= month <= 11 else 5, tzinfo=dt.UTC)
    for month in range(1, 13)
}
"""First instants of the months of 2026 in New York, in UTC (summer time from 8 March)."""


def starter(**changes: Any) -> dict[str, Any]:
    """The plan of ENGINE 14: 499.00 a month, 1,000 conversations, 0.10 for each beyond."""
    plan: dict[str, Any] = {
        "name": "Support Starter",
        "currency": "USD",
        "timezone": "America/New_York",
        "interval": "month",
        "anchor": "calendar",
        "fees": [
            {
                "name": "Implementation",
                "kind": "implementation",
                "amount": "2500",
                "when": "once",
                "prorate": True,
            },
            {
                "name": "Base package",
                "kind": "base",
                "amount": "499",
                "when": "period",
                "prorate": True,
            },
        ],
        "allowances": [allowance()],
        "top_ups": [band()],
    }
    return plan | changes


def allowance(unit: str = "conversation", included: str = "1000", **changes: Any) -> dict[str, Any]:
    return {
        "unit": unit,
        "included": included,
        "rollover_max": "0",
        "prorate": True,
        "overage": bill({"model": "per_unit", "unit_amount": "0.1"}),
    } | changes


def bill(pricing: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The `overage` object of a policy that bills."""
    return {"policy": "bill", "pricing": pricing} | changes


def band(name: str = "Growth 500", **changes: Any) -> dict[str, Any]:
    return {
        "unit": "conversation",
        "name": name,
        "quantity": "500",
        "price": "60",
        "expires": "period_end",
    } | changes
