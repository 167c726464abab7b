"""Which step of its schedule an invoice is due for."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.dunning import (
    DEFAULT,
    PATIENCE,
    SUSPEND,
    DunningError,
    Schedule,
    next_day,
    next_move,
    refuse_unfit,
)

DUE = dt.date(2026, 3, 24)


def day(offset: int) -> dt.date:
    return DUE + dt.timedelta(days=offset)


def told(schedule: Schedule, visits: list[int]) -> list[tuple[int, list[int], int | None]]:
    """What a tick does on each of these days: passed over, and done."""
    done: dict[int, dt.date] = {}
    story = []
    for visit in visits:
        move = next_move(schedule, due=DUE, today=day(visit), done=done)
        for step in (*move.passed_over, *((move.step,) if move.step else ())):
            done[step.day] = day(visit)
        step_day = None if move.step is None else move.step.day
        story.append((visit, [step.day for step in move.passed_over], step_day))
    return story


def test_looked_at_daily_every_step_happens_on_its_day() -> None:
    happened = [(v, s) for v, passed, s in told(DEFAULT, list(range(-5, 40))) if s is not None]
    assert happened == [(-3, -3), (0, 0), (3, 3), (7, 7), (14, 14), (21, 21)]
    steps = {step.day: step for step in DEFAULT.steps()}
    assert [d for d, step in steps.items() if step.charges] == [0, 3]
    assert [steps[d].letter for d in (-3, 0, 3, 7, 14, 21)] == [
        *("reminder", "", "reminder", "reminder", "final", "")
    ]
    assert steps[21].ends


def test_what_was_missed_is_passed_over_and_the_latest_is_done() -> None:
    assert told(DEFAULT, [5]) == [(5, [-3, 0], 3)]


def test_more_than_a_week_late_even_the_latest_is_passed_over() -> None:
    gap = replace(DEFAULT, final_on=40, ends_on=50)
    assert told(gap, [7 + PATIENCE, 7 + PATIENCE + 1])[0] == (14, [-3, 0, 3], 7)
    assert told(gap, [7 + PATIENCE + 1]) == [(15, [-3, 0, 3, 7], None)]


def test_the_end_comes_as_long_after_the_last_notice_as_agreed_however_late_that_is() -> None:
    """Found on day 60: the last notice, and a week until the end."""
    assert told(DEFAULT, [60, 66, 67, 68]) == [
        (60, [-3, 0, 3, 7], 14),
        (66, [], None),
        (67, [], 21),
        (68, [], None),
    ]


def test_the_next_day_is_that_of_the_first_step_that_is_not_over() -> None:
    assert next_day(DEFAULT, due=DUE, done={}) == day(-3)
    done = {d: day(d) for d in (-3, 0, 3, 7)}
    assert next_day(DEFAULT, due=DUE, done=done) == day(14)
    assert next_day(DEFAULT, due=DUE, done={**done, 14: day(30)}) == day(37)
    assert next_day(DEFAULT, due=DUE, done={**done, 14: day(14), 21: day(21)}) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"charge_on": (-1,)}, "charge_on"),
        ({"charge_on": (0, 1, 2, 3, 4)}, "charge_on"),
        ({"remind_on": (3, 3)}, "remind_on"),
        ({"remind_on": (-31,)}, "remind_on"),
        ({"final_on": 7}, "final_on"),
        ({"final_on": None, "policy": SUSPEND}, "final_on"),
        ({"ends_on": 14}, "ends_on"),
        ({"ends_on": 181}, "ends_on"),
        ({"policy": "shout"}, "policy"),
        ({"remind_on": tuple(range(-12, 0))}, "remind_on"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(DunningError) as refused:
        refuse_unfit(replace(DEFAULT, **change))  # type: ignore[arg-type]
    assert refused.value.field == field
    refuse_unfit(DEFAULT)
    refuse_unfit(replace(DEFAULT, policy=SUSPEND))


@given(visits=st.lists(st.integers(-40, 120), max_size=20))
def test_whenever_it_is_looked_at_nothing_happens_twice_or_early_and_the_end_is_announced(
    visits: list[int],
) -> None:
    story = told(DEFAULT, sorted(visits))
    over = [d for _, passed, step in story for d in (*passed, *(() if step is None else (step,)))]
    assert len(over) == len(set(over))
    assert all(visit >= step for visit, _, step in story if step is not None)
    at = {step: visit for visit, _, step in story if step is not None}
    if 21 in at:
        assert at[21] - at[14] >= 21 - 14
