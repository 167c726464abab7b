"""The waterfall: burns grants down with usage, and says what is overage.

A pure function of one unit's grants and quarter-hour buckets in one billing period. Buckets are
added up before anything burns, so the result does not depend on how usage was batched or in which
order it arrived. Rules: ENGINE 3; the order grants burn in is `burn_order`.

Inside, quantities are whole numbers of millionths and buckets are summed between the edges of
grants; Decimals appear at the public edge only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from operator import itemgetter
from typing import Final, NamedTuple

from agencyportal.core.money import exact_arithmetic, scaled, unscaled
from agencyportal.core.periods import Period

PLACES: Final = 6
"""Decimal places of a quantity."""

ZERO: Final = Decimal(0)


class GrantKind(StrEnum):
    """What a grant is; the values are those of results and of stored grants."""

    ALLOWANCE = "allowance"
    ROLLOVER = "rollover"
    ADJUSTMENT = "adjustment"
    PROMOTIONAL = "promotional"
    TOP_UP = "top_up"


DEFAULT_PRIORITY: Final[Mapping[GrantKind, int]] = {
    GrantKind.ROLLOVER: 10,
    GrantKind.ALLOWANCE: 20,
    GrantKind.ADJUSTMENT: 30,
    GrantKind.PROMOTIONAL: 40,
    GrantKind.TOP_UP: 50,
}

INCLUDED_KINDS: Final = frozenset({GrantKind.ALLOWANCE, GrantKind.ROLLOVER, GrantKind.ADJUSTMENT})
"""Kinds whose consumption is reported as `included`; that of the others as `top_up`."""

PERIOD_KINDS: Final = frozenset({GrantKind.ALLOWANCE, GrantKind.ROLLOVER})
"""Kinds that end with their period, at the latest, and whose unused units can roll over."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A quantity of one unit, usable in quarter hours with ``effective_at <= bucket < expires_at``.

    ``quantity``: what was granted, or what was left of it when the period started.
    ``revoked``: how much of that was taken back; never more than what was unused then.
    ``expires_at``: ``None`` is never. ``sequence``: the order in which grants were made.
    """

    id: str | int
    kind: GrantKind
    quantity: Decimal
    effective_at: datetime
    expires_at: datetime | None
    priority: int
    sequence: int = 0
    revoked: Decimal = ZERO

    @property
    def usable(self) -> Decimal:
        """What usage could burn of it, were it all there."""
        return self.quantity - self.revoked


class Bucket(NamedTuple):
    """Usage of one quarter hour; a plain ``(start, quantity)`` tuple will do as well."""

    start: datetime
    quantity: Decimal


class Draw(NamedTuple):
    """What one bucket took from one source: a grant's id, or None for overage."""

    bucket: datetime
    source: str | int | None
    quantity: Decimal


class Consumption(NamedTuple):
    """What one bucket took from one grant."""

    grant_id: str | int
    bucket: datetime
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class GrantOutcome:
    """What became of a grant: quantity = consumed + expired + rolled over + revoked + remaining."""

    grant: Grant
    consumed: Decimal
    expired: Decimal
    rolled_over: Decimal
    revoked: Decimal
    remaining: Decimal


@dataclass(frozen=True, slots=True)
class _Segment:
    """Buckets ``first`` up to ``last`` (exclusive), between two edges of grants: what they took
    from each grant, in burn order, and the overage that came after."""

    first: int
    last: int
    taken: tuple[tuple[int, int], ...]
    overage: int


