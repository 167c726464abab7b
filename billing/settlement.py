"""Settles one unit of one period: its allowance in the end, its waterfall, its cost. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from agencyportal.core.periods import Period

from .plan_documents import AllowanceDocument
from .proration import early_end_allowance
from .terms import opening_allowance
from .waterfall import Grant, GrantKind, WaterfallResult, waterfall

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


class AllowanceEnd(NamedTuple):
    """What a period that stops before its boundary does to its allowance.

    ``missing``: to be given beyond what there is, or, below zero, to be taken back. ``ahead``:
    what was used beyond the days' share; the plan that takes over gives so much less.
    """

    missing: Decimal = ZERO
    ahead: Decimal = ZERO


def allowance_at_end(
    grants: Sequence[Grant],
    usage: Usage,
    period: Period,
    *,
    allowance: AllowanceDocument | None,
    timezone: str,
    places: int,
    goes_on: bool,
) -> AllowanceEnd:
    """What the allowance of a period comes to in the end, against what ``grants`` have of it.

    An early end turns no included usage into overage: the last period's allowance is its days'
    share, or what was used up to a full one. Where another plan takes over (``goes_on``), it is
    what was used of the allowance there is. Nothing in a period that reaches its boundary.
    """
    if allowance is None or not (allowance.prorate and period.ends_early):
        return AllowanceEnd()
    given = [grant for grant in grants if grant.kind is GrantKind.ALLOWANCE]
    opened = sum((grant.quantity for grant in given), ZERO)
    revoked = sum((grant.revoked for grant in given), ZERO)
    used = usage.used
    full = allowance.included
    if goes_on:
        used = waterfall(grants, usage.buckets, period).consumed_by({GrantKind.ALLOWANCE})
        full = opened
    planned = opening_allowance(allowance, period, timezone, places=places)
    share = max(ZERO, planned - revoked)
    counts = early_end_allowance(prorated=share, full=max(ZERO, full - revoked), used=used)
    return AllowanceEnd(
        missing=counts - (opened - revoked), ahead=counts - share if goes_on else ZERO
    )


def take_back(grants: Iterable[Grant], quantity: Decimal) -> list[Grant]:
    """Grants of which ``quantity`` of the allowance is taken back, the first one first; no more
    than there is."""
    found = []
    for grant in grants:
        if quantity and grant.kind is GrantKind.ALLOWANCE:
            taken = min(quantity, grant.usable)
            quantity -= taken
            found.append(replace(grant, revoked=grant.revoked + taken))
        else:
            found.append(grant)
    return found


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
