"""How a period goes on at the pace it has had so far. Pure; an estimate, never charged.

The portal shows it, and alerts warn by it: both from here, so that they never disagree.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from agencyportal.core.money import exact_arithmetic, round_half_up

ZERO: Final = Decimal(0)
PLACES: Final = 6
EARLIEST: Final = dt.timedelta(days=1)
"""A pace needs some time behind it."""

_SECOND: Final = dt.timedelta(seconds=1)
_DAY_SECONDS: Final = 86_400


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


def days_early(runs_out_at: dt.datetime, end: dt.datetime) -> Decimal:
    """How many days of 24 hours before ``end`` something runs out, to 6 places."""
    with exact_arithmetic():
        return round_half_up(_seconds(end - runs_out_at) / _DAY_SECONDS, PLACES)


def _seconds(span: dt.timedelta) -> Decimal:
    return Decimal(span // _SECOND)