@dataclass(frozen=True, slots=True)
class WaterfallResult:
    """The waterfall of one unit and period: used = consumed + overage.

    ``grants`` come in the order in which they were given.
    """

    used: Decimal
    overage: Decimal
    expired: Decimal
    rolled_over: Decimal
    grants: tuple[GrantOutcome, ...]
    _buckets: Sequence[tuple[datetime, Decimal]]
    _segments: tuple[_Segment, ...]

    def consumed_by(self, kinds: Iterable[GrantKind]) -> Decimal:
        """Units consumed from grants of some kinds."""
        wanted = frozenset(kinds)
        return sum((o.consumed for o in self.grants if o.grant.kind in wanted), ZERO)

    @property
    def included(self) -> Decimal:
        """Units consumed from allowance, rollover and adjustments."""
        return self.consumed_by(INCLUDED_KINDS)

    @property
    def top_up(self) -> Decimal:
        """Units consumed from top-ups, paid or promotional."""
        return self.consumed_by(frozenset(GrantKind) - INCLUDED_KINDS)

    def available(self, at: datetime) -> Decimal:
        """What is left in the grants that usage in the quarter hour ``at`` could burn."""
        usable = (o.remaining for o in self.grants if is_usable(o.grant, at))
        return sum(usable, ZERO)

    def draws(self) -> list[Draw]:
        """Where each bucket's usage came from, in time and burn order; overage comes last."""
        return [
            Draw(start, None if i is None else self.grants[i].grant.id, unscaled(quantity, PLACES))
            for start, i, quantity in self._draws()
        ]

    @property
    def buckets(self) -> Sequence[tuple[datetime, Decimal]]:
        """The usage that was burned, in time order."""
        return self._buckets

    def consumption(self) -> list[Consumption]:
        """What each bucket took from each grant, in time and burn order."""
        return [
            Consumption(self.grants[index].grant.id, start, unscaled(quantity, PLACES))
            for start, index, quantity in self._draws()
            if index is not None
        ]

    def overage_by_bucket(self) -> dict[datetime, Decimal]:
        """Overage of each quarter hour that has any."""
        overage: dict[datetime, int] = {}
        for start, index, quantity in self._draws():
            if index is None:
                overage[start] = overage.get(start, 0) + quantity
        return {start: unscaled(quantity, PLACES) for start, quantity in overage.items()}

    def _draws(self) -> Iterator[tuple[datetime, int | None, int]]:
        for segment in self._segments:
            sources: list[tuple[int | None, int]] = [*segment.taken, (None, segment.overage)]
            position, left = 0, sources[0][1]
            for start, quantity in self._buckets[segment.first : segment.last]:
                needed = scaled(quantity, PLACES)
                while needed:
                    while not left:
                        position += 1
                        left = sources[position][1]
                    drawn = min(needed, left)
                    yield start, sources[position][0], drawn
                    needed -= drawn
                    left -= drawn


def burn_order(grant: Grant) -> tuple[int, bool, datetime, datetime, int]:
    """Sorts grants as they burn: lower priority, soonest expiry (never is last), earliest
    effective, first made."""
    expires = grant.expires_at
    return (
        grant.priority,
        expires is None,
        expires or grant.effective_at,
        grant.effective_at,
        grant.sequence,
    )


def is_usable(grant: Grant, bucket: datetime) -> bool:
    """Whether usage in a quarter hour may burn a grant."""
    return grant.effective_at <= bucket and (grant.expires_at is None or bucket < grant.expires_at)


def waterfall(
    grants: Sequence[Grant],
    buckets: Iterable[tuple[datetime, Decimal]],
    period: Period,
    *,
    rollover_max: Decimal = ZERO,
    as_of: datetime | None = None,
) -> WaterfallResult:
    """Burn ``grants`` with the usage of one period, in time order.

    ``buckets``: quarter hours of the period with their quantities (6 decimal places at most), in
    any order; a quarter hour may come more than once. ``as_of``: how far time has come, by
    default the period's end. Grants expire when their expiry is reached by then; when the end is
    reached, unused allowance and rollover expire too, except ``min(rollover_max, what is
    unused)``, reported as ``rolled_over``.

    Raises ValueError for a bucket outside the period, a negative quantity, or more revoked from
    a grant than it has left.
    """
    ordered = sorted(buckets, key=itemgetter(0))
    _check_buckets(ordered, period)
    granted = [_usable_units(grant) for grant in grants]
    left = list(granted)
    segments = tuple(_burn(grants, left, ordered, period))
    overage = sum(segment.overage for segment in segments)
    consumed = sum(granted) - sum(left)
    reached = period.end if as_of is None else min(as_of, period.end)
    rolled = _roll_over(grants, left, rollover_max) if reached == period.end else {}
    outcomes = tuple(
        _outcome(grant, granted[i], left[i], rolled.get(i, 0), reached, period)
        for i, grant in enumerate(grants)
    )
    return WaterfallResult(
        used=unscaled(consumed + overage, PLACES),
        overage=unscaled(overage, PLACES),
        expired=sum((o.expired for o in outcomes), ZERO),
        rolled_over=unscaled(sum(rolled.values()), PLACES),
        grants=outcomes,
        _buckets=ordered,
        _segments=segments,
    )


