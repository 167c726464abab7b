"""Payout months begin and end where the agency lives."""

from __future__ import annotations

import datetime as dt
from itertools import islice

import pytest

from payouts.months import Month, months_from

JANUARY = Month(dt.date(2026, 1, 1))


def utc(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
) -> dt.datetime:
    return dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)


def test_a_month_begins_at_the_agencys_midnight():
    assert JANUARY.start("America/New_York") == utc(2026, 1, 1, 5)
    assert JANUARY.end("America/New_York") == utc(2026, 2, 1, 5)
    assert JANUARY.start("Asia/Kathmandu") == utc(2025, 12, 31, 18, 15)


def test_an_instant_belongs_to_the_month_of_its_local_day():
    last = utc(2026, 2, 1, 4, 59, 59)

    assert Month.of(last, "America/New_York") == JANUARY
    assert Month.of(last, "UTC") == JANUARY.following


def test_a_month_that_begins_where_midnight_is_missing_begins_when_the_clocks_jumped():
    """Asunción, 1 October 2017: 00:00 was 01:00."""
    october = Month(dt.date(2017, 10, 1))

    assert october.start("America/Asuncion") == utc(2017, 10, 1, 4)
    assert Month.of(utc(2017, 10, 1, 3, 59), "America/Asuncion") < october


def test_a_payout_is_made_up_on_its_day_of_the_following_month():
    assert JANUARY.payable_at(1, "Europe/Berlin") == utc(2026, 1, 31, 23)
    assert JANUARY.payable_at(15, "Europe/Berlin") == utc(2026, 2, 14, 23)


def test_december_is_followed_by_january():
    assert [str(month) for month in islice(months_from(Month(dt.date(2025, 11, 1))), 3)] == [
        "2025-11",
        "2025-12",
        "2026-01",
    ]


def test_a_month_is_named_by_its_first_day():
    with pytest.raises(ValueError, match="first day"):
        Month(dt.date(2026, 1, 2))
