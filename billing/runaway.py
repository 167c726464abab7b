"""What keeps automatic top-ups from running away: pauses after declines, and two breakers. Pure.

The limits that a client agreed to hold by constraint in the database. These come before them: they
stop what is still within its limits, and looks like a mistake.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from agencyportal.core.periods import GRAIN, quarter_floor

ZERO: Final = Decimal(0)
HOUR: Final = dt.timedelta(hours=1)

BACK_OFF: Final = (HOUR, 6 * HOUR, 24 * HOUR)
"""How long to wait after each decline in a row. After one more it stops: four in about 31 hours
are enough to outlast a limit of the day, and few enough not to annoy the bank."""

NEEDS_A_PERSON: Final = frozenset(
    {
        "authentication_required",
        "payment_intent_authentication_failure",
    }
)
"""Codes after which its holder was asked and did not confirm: asking again would ask them again."""

MOST_IN_BURST: Final = 3
BURST: Final = HOUR
"""So many purchases in this time are let through; the next one stops it. A band is to last for
days: who needs a fourth within an hour has too small a band, or a program that runs wild."""

PACE_FACTOR: Final = 10
PACE_LOOKS_BACK: Final = dt.timedelta(days=7)
PACE_NEEDS: Final = dt.timedelta(days=3)
"""The last hour is compared with the busiest one of the seven days before it; ten times as much
stops it. Below three days of usage there is nothing to compare with."""

PACE_TRUSTED: Final = dt.timedelta(hours=24)
"""Somebody who says that it goes on has seen the pace: it is not compared for a day."""

Quarter = tuple[dt.datetime, Decimal]
"""The start of a quarter hour and what was used in it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Units of the last hour, and of the busiest one of the days before."""

    last: Decimal
    busiest: Decimal


def wait_after(declines: int) -> dt.timedelta | None:
    """How long to wait after so many declines in a row; None: it stops."""
    return BACK_OFF[declines - 1] if declines <= len(BACK_OFF) else None


def is_burst(made: Iterable[dt.datetime], *, since: dt.datetime, now: dt.datetime) -> bool:
    """Whether one more purchase would be too many in a short time. ``made``: when each was;
    those before ``since``, when somebody last said that it goes on, do not count."""
    recent = [at for at in made if at > now - BURST and at >= since]
    return len(recent) >= MOST_IN_BURST


def runs_wild(
    quarters: Sequence[Quarter], *, band: Decimal, trusted_since: dt.datetime, now: dt.datetime
) -> Pace | None:
    """The pace, where it is far above the usual and a whole ``band`` was used in an hour; else
    None. ``trusted_since``: when somebody last said that it goes on."""
    if now - trusted_since < PACE_TRUSTED:
        return None
    end = quarter_floor(now) + GRAIN
    last, before = ZERO, defaultdict[int, Decimal](Decimal)
    earliest = end
    for start, quantity in quarters:
        if not quantity or not end - HOUR - PACE_LOOKS_BACK <= start < end:
            continue
        earliest = min(earliest, start)
        if start >= end - HOUR:
            last += quantity
        else:
            before[(end - start - GRAIN) // HOUR] += quantity
    if not before or end - earliest < PACE_NEEDS:
        return None
    busiest = max(before.values())
    too_much = last >= band and last > PACE_FACTOR * busiest
    return Pace(last, busiest) if too_much else None
