"""Periods are counted from their anchor, in local time, on the quarter-hour grain (ENGINE 1)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import islice, pairwise
from typing import Literal

import pytest

from agencyportal.core.periods import (
    Interval,
    Period,
    add_months,
    days_touched,
    iter_periods,
    local_date,
    local_day_start,
    next_boundary_after_zone_change,
    next_period,
    period_at,
    quarter_ceil,
    quarter_floor,
    resolve_anchor,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def starts(count, *args, **kwargs) -> list[str]:
    return [
        p.start.strftime("%Y-%m-%d %H:%M") for p in islice(iter_periods(*args, **kwargs), count)
    ]


class TestGrain:
    @pytest.mark.parametrize(
        ("instant", "floor", "ceil"),
        [
            ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
            ("2026-01-01T10:00:00.000001Z", "2026-01-01T10:00:00Z", "2026-01-01T10:15:00Z"),
            ("2026-01-01T10:14:59.999999Z", "2026-01-01T10:00:00Z", "2026-01-01T10:15:00Z"),
            ("2026-01-01T10:07:00+05:45", "2026-01-01T04:15:00Z", "2026-01-01T04:30:00Z"),
            ("1969-12-31T23:59:00Z", "1969-12-31T23:45:00Z", "1970-01-01T00:00:00Z"),
        ],
    )
    def test_instants_move_to_quarter_hours(self, instant, floor, ceil):
        assert quarter_floor(at(instant)) == at(floor)
        assert quarter_ceil(at(instant)) == at(ceil)

    def test_results_are_in_utc(self):
        kathmandu = datetime.fromisoformat("2026-01-01T10:07:00+05:45")
        assert quarter_floor(kathmandu).tzinfo is UTC
        assert quarter_ceil(kathmandu).tzinfo is UTC

    def test_a_time_without_zone_is_refused(self):
        with pytest.raises(ValueError, match="aware"):
            quarter_floor(datetime(2026, 1, 1))  # noqa: DTZ001
        with pytest.raises(ValueError, match="aware"):
            local_date(datetime(2026, 1, 1), "UTC")  # noqa: DTZ001


class TestLocalDays:
    @pytest.mark.parametrize(
        ("zone", "day", "expected"),
        [
            ("America/New_York", date(2026, 1, 1), "2026-01-01T05:00:00Z"),
            ("Asia/Kathmandu", date(2026, 1, 1), "2025-12-31T18:15:00Z"),
            # Midnight did not exist: the clocks jumped from 00:00 to 01:00.
            ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00Z"),
            ("Africa/Cairo", date(2024, 4, 26), "2024-04-25T22:00:00Z"),
            ("Asia/Beirut", date(2024, 3, 31), "2024-03-30T22:00:00Z"),
            ("America/Havana", date(2026, 3, 8), "2026-03-08T05:00:00Z"),
            # The clocks jumped from 23:30 to 00:30: the day began in the middle of the gap.
            ("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30:00Z"),
            # Midnight happened twice: the earlier one.
            ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00:00Z"),
            ("Atlantic/Azores", date(2026, 10, 25), "2026-10-25T00:00:00Z"),
            ("America/St_Johns", date(2010, 11, 7), "2010-11-07T02:30:00Z"),
            # Midnight came an hour late, after a second 23:00.
            ("America/Sao_Paulo", date(2018, 2, 18), "2018-02-18T03:00:00Z"),
            # The whole of 30 December 2011 was skipped in Samoa.
            ("Pacific/Apia", date(2011, 12, 29), "2011-12-29T10:00:00Z"),
            ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00:00Z"),
        ],
    )
    def test_a_day_starts_at_its_first_instant(self, zone, day, expected):
        assert local_day_start(day, zone) == at(expected)

    @pytest.mark.parametrize(
        ("zone", "instant", "day"),
        [
            ("America/New_York", "2026-01-01T04:59:59Z", date(2025, 12, 31)),
            ("America/New_York", "2026-01-01T05:00:00Z", date(2026, 1, 1)),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", date(2011, 12, 31)),
            # 23:30 again, half an hour after the day of 7 November had begun.
            ("America/St_Johns", "2010-11-07T03:00:00Z", date(2010, 11, 7)),
        ],
    )
    def test_every_instant_is_in_one_day(self, zone, instant, day):
        assert local_date(at(instant), zone) == day

    @pytest.mark.parametrize(
        ("start", "end", "zone", "days"),
        [
            ("2026-01-01T05:00:00Z", "2026-01-01T05:00:00Z", "America/New_York", 0),
            ("2026-01-01T05:00:00Z", "2026-01-01T05:15:00Z", "America/New_York", 1),
            ("2026-01-01T05:00:00Z", "2026-01-02T05:00:00Z", "America/New_York", 1),
            ("2026-01-01T05:00:00Z", "2026-01-02T05:15:00Z", "America/New_York", 2),
            ("2026-01-01T04:45:00Z", "2026-01-02T05:00:00Z", "America/New_York", 2),
            # March has 31 days, though one of them has 23 hours; November 30, one with 25.
            ("2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z", "America/New_York", 31),
            ("2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z", "America/New_York", 30),
            # December 2011 had 30 days in Samoa.
            ("2011-12-01T10:00:00Z", "2011-12-31T10:00:00Z", "Pacific/Apia", 30),
        ],
    )
    def test_days_touched(self, start, end, zone, days):
        assert days_touched(at(start), at(end), zone) == days


class TestBoundaries:
    """Worked examples: where periods start."""

    @pytest.mark.parametrize(
        ("day", "months", "expected"),
        [
            (date(2026, 1, 31), 1, date(2026, 2, 28)),
            (date(2024, 1, 31), 1, date(2024, 2, 29)),
            (date(2026, 1, 31), 3, date(2026, 4, 30)),
            (date(2026, 1, 31), -2, date(2025, 11, 30)),
            (date(2024, 2, 29), 12, date(2025, 2, 28)),
            (date(2024, 2, 29), 48, date(2028, 2, 29)),
        ],
    )
    def test_short_months_take_their_last_day(self, day, months, expected):
        assert add_months(day, months) == expected

    @pytest.mark.parametrize(
        ("start", "interval", "anchor", "zone", "expected"),
        [
            pytest.param(
                "2026-01-31T00:00:00Z", "month", None, "UTC",
                ["2026-01-31 00:00", "2026-02-28 00:00", "2026-03-31 00:00", "2026-04-30 00:00"],
                id="the 31st returns to the 31st",
            ),
            pytest.param(
                "2026-01-30T00:00:00Z", "month", None, "UTC",
                ["2026-01-30 00:00", "2026-02-28 00:00", "2026-03-30 00:00", "2026-04-30 00:00"],
                id="the 30th returns to the 30th",
            ),
            pytest.param(
                "2024-02-29T00:00:00Z", "year", None, "UTC",
                ["2024-02-29 00:00", "2025-02-28 00:00", "2026-02-28 00:00", "2027-02-28 00:00",
                 "2028-02-29 00:00"],
                id="29 February returns every fourth year",
            ),
            pytest.param(
                "2025-11-30T00:00:00Z", "quarter", None, "UTC",
                ["2025-11-30 00:00", "2026-02-28 00:00", "2026-05-30 00:00", "2026-08-30 00:00"],
                id="a quarter anchored on the 30th",
            ),
            pytest.param(
                "2026-02-10T15:07:00Z", "month", "calendar", "UTC",
                ["2026-02-10 15:00", "2026-03-01 00:00", "2026-04-01 00:00"],
                id="calendar months after a partial one; the start moves back to the grain",
            ),
            pytest.param(
                "2026-02-10T00:00:00Z", "quarter", "calendar", "UTC",
                ["2026-02-10 00:00", "2026-04-01 00:00", "2026-07-01 00:00"],
                id="calendar quarters",
            ),
            pytest.param(
                "2026-02-10T00:00:00Z", "year", "calendar", "UTC",
                ["2026-02-10 00:00", "2027-01-01 00:00", "2028-01-01 00:00"],
                id="calendar years",
            ),
            pytest.param(
                "2026-02-10T00:00:00Z", "month", date(2026, 1, 31), "UTC",
                ["2026-02-10 00:00", "2026-02-28 00:00", "2026-03-31 00:00"],
                id="an anchor before the start",
            ),
            pytest.param(
                "2026-02-10T00:00:00Z", "month", date(2027, 8, 31), "UTC",
                ["2026-02-10 00:00", "2026-02-28 00:00", "2026-03-31 00:00"],
                id="an anchor after the start",
            ),
            pytest.param(
                "2026-02-01T05:00:00Z", "month", "calendar", "America/New_York",
                ["2026-02-01 05:00", "2026-03-01 05:00", "2026-04-01 04:00", "2026-05-01 04:00"],
                id="clocks forward",
            ),
            pytest.param(
                "2026-10-01T04:00:00Z", "month", "calendar", "America/New_York",
                ["2026-10-01 04:00", "2026-11-01 04:00", "2026-12-01 05:00"],
                id="clocks back",
            ),
            pytest.param(
                "2018-10-04T03:00:00Z", "month", None, "America/Sao_Paulo",
                ["2018-10-04 03:00", "2018-11-04 03:00", "2018-12-04 02:00"],
                id="a boundary whose midnight does not exist",
            ),
            pytest.param(
                "2026-10-01T04:00:00Z", "month", "calendar", "America/Havana",
                ["2026-10-01 04:00", "2026-11-01 04:00", "2026-12-01 05:00"],
                id="a boundary whose midnight happens twice",
            ),
            pytest.param(
                "2011-11-30T10:00:00Z", "month", None, "Pacific/Apia",
                ["2011-11-30 10:00", "2011-12-30 10:00", "2012-01-29 10:00"],
                id="a boundary on a date that was skipped",
            ),
            pytest.param(
                "2026-01-15T20:00:00Z", "month", None, "Asia/Tokyo",
                ["2026-01-15 20:00", "2026-02-15 15:00", "2026-03-15 15:00"],
                id="anchored on the local date of the start, which is the 16th",
            ),
        ],
    )  # fmt: skip
    def test_periods_start(self, start, interval, anchor, zone, expected):
        assert starts(len(expected), at(start), interval, anchor, zone) == expected

    def test_calendar_anchor_is_the_first_of_the_local_interval(self):
        late_in_december = at("2026-01-01T02:00:00Z")
        zone = "America/New_York"
        assert resolve_anchor(late_in_december, "month", "calendar", zone) == date(2025, 12, 1)
        assert resolve_anchor(late_in_december, "quarter", "calendar", zone) == date(2025, 10, 1)
        assert resolve_anchor(late_in_december, "year", "calendar", zone) == date(2025, 1, 1)


class TestPartialPeriods:
    def test_first_and_last_period_know_their_full_bounds(self):
        first, last = iter_periods(
            at("2026-01-16T05:00:00Z"),
            "month",
            "calendar",
            "America/New_York",
            end=at("2026-02-11T05:00:00Z"),
        )
        january = at("2026-01-01T05:00:00Z"), at("2026-02-01T05:00:00Z")
        assert first == Period(at("2026-01-16T05:00:00Z"), january[1], *january)
        february = at("2026-02-01T05:00:00Z"), at("2026-03-01T05:00:00Z")
        assert last == Period(february[0], at("2026-02-11T05:00:00Z"), *february)
        assert not first.ends_early
        assert last.ends_early

    def test_an_end_on_a_boundary_leaves_no_empty_period(self):
        start, end = at("2026-01-01T00:00:00Z"), at("2026-03-01T00:00:00Z")
        periods = list(iter_periods(start, "month", "calendar", "UTC", end=end))
        assert [p.end for p in periods] == [at("2026-02-01T00:00:00Z"), end]

    def test_an_end_moves_forward_to_the_grain(self):
        start, end = at("2026-01-01T00:00:00Z"), at("2026-01-10T12:01:00Z")
        (period,) = iter_periods(start, "month", None, "UTC", end=end)
        assert period.end == at("2026-01-10T12:15:00Z")

    def test_nothing_begins_after_the_end(self):
        instant = at("2026-01-01T00:00:00Z")
        assert list(iter_periods(instant, "month", None, "UTC", end=instant)) == []

    def test_an_empty_period_is_refused(self):
        instant = at("2026-01-01T00:00:00Z")
        with pytest.raises(ValueError, match="must end after it starts"):
            Period.whole(instant, instant)


class TestFindingPeriods:
    INTERVAL: Interval = "month"
    ANCHOR: Literal["calendar"] = "calendar"
    ZONE = "America/New_York"
    START = at("2026-01-16T05:00:00Z")
    END = at("2026-04-10T04:00:00Z")

    def test_period_at_agrees_with_iteration(self):
        for period in iter_periods(self.START, self.INTERVAL, self.ANCHOR, self.ZONE, end=self.END):
            last_instant = quarter_floor(period.end - (period.end - period.start) / 1000)
            assert (
                period_at(
                    period.start, self.START, self.INTERVAL, self.ANCHOR, self.ZONE, end=self.END
                )
                == period
            )
            assert (
                period_at(
                    last_instant, self.START, self.INTERVAL, self.ANCHOR, self.ZONE, end=self.END
                )
                == period
            )

    def test_outside_the_subscription_there_is_none(self):
        assert (
            period_at(at("2026-01-16T04:59:59Z"), self.START, self.INTERVAL, self.ANCHOR, self.ZONE)
            is None
        )
        assert (
            period_at(self.END, self.START, self.INTERVAL, self.ANCHOR, self.ZONE, end=self.END)
            is None
        )

    def test_next_period_agrees_with_iteration(self):
        periods = list(
            iter_periods(self.START, self.INTERVAL, self.ANCHOR, self.ZONE, end=self.END)
        )
        for period, following in pairwise(periods):
            assert (
                next_period(period, self.INTERVAL, self.ANCHOR, self.ZONE, end=self.END)
                == following
            )
        assert next_period(periods[-1], self.INTERVAL, self.ANCHOR, self.ZONE, end=self.END) is None


class TestZoneChange:
    def change(self, period_start: str, changed_at: str, old: str, new: str) -> datetime:
        return next_boundary_after_zone_change(
            at(period_start),
            at(changed_at),
            interval="month",
            anchor="calendar",
            old_timezone=old,
            new_timezone=new,
        )

    def test_the_period_in_progress_runs_to_the_next_boundary_in_the_new_zone(self):
        east = self.change(
            "2026-01-01T05:00:00Z", "2026-01-15T12:00:00Z", "America/New_York", "Asia/Tokyo"
        )
        assert east == at("2026-01-31T15:00:00Z")
        west = self.change(
            "2025-12-31T15:00:00Z", "2026-01-15T12:00:00Z", "Asia/Tokyo", "America/New_York"
        )
        assert west == at("2026-02-01T05:00:00Z")

    def test_a_change_on_the_first_day_does_not_end_the_period_that_day(self):
        """Tokyo's January has begun when New York's is still to come: it is the same January."""
        boundary = self.change(
            "2025-12-31T15:00:00Z", "2025-12-31T20:00:00Z", "Asia/Tokyo", "America/New_York"
        )
        assert boundary == at("2026-02-01T05:00:00Z")

    def test_a_boundary_that_has_passed_in_the_new_zone_is_not_reopened(self):
        boundary = self.change(
            "2026-01-01T05:00:00Z", "2026-01-31T20:00:00Z", "America/New_York", "Asia/Tokyo"
        )
        assert boundary == at("2026-02-28T15:00:00Z")

    def test_the_next_period_starts_where_it_ends(self):
        boundary = self.change(
            "2026-01-01T05:00:00Z", "2026-01-15T12:00:00Z", "America/New_York", "Asia/Tokyo"
        )
        stored = Period.whole(at("2026-01-01T05:00:00Z"), boundary)
        following = next_period(stored, "month", "calendar", "Asia/Tokyo")
        assert following == Period.whole(boundary, at("2026-02-28T15:00:00Z"))
