"""What a waterfall took, looked up again: nothing lost, nothing twice, every event in its place."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.periods import Period
from billing.attribution import Share, Stretch, divide, stretches
from billing.waterfall import DEFAULT_PRIORITY, Grant, GrantKind, waterfall

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
QUARTER = dt.timedelta(minutes=15)
QUARTERS = 12
END = START + QUARTERS * QUARTER
PERIOD = Period(START, END, START, END)

quarters = st.integers(0, QUARTERS - 1).map(lambda number: START + number * QUARTER)
units = st.integers(0, 9).map(Decimal)


@st.composite
def grants(draw: st.DrawFn) -> list[Grant]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(list(GrantKind)))
        effective = draw(quarters)
        lasts = draw(st.none() | st.integers(1, QUARTERS))
        found.append(
            Grant(
                id=number + 1,
                kind=kind,
                quantity=Decimal(draw(st.integers(0, 20))),
                effective_at=effective,
                expires_at=None if lasts is None else effective + lasts * QUARTER,
                priority=DEFAULT_PRIORITY[kind],
                sequence=number,
            )
        )
    return found


usage = st.lists(st.tuples(quarters, units), max_size=30)


@given(grants(), usage)
def test_stretches_cover_the_period_once_and_hold_what_was_drawn(credit, buckets):
    draws = waterfall(credit, buckets, PERIOD).draws()
    found = stretches(draws, PERIOD)

    if not draws:
        assert found == []
        return
    assert (found[0].start, found[-1].end) == (START, END)
    assert all(one.end == other.start for one, other in pairwise(found))
    assert all(one.end - one.start == QUARTER for one in found if one.is_shared)
    for source in {draw.source for draw in draws}:
        drawn = sum(draw.quantity for draw in draws if draw.source == source)
        shares = (share for stretch in found for share in stretch.shares)
        assert sum(share.quantity for share in shares if share.source == source) == drawn


@given(grants(), usage)
def test_every_event_goes_to_the_sources_that_its_quarter_hour_was_taken_from(credit, events):
    """As if each event had burned on its own, in the order in which they happened."""
    ordered = sorted(enumerate(events), key=lambda item: (item[1][0], item[0]))
    draws = waterfall(credit, events, PERIOD).draws()
    given_to: dict[tuple[object, int], Decimal] = {}
    for stretch in stretches(draws, PERIOD):
        within = [
            (number, quantity)
            for number, (at, quantity) in ordered
            if stretch.start <= at < stretch.end
        ]
        for source, number, quantity in divide(within, stretch.shares):
            key = (source, number)
            given_to[key] = given_to.get(key, Decimal(0)) + quantity

    for number, (_, quantity) in ordered:
        parts = [part for (_, other), part in given_to.items() if other == number]
        assert sum(parts) == quantity
    for draw_source in {draw.source for draw in draws}:
        drawn = sum(draw.quantity for draw in draws if draw.source == draw_source)
        assert drawn == sum(part for (source, _), part in given_to.items() if source == draw_source)


def test_a_source_that_runs_dry_splits_the_event_it_runs_dry_in():
    shares = [Share(1, Decimal(3)), Share(None, Decimal(2))]

    assert list(divide([("a", Decimal(2)), ("error", Decimal(0)), ("b", Decimal(3))], shares)) == [
        (1, "a", Decimal(2)),
        (1, "error", Decimal(0)),
        (1, "b", Decimal(1)),
        (None, "b", Decimal(2)),
    ]


@pytest.mark.parametrize(("quantity", "words"), [("6", "1 more"), ("4", "1 less")])
def test_events_that_are_not_what_was_drawn_are_refused(quantity, words):
    shares = [Share(1, Decimal(3)), Share(None, Decimal(2))]

    with pytest.raises(ValueError, match=words):
        list(divide([("a", Decimal(quantity))], shares))


def test_idle_time_belongs_to_the_source_that_comes_next():
    credit = Grant(1, GrantKind.ALLOWANCE, Decimal(5), START, END, 20)
    buckets = [(START + QUARTER, Decimal(5)), (START + 4 * QUARTER, Decimal(1))]

    assert stretches(waterfall([credit], buckets, PERIOD).draws(), PERIOD) == [
        Stretch(START, START + 2 * QUARTER, (Share(1, Decimal(5)),)),
        Stretch(START + 2 * QUARTER, END, (Share(None, Decimal(1)),)),
    ]
