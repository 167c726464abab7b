"""ISO 8601 durations, such as a top-up's P90D, added to an instant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from agencyportal.core.periods import add_months

_DURATION: Final = re.compile(
    r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)
_MOST_DAYS: Final = 100 * 366
_MOST_SECONDS: Final = _MOST_DAYS * 86400


@dataclass(frozen=True, slots=True)
class Duration:
    """Months and days of the calendar, and seconds of the clock."""

    months: int
    days: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Raises ValueError for what is not a duration, lasts nothing, or more than a century."""
        match = _DURATION.fullmatch(text)
        if match is None or text.endswith(("P", "T")):
            raise ValueError(f"not an ISO 8601 duration such as P90D: {text!r}")
        part = {name: int(number or 0) for name, number in match.groupdict().items()}
        duration = cls(
            months=part["years"] * 12 + part["months"],
            days=part["weeks"] * 7 + part["days"],
            seconds=part["hours"] * 3600 + part["minutes"] * 60 + part["seconds"],
        )
        if not (duration.months or duration.days or duration.seconds):
            raise ValueError(f"a duration must last: {text!r}")
        if duration.months > 1200 or duration.days > _MOST_DAYS or duration.seconds > _MOST_SECONDS:
            raise ValueError(f"longer than a century: {text!r}; say never instead")
        return duration

    def after(self, instant: datetime, timezone: ZoneInfo | str) -> datetime:
        """``instant`` moved on, in UTC.

        Months and days keep the local time of day, across changes of the clock and to the last
        day of shorter months; hours, minutes and seconds are then exact.
        """
        zone = ZoneInfo(timezone) if isinstance(timezone, str) else timezone
        local = instant.astimezone(zone)
        if self.months or self.days:
            day = add_months(local.date(), self.months) + timedelta(days=self.days)
            local = local.replace(year=day.year, month=day.month, day=day.day)
        return local.astimezone(UTC) + timedelta(seconds=self.seconds)
