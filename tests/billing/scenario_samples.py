"""Scenario documents for tests: the one of ENGINE 14, and a small one to vary."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

EXAMPLE: dict[str, Any] = {
    "plan": {
        "name": "Support Starter",
        "currency": "USD",
        "timezone": "America/New_York",
        "interval": "month",
        "anchor": "calendar",
        "fees": [
            {
                "name": "Implementation",
                "kind": "implementation",
                "amount": "2500.00",
                "when": "once",
            },
            {
                "name": "Base package",
                "kind": "base",
                "amount": "499.00",
                "when": "period",
                "prorate": True,
            },
        ],
        "allowances": [
            {
                "unit": "conversation",
                "included": "1000",
                "rollover_max": "0",
                "prorate": True,
                "overage": {
                    "policy": "bill",
                    "pricing": {"model": "per_unit", "unit_amount": "0.10"},
                },
            }
        ],
        "top_ups": [
            {
                "unit": "conversation",
                "name": "Growth 500",
                "quantity": "500",
                "price": "60.00",
                "expires": "period_end",
            }
        ],
    },
    "start": "2026-01-01T05:00:00Z",
    "end": None,
    "until": "2026-04-01T04:00:00Z",
    "purchases": [{"top_up": "Growth 500", "at": "2026-01-20T15:00:00Z"}],
    "grants": [
        {
            "id": "sorry",
            "unit": "conversation",
            "quantity": "50",
            "effective_at": "2026-02-01T05:00:00Z",
            "expires_at": None,
            "priority": 30,
        }
    ],
    "usage": [
        {
            "unit": "conversation",
            "time": "2026-01-03T12:00:00Z",
            "quantity": "1200",
            "cost": "31.20",
        }
    ],
}


def example() -> dict[str, Any]:
    """The document of ENGINE 14, to be changed at will."""
    return deepcopy(EXAMPLE)


def scenario(
    *,
    usage: dict[str, str] | None = None,
    overage: dict[str, Any] | None = None,
    allowance: dict[str, Any] | None = None,
    fees: list[dict[str, Any]] | None = None,
    top_up: dict[str, Any] | None = None,
    plan: dict[str, Any] | None = None,
    **members: Any,
) -> dict[str, Any]:
    """A plan in UTC from January 2026 with 100 pages a month, 0.10 beyond, no fees.

    ``usage``: quantities of pages by time, at noon where only a date is given.
    """
    document = {
        "plan": {
            "name": "Pages",
            "currency": "USD",
            "timezone": "UTC",
            "interval": "month",
            "anchor": "calendar",
            "fees": fees or [],
            "allowances": [
                {
                    "unit": "page",
                    "included": "100",
                    "overage": overage
                    or {"policy": "bill", "pricing": {"model": "per_unit", "unit_amount": "0.10"}},
                    **(allowance or {}),
                }
            ],
            "top_ups": [
                {
                    "unit": "page",
                    "name": "50 pages",
                    "quantity": "50",
                    "price": "4.00",
                    "expires": "never",
                    **(top_up or {}),
                }
            ],
            **(plan or {}),
        },
        "start": "2026-01-01T00:00:00Z",
        "until": "2026-04-01T00:00:00Z",
        "usage": [
            {"unit": "page", "time": full_time(time), "quantity": quantity}
            for time, quantity in (usage or {}).items()
        ],
        **members,
    }
    return deepcopy(document)


def full_time(text: str) -> str:
    return text if "T" in text else f"{text}T12:00:00Z"
