"""Billing time: the quarter-hour grain, local days, and the periods counted from an anchor.

All instants are aware datetimes; what this module returns is in UTC. Periods are half-open,
``[start, end)``. A *boundary* is the first instant of the local day that is the anchor date plus
whole intervals, always counted from the anchor itself, so that a month anchored on the 31st ends
on the last day of shorter months and returns to the 31st.

Local days tile time: a day starts at its first instant, which is not always 00:00 (the clocks of
São Paulo jumped over midnight), and a date that a zone skipped altogether (Samoa, 30 December
2011) starts where the next one does and is touched by nothing.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

Interval = Literal["month", "quarter", "year"]
Anchor = date | Literal["calendar"] | None
"""``"calendar"``: the first day of the local month, quarter or year. ``None``: the local date of
the subscription's start."""

INTERVAL_MONTHS: Final[dict[Interval, int]] = {"month": 1, "quarter": 3, "year": 12}
GRAIN: Final = timedelta(minutes=15)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY: Final = timedelta(days=1)
_ONE_SECOND: Final = timedelta(seconds=1)
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """A billing period ``[start, end)`` and the unshortened interval that it is a part of.

    ``full_start`` and ``full_end`` are the boundaries around it; they differ from ``start`` and
    ``end`` when a subscription begins or ends between two boundaries.
    """

    start: datetime
    end: datetime
    full_start: datetime
    full_end: datetime

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"a period must end after it starts: {self.start} to {self.end}")

    @classmethod
    def whole(cls, start: datetime, end: datetime) -> Period:
        """A period that is its own full interval."""
        return cls(start, end, start, end)

    @property
    def ends_early(self) -> bool:
        """Whether it stops before its boundary, as the last period of a subscription may."""
        return self.end < self.full_end

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


def quarter_floor(instant: datetime) -> datetime:
    """The start, in UTC, of the quarter hour that holds ``instant``."""
    return instant.astimezone(UTC) - (_aware(instant) - _EPOCH) % GRAIN


def quarter_ceil(instant: datetime) -> datetime:
    """The first quarter hour, in UTC, at or after ``instant``."""
    floor = quarter_floor(instant)
    return floor if floor == instant else floor + GRAIN


def local_day_start(day: date, tz: ZoneInfo | str) -> datetime:
    """The first instant, in UTC, of ``day`` in a zone.

    When midnight happens twice it is the earlier one; when midnight is skipped it is the moment
    the clocks jumped; a date that is skipped altogether starts where the next one starts.
    """
    return _day_start(day, _zone(tz))


def local_date(instant: datetime, tz: ZoneInfo | str) -> date:
    """The local day that holds ``instant``.

    Where clocks go back over midnight, the repeated hour belongs to the day that has begun, so
    that days never interleave.
    """
    zone = _zone(tz)
    day = _aware(instant).astimezone(zone).date()
    following = day + _ONE_DAY
    return following if _day_start(following, zone) <= instant else day


def days_touched(start: datetime, end: datetime, tz: ZoneInfo | str) -> int:
    """How many local days ``[start, end)`` touches; days that the zone skipped do not count."""
    if end <= start:
        return 0
    zone = _zone(tz)
    day, last = local_date(start, zone), local_date(end - _INSTANT, zone)
    touched = 0
    while day <= last:
        following = day + _ONE_DAY
        touched += _day_start(day, zone) < _day_start(following, zone)
        day = following
    return touched


def resolve_anchor(
    start: datetime, interval: Interval, anchor: Anchor, timezone: ZoneInfo | str
) -> date:
    """The local date from which the boundaries of a subscription are counted."""
    if isinstance(anchor, date):
        return anchor
    day = local_date(start, timezone)
    if anchor is None:
        return day
    months = INTERVAL_MONTHS[interval]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def iter_periods(
    start: datetime,
    interval: Interval,
    anchor: Anchor,
    timezone: ZoneInfo | str,
    end: datetime | None = None,
) -> Iterator[Period]:
    """The periods of a subscription in order, without gap or overlap; endless without ``end``.

    ``start`` is moved back and ``end`` forward to the grain. The first and the last period may
    be partial; they know their full bounds.
    """
    first = quarter_floor(start)
    last = None if end is None else quarter_ceil(end)
    if last is not None and last <= first:
        return
    counted_from = resolve_anchor(first, interval, anchor, timezone)
    period = _period_from(first, interval, counted_from, timezone, last)
    yield period
    while last is None or period.end < last:
        period = _period_from(period.end, interval, counted_from, timezone, last)
        yield period


