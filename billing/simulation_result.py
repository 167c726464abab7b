"""The result of a simulation, and its JSON form (ENGINE 14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from agencyportal.core.money import plain, round_money
from agencyportal.core.periods import Period

from .waterfall import WaterfallResult

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a period; ``amount`` is rounded to the currency's digits.

    What the agency collects itself is shown, and is in no total.
    """

    kind: str
    description: str
    unit: str | None
    quantity: Decimal
    amount: Decimal
    collected_by: str = "platform"
    discounts_overage: bool = False
    """Of a discount: whether it is on overage, and so counts towards the minimum."""
    in_advance: bool = False
    """Whether it is a fee that comes again, or a discount on such fees."""


@dataclass(frozen=True, slots=True)
class UnitResult:
    """One unit in one period."""

    unit: str
    waterfall: WaterfallResult


@dataclass(frozen=True, slots=True)
class PeriodResult:
    period: Period
    units: tuple[UnitResult, ...]
    lines: tuple[Line, ...]
    fees_time: Period | None = None
    """What time its fees are for: the period, a longer one that begins with it, or none."""
    is_trial: bool = False

    @property
    def total(self) -> Decimal:
        """What the platform asks the client for."""
        return sum((line.amount for line in self.lines if line.collected_by == "platform"), ZERO)


@dataclass(frozen=True, slots=True)
class SimulationResult:
    currency: str
    periods: tuple[PeriodResult, ...]

    @property
    def total(self) -> Decimal:
        return sum((period.total for period in self.periods), ZERO)

    def as_json(self) -> dict[str, Any]:
        """The result of ENGINE 14, ready for JSON: times in UTC, decimals as strings."""
        return {
            "periods": [_period_json(period, self.currency) for period in self.periods],
            "total": _money(self.total, self.currency),
        }


def _period_json(result: PeriodResult, currency: str) -> dict[str, Any]:
    return {
        "start": instant_text(result.period.start),
        "end": instant_text(result.period.end),
        **({"trial": True} if result.is_trial else {}),
        "units": [_unit_json(unit) for unit in result.units],
        "lines": [_line_json(line, currency) for line in result.lines],
        "total": _money(result.total, currency),
    }


def _unit_json(unit: UnitResult) -> dict[str, Any]:
    result = unit.waterfall
    return {
        "unit": unit.unit,
        "used": plain(result.used),
        "included": plain(result.included),
        "top_up": plain(result.top_up),
        "overage": plain(result.overage),
        "expired_unused": plain(result.expired),
        "rolled_over": plain(result.rolled_over),
        "grants": [
            {
                "id": outcome.grant.id,
                "kind": str(outcome.grant.kind),
                "consumed": plain(outcome.consumed),
                "expired": plain(outcome.expired),
                "remaining": plain(outcome.remaining),
            }
            for outcome in result.grants
        ],
    }


def _line_json(line: Line, currency: str) -> dict[str, Any]:
    document = {
        "kind": line.kind,
        "description": line.description,
        "unit": line.unit,
        "quantity": plain(line.quantity),
        "amount": _money(line.amount, currency),
    }
    return document | ({"collected_by": "agency"} if line.collected_by == "agency" else {})


def _money(amount: Decimal, currency: str) -> str:
    return format(round_money(amount, currency), "f")


def instant_text(instant: datetime) -> str:
    """An instant in UTC, as results write it."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
