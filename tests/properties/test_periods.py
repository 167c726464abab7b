"""What holds for periods in every zone."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.periods import (
    INTERVAL_MONTHS,
    days_touched,
    iter_periods,
    local_date,
    local_day_start,
    next_period,
    period_at,
    quarter_ceil,
    quarter_floor,
    resolve_anchor,
)

# Offsets were not yet multiples of a quarter hour everywhere before 1980.
ZONES = sorted(
    name for name in zoneinfo.available_timezones() if name not in ("Factory", "localtime")
)
zones = st.sampled_from(ZONES) | st.sampled_from(
    ["America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Havana", "Pacific/Apia"]
)
instants = st.integers(0, 30_000_000).flatmap(
    lambda minutes: st.timedeltas(timedelta(0), timedelta(minutes=1)).map(
        lambda rest: datetime(1980, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes) + rest
    )
)
days = st.dates(date(1980, 1, 1), date(2037, 1, 1))
intervals = st.sampled_from(list(INTERVAL_MONTHS))
anchors = st.none() | st.just("calendar") | days


@given(instants)
def test_the_grain_is_around_every_instant(instant):
    floor, ceil = quarter_floor(instant), quarter_ceil(instant)
    assert floor <= instant <= ceil
    assert ceil - floor in (timedelta(0), timedelta(minutes=15))
    assert (floor.minute % 15, floor.second, floor.microsecond) == (0, 0, 0)


@given(zones, days)
def test_a_day_starts_with_its_first_instant(zone, day):
    start = local_day_start(day, zone)
    assert quarter_floor(start) == start
    skipped = local_day_start(day + timedelta(days=1), zone) == start
    assert local_date(start, zone) == (day + timedelta(days=1) if skipped else day)
    assert local_date(start - timedelta(microseconds=1), zone) < day


@given(zones, instants)
def test_every_instant_is_in_one_day(zone, instant):
    day = local_date(instant, zone)
    start, end = (local_day_start(day + timedelta(days=n), zone) for n in (0, 1))
    assert start <= instant < end


@given(instants, intervals, anchors, zones)
def test_periods_tile_time(start, interval, anchor, zone):
    periods = list(islice(iter_periods(start, interval, anchor, zone), 14))
    assert periods[0].start == quarter_floor(start)
    assert periods[0].full_start <= periods[0].start
    for before, after in pairwise(periods):
        assert before.end == before.full_end == after.start == after.full_start
    for period in periods:
        assert period.start < period.end


@given(instants, intervals, anchors, zones)
def test_boundaries_are_counted_from_the_anchor(start, interval, anchor, zone):
    counted_from = resolve_anchor(quarter_floor(start), interval, anchor, zone)
    for period in islice(iter_periods(start, interval, anchor, zone), 14):
        day = local_date(period.end, zone)
        following = day + timedelta(days=1)
        months = (day.year - counted_from.year) * 12 + day.month - counted_from.month
        ends_short_month = day.day < counted_from.day and following.day == 1
        skipped = local_day_start(day - timedelta(days=1), zone) == period.end
        assert day.day == counted_from.day or ends_short_month or skipped
        assert months % INTERVAL_MONTHS[interval] == 0 or skipped
        assert local_day_start(day, zone) == period.end


@given(
    instants, intervals, anchors, zones, st.timedeltas(timedelta(minutes=1), timedelta(days=800))
)
def test_an_end_cuts_the_last_period_and_nothing_else(start, interval, anchor, zone, length):
    end = start + length
    periods = list(iter_periods(start, interval, anchor, zone, end=end))
    assert periods[-1].end == quarter_ceil(end)
    endless = list(islice(iter_periods(start, interval, anchor, zone), len(periods)))
    assert periods[:-1] == endless[:-1]
    assert periods[-1].full_end == endless[-1].end


@given(instants, intervals, anchors, zones, st.timedeltas(timedelta(0), timedelta(days=1500)))
def test_the_period_at_an_instant_is_the_one_that_iteration_finds(
    start, interval, anchor, zone, later
):
    instant = start + later
    found = period_at(instant, start, interval, anchor, zone)
    walked = next(p for p in iter_periods(start, interval, anchor, zone) if instant in p)
    assert found == walked
    counted_from = resolve_anchor(quarter_floor(start), interval, anchor, zone)
    following = period_at(walked.end, start, interval, anchor, zone)
    assert next_period(walked, interval, counted_from, zone) == following


@given(zones, instants, st.lists(st.timedeltas(timedelta(0), timedelta(days=40)), max_size=4))
def test_days_of_parts_that_meet_at_day_starts_add_up(zone, start, lengths):
    cuts = [local_day_start(local_date(start, zone), zone)]
    for length in lengths:
        cuts.append(local_day_start(local_date(cuts[-1] + length, zone), zone))
    parts = sum(days_touched(one, other, zone) for one, other in pairwise(cuts))
    assert parts == days_touched(cuts[0], cuts[-1], zone)
