"""Payout months, in the agency's time zone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from agencyportal.core.periods import local_date, local_day_start


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month; ``first`` is its first day."""

    first: date

    def __post_init__(self) -> None:
        if self.first.day != 1:
            raise ValueError(f"{self.first} is not the first day of a month")

    @classmethod
    def of(cls, instant: datetime, timezone: ZoneInfo | str) -> Month:
        """The month in which an instant falls for somebody living in a time zone."""
        return cls(local_date(instant, timezone).replace(day=1))

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"

    @property
    def following(self) -> Month:
        year, month = divmod(self.first.year * 12 + self.first.month, 12)
        return Month(date(year, month + 1, 1))

    def start(self, timezone: ZoneInfo | str) -> datetime:
        """Its first instant, in UTC; its end is the start of the following month."""
        return local_day_start(self.first, timezone)

    def end(self, timezone: ZoneInfo | str) -> datetime:
        return self.following.start(timezone)

    def payable_at(self, payout_day: int, timezone: ZoneInfo | str) -> datetime:
        """When its payout is made up: the first instant of that day of the following month."""
        return local_day_start(self.following.first.replace(day=payout_day), timezone)


def months_from(first: Month) -> Iterator[Month]:
    """``first`` and all that follow, endless."""
    month = first
    while True:
        yield month
        month = month.following
