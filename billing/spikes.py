"""What usage is like, and whether the last day stands out (ENGINE 10). Pure.

The last 24 hours, in whole quarter hours up to the one in progress, are compared with the same
hours of the four weeks before: with 7, 14, 21 and 28 days ago. So a Monday is compared with
Mondays, and the quiet of a weekend is nothing unusual. Hours are those of UTC; in the weeks after
the clocks change the comparison is an hour off.

Two guards keep it from crying wolf. A workspace needs two weeks of its own behind it. And the last
day must have come to more than an average day of those weeks: five conversations on a Sunday that
never had one are no spike where weekdays have a hundred.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from agencyportal.core.money import exact_arithmetic, round_half_up
from agencyportal.core.periods import GRAIN, quarter_floor

ZERO: Final = Decimal(0)
PLACES: Final = 6
DAY: Final = dt.timedelta(days=1)
WEEK: Final = dt.timedelta(weeks=1)
WEEKS: Final = 4
LEAST_WEEKS: Final = 2
REACH: Final = DAY + WEEKS * WEEK
"""How far back the comparison looks."""

Quarter = tuple[dt.datetime, Decimal]
"""The start of a quarter hour (UTC) and what was used in it."""


@dataclass(frozen=True, slots=True)
class Spike:
    """``last``: units of the last 24 hours. ``usual``: the mean of the same hours of ``weeks``
    weeks, rounded to 6 places; 0 where they had none."""

    last: Decimal
    usual: Decimal
    weeks: int


def spike(quarters: Iterable[Quarter], *, since: dt.datetime, now: dt.datetime) -> Spike | None:
    """How the last day compares; None where it cannot be said, or is nothing unusual anyway.

    ``since``: from when on usage was counted. Quarters outside of what is compared do no harm.
    """
    end = quarter_floor(now) + GRAIN
    weeks = min(WEEKS, (end - DAY - since) // WEEK)
    if weeks < LEAST_WEEKS:
        return None
    begin = end - DAY - weeks * WEEK
    last, same, before = ZERO, ZERO, ZERO
    for start, quantity in quarters:
        if end - DAY <= start < end:
            last += quantity
        elif begin <= start < end - DAY:
            before += quantity
            # The same hours of a week before lie less than a day behind a whole week's step.
            if (end - start - GRAIN) % WEEK < DAY:
                same += quantity
    days = Decimal(weeks * 7)
    if not before or last * days <= before:
        return None
    with exact_arithmetic():
        return Spike(last=last, usual=round_half_up(same / weeks, PLACES), weeks=weeks)