def _check_buckets(ordered: Sequence[tuple[datetime, Decimal]], period: Period) -> None:
    if not ordered:
        return
    for start in (ordered[0][0], ordered[-1][0]):
        if start not in period:
            raise ValueError(
                f"usage at {start.isoformat()} is outside the period "
                f"{period.start.isoformat()} to {period.end.isoformat()}"
            )
    if min(map(itemgetter(1), ordered)) < 0:
        raise ValueError("a bucket's quantity must not be negative")


def _usable_units(grant: Grant) -> int:
    quantity, revoked = scaled(grant.quantity, PLACES), scaled(grant.revoked, PLACES)
    if quantity < 0 or not 0 <= revoked <= quantity:
        raise ValueError(
            f"grant {grant.id}: {grant.revoked} revoked of {grant.quantity} is not possible"
        )
    return quantity - revoked


def edges_within(grants: Iterable[Grant], period: Period) -> list[datetime]:
    """The period's bounds and the instants between them at which grants begin or end. Usage
    between two edges burns as one: the same grants are usable."""
    edges = {period.start, period.end}
    for grant in grants:
        edges.add(grant.effective_at)
        if grant.expires_at is not None:
            edges.add(grant.expires_at)
    return sorted(edge for edge in edges if period.start <= edge <= period.end)


def _burn(
    grants: Sequence[Grant],
    left: list[int],
    ordered: Sequence[tuple[datetime, Decimal]],
    period: Period,
) -> Iterator[_Segment]:
    """Take each segment's usage from the usable grants; ``left`` is counted down in place."""
    by_burning = sorted(range(len(grants)), key=lambda index: burn_order(grants[index]))
    starts = [start for start, _ in ordered]
    within = edges_within(grants, period)
    for (edge, _), (first, last) in zip(
        pairwise(within), pairwise(bisect_left(starts, edge) for edge in within), strict=True
    ):
        with exact_arithmetic():
            demand = scaled(sum(map(itemgetter(1), ordered[first:last]), ZERO), PLACES)
        taken = []
        for index in by_burning:
            if demand and left[index] and is_usable(grants[index], edge):
                drawn = min(demand, left[index])
                left[index] -= drawn
                demand -= drawn
                taken.append((index, drawn))
        yield _Segment(first, last, tuple(taken), demand)


def _roll_over(
    grants: Sequence[Grant], left: Sequence[int], rollover_max: Decimal
) -> dict[int, int]:
    """Units carried into the next period, by index of the grant they come from.

    The allowance is carried before what had been rolled over already: the oldest expires.
    """
    allowed = scaled(rollover_max, PLACES)
    carried: dict[int, int] = {}
    for kind in (GrantKind.ALLOWANCE, GrantKind.ROLLOVER):
        for index, grant in enumerate(grants):
            if grant.kind is kind and left[index]:
                carried[index] = min(allowed, left[index])
                allowed -= carried[index]
    return carried


def _outcome(
    grant: Grant, granted: int, left: int, rolled: int, reached: datetime, period: Period
) -> GrantOutcome:
    ends_with_period = grant.kind in PERIOD_KINDS and reached == period.end
    over = ends_with_period or (grant.expires_at is not None and grant.expires_at <= reached)
    expired = left - rolled if over else 0
    return GrantOutcome(
        grant=grant,
        consumed=unscaled(granted - left, PLACES),
        expired=unscaled(expired, PLACES),
        rolled_over=unscaled(rolled, PLACES),
        revoked=grant.revoked,
        remaining=unscaled(left - rolled - expired, PLACES),
    )
