"""Settles one unit of one period: its allowance in the end, its waterfall, its cost. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from agencyportal.core.periods import Period

from .plan_documents import AllowanceDocument
from .terms import closing_allowance, opening_allowance
from .waterfall import Grant, WaterfallResult, waterfall

ZERO = Decimal(0)


class Quarter(NamedTuple):
    """Counted usage of one quarter hour; costs are in the client's currency."""

    start: datetime
    quantity: Decimal
    platform_cost: Decimal
    agency_cost: Decimal


@dataclass(frozen=True, slots=True)
class Usage:
    """What one unit of a workspace came to in one period."""

    buckets: list[tuple[datetime, Decimal]]
    used: Decimal
    platform_cost: Decimal
    agency_cost: Decimal

    @property
    def cost(self) -> Decimal:
        """The unit's priced cost, whoever pays it."""
        return self.platform_cost + self.agency_cost


def usage_of(quarters: Sequence[tuple[datetime, Decimal, Decimal, Decimal]]) -> Usage:
    """Add up quarter hours, as `Quarter` or plain tuples."""
    rows = [Quarter(*quarter) for quarter in quarters]
    return Usage(
        buckets=[(row.start, row.quantity) for row in rows],
        used=sum((row.quantity for row in rows), ZERO),
        platform_cost=sum((row.platform_cost for row in rows), ZERO),
        agency_cost=sum((row.agency_cost for row in rows), ZERO),
    )


def missing_allowance(
    allowance: AllowanceDocument | None,
    period: Period,
    timezone: str,
    *,
    used: Decimal,
    places: int,
) -> Decimal:
    """What the last period's allowance comes to beyond what was given when it opened, so that an
    early end turns no included usage into overage; 0 in every other period."""
    if allowance is None:
        return ZERO
    opening = opening_allowance(allowance, period, timezone, places=places)
    return closing_allowance(allowance, period, timezone, used=used, places=places) - opening


def settle(
    grants: Sequence[Grant],
    usage: Usage,
    period: Period,
    *,
    allowance: AllowanceDocument | None,
    is_last: bool,
    as_of: datetime | None = None,
) -> WaterfallResult:
    """The unit's waterfall. Nothing rolls over out of a subscription's last period."""
    rolls_over = allowance is not None and not is_last
    return waterfall(
        grants,
        usage.buckets,
        period,
        rollover_max=allowance.rollover_max if allowance and rolls_over else ZERO,
        as_of=as_of,
    )