def period_at(
    instant: datetime,
    start: datetime,
    interval: Interval,
    anchor: Anchor,
    timezone: ZoneInfo | str,
    end: datetime | None = None,
) -> Period | None:
    """The period of a subscription that holds ``instant``; ``None`` outside the subscription."""
    first = quarter_floor(start)
    last = None if end is None else quarter_ceil(end)
    if instant < first or (last is not None and instant >= last):
        return None
    counted_from = resolve_anchor(first, interval, anchor, timezone)
    full_start, full_end = _bounds_around(instant, interval, counted_from, timezone)
    return Period(
        max(first, full_start),
        full_end if last is None else min(last, full_end),
        full_start,
        full_end,
    )


def next_period(
    period: Period,
    interval: Interval,
    anchor: date | Literal["calendar"],
    timezone: ZoneInfo | str,
    end: datetime | None = None,
) -> Period | None:
    """The period that follows a stored one; ``None`` when the subscription ends with it.

    It starts where the stored one ends, whatever zone that was computed in, so a change of zone
    leaves no gap. ``anchor`` is the subscription's, resolved (see `resolve_anchor`).
    """
    last = None if end is None else quarter_ceil(end)
    if last is not None and last <= period.end:
        return None
    counted_from = resolve_anchor(period.end, interval, anchor, timezone)
    return _period_from(period.end, interval, counted_from, timezone, last)


def interval_from(
    start: datetime,
    interval: Interval,
    anchor: date,
    timezone: ZoneInfo | str,
    end: datetime | None = None,
) -> Period:
    """What is left from ``start`` on, up to ``end``, of the interval around it; it knows the full
    bounds. ``anchor`` is the subscription's, resolved (see `resolve_anchor`)."""
    last = None if end is None else quarter_ceil(end)
    return _period_from(start, interval, anchor, timezone, last)


def next_boundary_after_zone_change(
    period_start: datetime,
    changed_at: datetime,
    *,
    interval: Interval,
    anchor: date | Literal["calendar"],
    old_timezone: ZoneInfo | str,
    new_timezone: ZoneInfo | str,
) -> datetime:
    """Where the period in progress ends after its client moved to another time zone.

    The first boundary in the new zone after the change. The boundary with the date on which the
    period began is passed over: west of the old zone that date starts later, and the period
    would else end on the day it began.
    """
    counted_from = resolve_anchor(period_start, interval, anchor, old_timezone)
    began = local_date(period_start, old_timezone)
    _, boundary = _bounds_around(changed_at, interval, counted_from, new_timezone)
    while local_date(boundary, new_timezone) <= began:
        _, boundary = _bounds_around(boundary, interval, counted_from, new_timezone)
    return boundary


def _period_from(
    start: datetime,
    interval: Interval,
    anchor: date,
    timezone: ZoneInfo | str,
    end: datetime | None,
) -> Period:
    full_start, full_end = _bounds_around(start, interval, anchor, timezone)
    return Period(start, full_end if end is None else min(end, full_end), full_start, full_end)


def _bounds_around(
    instant: datetime, interval: Interval, anchor: date, timezone: ZoneInfo | str
) -> tuple[datetime, datetime]:
    """The boundaries with ``first <= instant < second``."""
    zone, step = _zone(timezone), INTERVAL_MONTHS[interval]
    day = local_date(instant, zone)
    count = ((day.year - anchor.year) * 12 + day.month - anchor.month) // step
    while _boundary(anchor, count * step, zone) > instant:
        count -= 1
    while _boundary(anchor, (count + 1) * step, zone) <= instant:
        count += 1
    return _boundary(anchor, count * step, zone), _boundary(anchor, (count + 1) * step, zone)


def _boundary(anchor: date, months: int, zone: ZoneInfo) -> datetime:
    return _day_start(add_months(anchor, months), zone)


def add_months(day: date, months: int) -> date:
    """The same day of the month, ``months`` later (or earlier), or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    length = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, length))


@lru_cache(maxsize=1 << 14)
def _day_start(day: date, zone: ZoneInfo) -> datetime:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    late = midnight.astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return late
    # Midnight was skipped. Read with the offset in force after the jump, it lies before the jump;
    # read with the one before, at or after it: the first instant of the day is between.
    early = midnight.replace(fold=1).astimezone(UTC)
    seconds = range(1, int((late - early) / _ONE_SECOND) + 1)
    low, high = 0, len(seconds) - 1
    while low < high:
        middle = (low + high) // 2
        if (early + timedelta(seconds=seconds[middle])).astimezone(zone).date() >= day:
            high = middle
        else:
            low = middle + 1
    return early + timedelta(seconds=seconds[low])


@lru_cache(maxsize=1024)
def _named_zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _zone(tz: ZoneInfo | str) -> ZoneInfo:
    return _named_zone(tz) if isinstance(tz, str) else tz


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"an aware datetime is needed, not {instant.isoformat()}")
    return instant
