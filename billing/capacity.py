"""How much of a unit can still be taken now, and until when that stays true. Pure.

A *segment* is the time between two edges of grants. Inside one, the same grants can be used, so
what was used before it and what those grants had left when it began settle together how far usage
can go: whatever is counted in the segment meanwhile, more or less of it, the limit stays the same.
Only a change before it, or the next edge, moves it. That is why the limit can be cached.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from agencyportal.core.periods import Period, quarter_floor

from .waterfall import WaterfallResult, edges_within, is_usable

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Capacity:
    """Usage of a period can come to ``limit``, for as long as time is in ``[since, until)``."""

    limit: Decimal
    since: datetime
    until: datetime


def capacity_of(
    result: WaterfallResult,
    period: Period,
    now: datetime,
    *,
    beyond: Decimal = ZERO,
    beyond_until: datetime | None = None,
) -> Capacity:
    """The limit at ``now`` of the usage that ``result`` was worked out from.

    Overage frees nothing: what the segment used beyond its grants is above the limit. ``beyond``:
    overage of the period that is let in all the same, less what came of it before the segment.
    ``beyond_until``: when that changes, which ends what can be said.
    """
    since, until = segment_of(result, period, now)
    earlier = overage = ZERO
    for start, quantity in result.overage_by_bucket().items():
        if since <= start < until:
            overage += quantity
        elif start < since:
            earlier += quantity
    limit = result.used + result.available(quarter_floor(now)) - overage
    limit += max(ZERO, beyond - earlier)
    if beyond_until is not None and now < beyond_until:
        until = min(until, beyond_until)
    elif beyond_until is not None:
        since = max(since, beyond_until)
    return Capacity(limit=limit, since=since, until=until)


def cover_of(result: WaterfallResult, period: Period) -> Capacity | None:
    """How far usage can come in the segment of the latest of it, so that credit covers all of the
    period's; None where credit does not cover it as it is.

    What comes in that segment burns together (`waterfall`), so it matters only how much it is.
    """
    if result.overage:
        return None
    at = result.buckets[-1][0] if result.buckets else period.start
    since, until = segment_of(result, period, at)
    usable = (outcome for outcome in result.grants if is_usable(outcome.grant, at))
    left = sum((outcome.grant.usable - outcome.consumed for outcome in usable), ZERO)
    return Capacity(limit=result.used + left, since=since, until=until)


def segment_of(result: WaterfallResult, period: Period, now: datetime) -> tuple[datetime, datetime]:
    """The time around ``now`` in which no grant begins or ends, inside the period."""
    at = quarter_floor(now)
    within = edges_within((outcome.grant for outcome in result.grants), period)
    since = max((edge for edge in within if edge <= at), default=period.start)
    until = min((edge for edge in within if edge > at), default=period.end)
    return since, until
