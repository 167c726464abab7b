"""What keeps automatic top-ups from running away: pauses, and two breakers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.runaway import Pace, is_burst, runs_wild, wait_after

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
LONG_AGO = NOW - 30 * DAY


def test_it_waits_longer_after_each_decline_and_then_no_more() -> None:
    assert [wait_after(n) for n in (1, 2, 3, 4)] == [HOUR, 6 * HOUR, 24 * HOUR, None]


@pytest.mark.parametrize(
    ("minutes", "since", "expected"),
    [
        ([5, 20, 50], LONG_AGO, True),
        ([5, 20], LONG_AGO, False),
        ([5, 20, 60], LONG_AGO, False),
        ([5, 20, 50], NOW - HOUR / 2, False),
    ],
)
def test_a_fourth_within_an_hour_is_a_burst(
    minutes: list[int], since: dt.datetime, expected: bool
) -> None:
    """Of those since somebody last said that it goes on."""
    made = [NOW - dt.timedelta(minutes=minute) for minute in minutes]
    assert is_burst(made, since=since, now=NOW) is expected


def usual(days: int, quantity: int = 20) -> list[tuple[dt.datetime, Decimal]]:
    """So much in one quarter hour of each of the days before today."""
    return [(NOW - day * DAY, Decimal(quantity)) for day in range(1, days + 1)]


def pace(
    quarters: list[tuple[dt.datetime, Decimal]], last: int, *, band: int = 100, days: int = 30
) -> Pace | None:
    found = [*quarters, (NOW - HOUR / 4, Decimal(last))]
    return runs_wild(found, band=Decimal(band), trusted_since=NOW - days * DAY, now=NOW)


def test_more_than_ten_times_the_busiest_hour_of_a_week_runs_wild() -> None:
    assert pace(usual(5), 200) is None
    assert pace(usual(5), 201) == Pace(last=Decimal(201), busiest=Decimal(20))
    assert pace([*usual(5), (NOW - 6 * DAY, Decimal(60))], 201) is None
    assert pace([*usual(5), (NOW - 8 * DAY, Decimal(60))], 201) is not None


def test_quarter_hours_of_one_hour_add_up() -> None:
    """Four of 10 in one hour are 40, so more than 400 is too much; counted from now, not the
    clock."""
    before = [(NOW - 4 * DAY - n * HOUR / 4, Decimal(10)) for n in range(4)]
    assert pace(before, 400) is None
    assert pace(before, 401) == Pace(last=Decimal(401), busiest=Decimal(40))


def test_what_does_not_use_up_a_band_in_an_hour_is_no_mistake() -> None:
    assert pace(usual(5, 1), 99) is None
    assert pace(usual(5, 1), 100) is not None


def test_without_days_to_compare_with_nothing_is_said() -> None:
    assert pace(usual(2), 5000) is None
    assert pace([], 5000) is None
    assert pace(usual(4), 5000) is not None


def test_who_said_that_it_goes_on_is_trusted_for_a_day() -> None:
    assert pace(usual(5), 5000, days=0) is None
    assert pace(usual(5), 5000, days=1) is not None
