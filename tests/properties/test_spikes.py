"""What is true of spikes, whatever the usage was like."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.periods import GRAIN, quarter_floor
from billing.spikes import DAY, REACH, WEEK, spike

NOW = dt.datetime(2026, 3, 10, 12, 7, tzinfo=dt.UTC)
END = quarter_floor(NOW) + GRAIN
LONG_AGO = NOW - 10 * WEEK

quantities = st.integers(0, 10**6).map(lambda n: Decimal(n) / 1000)
places = st.integers(1, REACH // GRAIN).map(lambda n: END - n * GRAIN)
usage = st.dictionaries(places, quantities, max_size=60).map(lambda found: sorted(found.items()))
some = st.integers(1, 1000).map(Decimal)


def naive(quarters, weeks):
    """Last day, the mean of the same hours, and an average day: hour by hour as it is worded."""
    last = sum((q for at, q in quarters if END - DAY <= at < END), Decimal(0))
    same = [
        sum((q for at, q in quarters if END - DAY <= at + n * WEEK < END), Decimal(0))
        for n in range(1, weeks + 1)
    ]
    start = END - DAY - weeks * WEEK
    before = sum((q for at, q in quarters if start <= at < END - DAY), Decimal(0))
    return last, sum(same, Decimal(0)) / weeks, before / (7 * weeks)


@given(usage, st.integers(2, 4))
def test_it_says_what_the_words_say(quarters, weeks):
    found = spike(quarters, since=END - DAY - weeks * WEEK, now=NOW)

    last, usual, average = naive(quarters, weeks)
    if not average or last <= average:
        assert found is None
    else:
        assert found is not None
        assert (found.last, found.weeks) == (last, weeks)
        assert abs(found.usual - usual) <= Decimal("0.0000005")


@given(usage, some)
def test_what_repeats_every_week_is_never_unusual(quarters, factor):
    """A last day like the same day of every week before is at most 100 % of the usual."""
    pattern = {at: q for at, q in quarters if at >= END - DAY}
    told = [(at - n * WEEK, q * factor) for at, q in pattern.items() for n in range(5)]

    found = spike(told, since=LONG_AGO, now=NOW)

    assert found is None or found.last == found.usual


@given(usage, st.integers(2, 50))
def test_the_scale_does_not_matter(quarters, factor):
    one = spike(quarters, since=LONG_AGO, now=NOW)
    other = spike([(at, q * factor) for at, q in quarters], since=LONG_AGO, now=NOW)

    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.last == one.last * factor
        assert abs(other.usual - one.usual * factor) <= Decimal("0.00003")


@given(usage, some)
def test_more_on_the_last_day_never_hides_a_spike(quarters, more):
    before = spike(quarters, since=LONG_AGO, now=NOW)
    after = spike([*quarters, (END - GRAIN, more)], since=LONG_AGO, now=NOW)

    if before is not None:
        assert after is not None
        assert (after.last, after.usual) == (before.last + more, before.usual)


@given(usage, st.randoms())
def test_order_does_not_matter(quarters, random):
    shuffled = list(quarters)
    random.shuffle(shuffled)

    assert spike(shuffled, since=LONG_AGO, now=NOW) == spike(quarters, since=LONG_AGO, now=NOW)


@given(usage, st.integers(0, 14))
def test_without_two_weeks_behind_it_nothing_is_said(quarters, days):
    assert spike(quarters, since=END - dt.timedelta(days=days), now=NOW) is None
