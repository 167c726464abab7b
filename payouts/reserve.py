"""What of a month is kept back for disputes that are still to come. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from agencyportal.core.money import exact_arithmetic, round_money
from payouts.statement import EarningFact, EarningKind

ZERO: Final = Decimal(0)

EXPOSED: Final = frozenset({EarningKind.REVENUE, EarningKind.REFUND, EarningKind.DISPUTE})
"""What clients can still ask back: revenue, less what they have back already."""


def exposed(earnings: Iterable[EarningFact]) -> Decimal:
    """The revenue of a month that can still be disputed; never negative."""
    kept = sum((fact.amount for fact in earnings if fact.kind in EXPOSED), ZERO)
    return max(kept, ZERO)


def held_back(base: Decimal, percent: Decimal, *, balance: Decimal, currency: str) -> Decimal:
    """``percent`` of what is exposed, rounded once, and never more than there is to pay out.

    ``balance``: what the agency is owed before anything is kept back.
    """
    with exact_arithmetic():
        wanted = round_money(base * percent / 100, currency)
    return max(min(wanted, balance), ZERO)
