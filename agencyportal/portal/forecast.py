"""Estimates of how a period will go on, and which band would help. Pure; labelled as estimates.

An estimate carries on the pace of the period so far. It is shown to a client, never charged.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeVar

from agencyportal.core.money import exact_arithmetic

ZERO = Decimal(0)
NEAR_PERCENT = 80
EARLIEST = dt.timedelta(days=1)
"""A pace needs some time behind it."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """``runs_out_at``: when nothing is left at this pace, if that is before the period's end.

    ``short_by``: units missing by then; 0 when everything lasts.
    """

    runs_out_at: dt.datetime | None = None
    short_by: Decimal = ZERO


def forecast(
    *, used: Decimal, left: Decimal, start: dt.datetime, end: dt.datetime, now: dt.datetime
) -> Forecast:
    """How a unit's period ``[start, end)`` ends if it goes on as until ``now``."""
    elapsed = now - start
    if used <= 0 or elapsed < EARLIEST or now >= end:
        return Forecast()
    with exact_arithmetic():
        pace = used / _seconds(elapsed)
        to_come = pace * _seconds(end - now)
        if to_come <= left:
            return Forecast()
        return Forecast(
            runs_out_at=now + dt.timedelta(seconds=int(max(left, ZERO) / pace)),
            short_by=to_come - max(left, ZERO),
        )


def is_near(*, used: Decimal, granted: Decimal) -> bool:
    """Whether enough is used that a client wants to know."""
    return granted > 0 and used * 100 >= granted * NEAR_PERCENT


class Band(Protocol):
    """A bundle on sale, as far as the choice depends on it."""

    @property
    def quantity(self) -> Decimal: ...

    @property
    def price(self) -> Decimal: ...


_B = TypeVar("_B", bound=Band)


def best_band(bands: Iterable[_B], short_by: Decimal) -> _B | None:
    """The cheapest band that covers what is missing; where none does, the largest."""
    offered = list(bands)
    enough = [band for band in offered if band.quantity >= short_by]
    if enough:
        return min(enough, key=lambda band: (band.price, -band.quantity))
    return max(offered, key=lambda band: (band.quantity, -band.price), default=None)


def _seconds(span: dt.timedelta) -> Decimal:
    return Decimal(span // dt.timedelta(seconds=1))
