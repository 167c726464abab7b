"""A waterfall read backwards: which usage each grant, and the overage, was taken by. Pure.

Nearly all quarter hours take from one source alone, and neighbours from the same one, so that a
whole period comes to a few stretches whose usage can be added up in bulk. Only where a source
runs dry within a quarter hour do its events have to be looked at one by one, in the order in which
they happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from agencyportal.core.periods import Period

from .waterfall import Draw

ZERO: Final = Decimal(0)
QUARTER: Final = timedelta(minutes=15)

Source = str | int | None
"""The id of a grant; None is overage."""


class Share(NamedTuple):
    """What one source gave."""

    source: Source
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Stretch:
    """``[start, end)``: whose usage was taken from where. With several ``shares``, in burn order,
    it is one quarter hour."""

    start: datetime
    end: datetime
    shares: tuple[Share, ...]

    @property
    def source(self) -> Source:
        """Where all of it came from, or the first of several."""
        return self.shares[0].source

    @property
    def is_shared(self) -> bool:
        return len(self.shares) > 1


def stretches(draws: Sequence[Draw], period: Period) -> list[Stretch]:
    """The period cut where its usage's source changes: in time order, whole and without gaps.

    ``draws``: in time and burn order, as a waterfall gives them. Time without usage belongs to
    the source that comes next, at the end to the last. Nothing drawn: no stretch.
    """
    found: list[Stretch] = []
    reached = period.start
    for bucket, rows in groupby(draws, key=attrgetter("bucket")):
        shares = tuple(Share(draw.source, draw.quantity) for draw in rows)
        after = bucket + QUARTER
        if len(shares) == 1:
            _append(found, Stretch(reached, after, shares))
        else:
            if reached < bucket:
                _append(found, Stretch(reached, bucket, (Share(shares[0].source, ZERO),)))
            found.append(Stretch(bucket, after, shares))
        reached = after
    if found and reached < period.end:
        last = found[-1].shares[-1].source
        _append(found, Stretch(reached, period.end, (Share(last, ZERO),)))
    return found


def _append(found: list[Stretch], stretch: Stretch) -> None:
    """Add a stretch of one source, as part of the one before it where that has the same."""
    before = found[-1] if found else None
    if before is None or before.is_shared or before.source != stretch.source:
        found.append(stretch)
        return
    quantity = before.shares[0].quantity + stretch.shares[0].quantity
    found[-1] = Stretch(before.start, stretch.end, (Share(stretch.source, quantity),))


Event = TypeVar("Event")


def divide(
    events: Iterable[tuple[Event, Decimal]], shares: Sequence[Share]
) -> Iterator[tuple[Source, Event, Decimal]]:
    """Give events, in the order in which they happened, to the sources of one quarter hour.

    An event that a source cannot cover whole is split. One without quantity goes to the source
    that is next. Raises ValueError unless the events come to exactly what the shares are.
    """
    left = [share.quantity for share in shares]
    position = 0
    for event, quantity in events:
        needed = quantity
        if not needed:
            yield shares[min(position, len(shares) - 1)].source, event, ZERO
        while needed:
            while position < len(left) and not left[position]:
                position += 1
            if position == len(left):
                raise ValueError(f"the events come to {needed} more than was drawn")
            taken = min(needed, left[position])
            left[position] -= taken
            needed -= taken
            yield shares[position].source, event, taken
    if rest := sum(left, ZERO):
        raise ValueError(f"the events come to {rest} less than was drawn")
