"""Settles late usage and corrections of one unit of a closed period (ENGINE 7). Pure.

Nothing closed is recomputed: what its period froze stands, and what late changes add to it, or
take away, is worked out beside it. The closed period is burned again over the units that it
consumed or let expire, and no others, with all usage that it has now at its own time. So late
usage finds first what expired unused; and for credit that ended with its period it makes no
difference whether usage came in time or late, nor in which order.

What that leaves uncovered, beyond what was uncovered before, is a bucket at the time it was
recorded: it draws from credit that was effective when the usage happened and has something left.
The rest is overage of the closed period. A reduction goes the other way: overage first, then what
was drawn; and units that the closed period no longer needs are free again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from agencyportal.core.periods import Period

from .asking import less_the_latest
from .waterfall import Grant, burn_order, is_usable, waterfall

ZERO: Final = Decimal(0)

GrantId = str | int


class Change(NamedTuple):
    """What a quarter hour of a closed period gains (or, below 0, loses), and the quarter hour in
    which that was recorded."""

    start: datetime
    quantity: Decimal
    recorded: datetime


@dataclass(frozen=True, slots=True)
class ClosedUnit:
    """One unit of a closed period as it stands before the changes.

    ``grants``: each with what the period consumed of it or let expire, less what was given back
    since. ``buckets``: its usage so far, late usage included. ``drawn``: what late usage took of
    grants after the period was closed, by grant, in the order in which they burned. ``overage``:
    what stayed uncovered.
    """

    period: Period
    grants: Sequence[Grant]
    buckets: Mapping[datetime, Decimal]
    drawn: Mapping[GrantId, Decimal]
    overage: Decimal


@dataclass(frozen=True, slots=True)
class Credit:
    """A grant that goes on after the closed period, with what open usage has left of it."""

    grant: Grant
    left: Decimal


@dataclass(frozen=True, slots=True)
class LateResult:
    """What changes: ``quantity`` = ``from_period`` + ``drawn`` + ``overage``, each of them summed.

    ``from_period``: units of the closed period's own grants, consumed in addition or freed, by
    grant. ``drawn``: units of grants that go on, taken or given back, by grant. Both without
    zeros. ``buckets``: what the closed period has used in the end.
    """

    quantity: Decimal
    from_period: dict[GrantId, Decimal]
    drawn: dict[GrantId, Decimal]
    overage: Decimal
    buckets: dict[datetime, Decimal]


def settle_late(
    closed: ClosedUnit, changes: Iterable[Change], credit: Sequence[Credit] = ()
) -> LateResult:
    """Settle ``changes`` of a closed period, together. Their order makes no difference.

    ``credit`` of period grants, and of grants that began after the usage, is left alone. Raises
    ValueError where a quarter hour would come to less than nothing, or is outside the period.
    """
    wanted = sorted(changes)
    before = _burn(closed, closed.buckets)
    floor = sum(closed.drawn.values(), closed.overage)
    by_credit: dict[tuple[GrantId, ...], list[Change]] = defaultdict(list)
    for change in wanted:
        by_credit[_eligible(change, credit)].append(change)
    buckets = dict(closed.buckets)
    # What nothing else can pay for comes first: only what the rest adds to it may draw.
    _apply(buckets, by_credit.pop((), []))
    burned = _burn(closed, buckets)
    left = {item.grant.id: item.left for item in credit}
    drawn: dict[GrantId, Decimal] = {}
    uncovered = max(floor, burned.uncovered)
    for grant_ids, group in by_credit.items():
        _apply(buckets, group)
        burned = _burn(closed, buckets)
        needed = max(ZERO, burned.uncovered - uncovered)
        uncovered += needed
        for grant_id in grant_ids:
            taken = min(needed, left[grant_id])
            if taken:
                left[grant_id] -= taken
                drawn[grant_id] = drawn.get(grant_id, ZERO) + taken
                needed -= taken
    overage = burned.uncovered - floor - sum(drawn.values(), ZERO)
    if burned.uncovered < floor:
        overage, drawn = _given_back(closed, floor - burned.uncovered)
    return LateResult(
        quantity=sum((change.quantity for change in wanted), ZERO),
        from_period={
            grant_id: consumed - before.consumed[grant_id]
            for grant_id, consumed in burned.consumed.items()
            if consumed != before.consumed[grant_id]
        },
        drawn=drawn,
        overage=overage,
        buckets={start: quantity for start, quantity in buckets.items() if quantity},
    )


class _Burned(NamedTuple):
    consumed: dict[GrantId, Decimal]
    uncovered: Decimal


def overage_by_time(
    closed: ClosedUnit, buckets: Mapping[datetime, Decimal], overage: Decimal
) -> dict[datetime, Decimal]:
    """In which quarter hours the ``overage`` of a closed period is, with all usage that it has by
    now: what late usage drew of credit that goes on is taken off the latest."""
    found = waterfall(closed.grants, buckets.items(), closed.period)
    return less_the_latest(found.overage_by_bucket(), max(ZERO, found.overage - overage))


def _burn(closed: ClosedUnit, buckets: Mapping[datetime, Decimal]) -> _Burned:
    result = waterfall(closed.grants, buckets.items(), closed.period)
    return _Burned({o.grant.id: o.consumed for o in result.grants}, result.overage)


def _eligible(change: Change, credit: Sequence[Credit]) -> tuple[GrantId, ...]:
    """The grants that may pay for a change, as they burn: effective when it happened, usable
    when it was recorded. A reduction draws nothing."""
    if change.quantity <= 0:
        return ()
    usable = [
        item.grant
        for item in credit
        if item.left > 0
        and item.grant.effective_at <= change.start
        and is_usable(item.grant, change.recorded)
    ]
    return tuple(grant.id for grant in sorted(usable, key=burn_order))


def _apply(buckets: dict[datetime, Decimal], changes: Iterable[Change]) -> None:
    for change in changes:
        buckets[change.start] = buckets.get(change.start, ZERO) + change.quantity


def _given_back(closed: ClosedUnit, quantity: Decimal) -> tuple[Decimal, dict[GrantId, Decimal]]:
    """Overage goes first, then what was drawn, the last grant first."""
    overage = min(quantity, closed.overage)
    rest = quantity - overage
    drawn: dict[GrantId, Decimal] = {}
    for grant_id, taken in reversed(list(closed.drawn.items())):
        back = min(rest, taken)
        if back:
            drawn[grant_id] = -back
            rest -= back
    return -overage, drawn


def goes_on(grant: Grant, period: Period) -> bool:
    """Whether a grant outlives a period, so that units freed from it can be given back."""
    return grant.expires_at is None or grant.expires_at > period.end
