"""The waterfall as ENGINE 3 words it, one bucket and one grant at a time: slow, and plainly right.

The real one, which sums buckets between the edges of grants, is held against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from agencyportal.core.periods import Period
from billing.waterfall import Grant, GrantKind

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class NaiveResult:
    consumption: dict[tuple[int, datetime], Decimal] = field(default_factory=dict)
    overage: dict[datetime, Decimal] = field(default_factory=dict)
    expired: dict[int, Decimal] = field(default_factory=dict)
    remaining: dict[int, Decimal] = field(default_factory=dict)
    rolled_over: Decimal = Decimal(0)


def naive_waterfall(
    grants: Sequence[Grant],
    buckets: Iterable[tuple[datetime, Decimal]],
    period: Period,
    *,
    rollover_max: Decimal = Decimal(0),
    as_of: datetime | None = None,
) -> NaiveResult:
    """Keyed by the grant's position among ``grants``."""
    result = NaiveResult()
    left = {number: grant.quantity - grant.revoked for number, grant in enumerate(grants)}
    for bucket, quantity in sorted(buckets):
        usable = [
            (
                grant.priority,
                grant.expires_at or NEVER,
                grant.effective_at,
                grant.sequence,
                number,
            )
            for number, grant in enumerate(grants)
            if grant.effective_at <= bucket
            if grant.expires_at is None or bucket < grant.expires_at
        ]
        for *_, number in sorted(usable):
            drawn = min(quantity, left[number])
            if drawn:
                key = (number, bucket)
                result.consumption[key] = result.consumption.get(key, Decimal(0)) + drawn
                left[number] -= drawn
                quantity -= drawn
        if quantity:
            result.overage[bucket] = result.overage.get(bucket, Decimal(0)) + quantity

    reached = period.end if as_of is None else min(as_of, period.end)
    over = reached == period.end
    unused = [
        number
        for number, grant in enumerate(grants)
        if over and grant.kind in (GrantKind.ALLOWANCE, GrantKind.ROLLOVER)
    ]
    result.rolled_over = min(rollover_max, sum((left[n] for n in unused), Decimal(0)))
    for number, grant in enumerate(grants):
        lapsed = grant.expires_at is not None and grant.expires_at <= reached
        gone = number in unused or lapsed
        result.expired[number] = left[number] if gone else Decimal(0)
        result.remaining[number] = Decimal(0) if gone else left[number]
    return result
