"""In which month a period counts against caps. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

_AFTERNOON = timedelta(hours=14)


def month_of(start: datetime) -> date:
    """The first day of the month in which a period that starts then counts.

    The calendar month it begins in. Taken in UTC 14 hours after the start, which is the same
    month in every time zone for a period that begins with the first local day of one, and does
    not change when a client moves to another zone.
    """
    return (start.astimezone(UTC) + _AFTERNOON).date().replace(day=1)


def starts_within(month: date) -> tuple[datetime, datetime]:
    """The instants ``[first, last)`` at which periods of a month start."""
    first = datetime(month.year, month.month, 1, tzinfo=UTC) - _AFTERNOON
    following = (month + timedelta(days=31)).replace(day=1)
    return first, datetime(following.year, following.month, 1, tzinfo=UTC) - _AFTERNOON
