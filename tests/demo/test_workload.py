"""Made-up usage has the shape of life, and is the same whenever it is made."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from agencyportal.demo.habits import RHYTHMS
from agencyportal.demo.workload import Call, Rhythm, Workflow, events_of, quotas, story_days

ZONE = "America/New_York"
FIRST = dt.date(2026, 8, 1)
NOW = dt.datetime(2026, 11, 18, 15, 20, tzinfo=dt.UTC)  # a Wednesday, 10:20 in New York
CHATS = Rhythm(
    unit="conversation",
    subject="chat",
    months=(600, 700, 800, 900),
    workflows=(Workflow("answers", 1.0, (Call("openai", "gpt-4.1", 1000, 100),)),),
)


def units_by_day(rhythm: Rhythm, now: dt.datetime = NOW) -> dict[dt.date, int]:
    return quotas(rhythm, "seed", story_days(rhythm, first=FIRST, now=now, timezone=ZONE))


def test_whole_months_come_to_exactly_what_was_meant() -> None:
    by_month: dict[int, int] = {}
    for date, units in units_by_day(CHATS).items():
        by_month[date.month] = by_month.get(date.month, 0) + units

    assert [by_month[month] for month in (8, 9, 10)] == [600, 700, 800]
    assert 0 < by_month[11] < 900


@pytest.mark.parametrize("day", [1, 2, 15, 30])
def test_the_month_in_progress_comes_to_what_is_said_whatever_the_day(day: int) -> None:
    rhythm = Rhythm("conversation", "chat", (1, 1, 1, 900), CHATS.workflows, by_now=91)
    now = dt.datetime(2026, 11, day, 20, tzinfo=dt.UTC)

    units = units_by_day(rhythm, now)

    assert sum(units[date] for date in units if date.month == 11) == 91


def test_working_days_are_busier_than_weekends() -> None:
    days = units_by_day(CHATS)
    working = [units for date, units in days.items() if date.weekday() < 5]
    weekend = [units for date, units in days.items() if date.weekday() >= 5]

    assert sum(working) / len(working) > 5 * sum(weekend) / len(weekend)


def test_calls_come_in_office_hours_of_the_clients_zone_and_never_after_now() -> None:
    times = [
        dt.datetime.fromisoformat(event["time"])
        for day in story_days(CHATS, first=FIRST, now=NOW, timezone=ZONE)
        for event in events_of(CHATS, "seed", day, 20, timezone=ZONE)
    ]
    hours = [time.astimezone(ZoneInfo(ZONE)).hour for time in times]

    assert max(times) < NOW
    assert sum(8 <= hour < 18 for hour in hours) > 0.85 * len(hours)


def test_a_day_is_the_same_whenever_it_is_made_and_its_ids_are_its_own() -> None:
    rhythm = RHYTHMS["acme-support"]
    days = story_days(rhythm, first=FIRST, now=NOW, timezone=ZONE)
    made = [events_of(rhythm, "acme-support", day, 30, timezone=ZONE) for day in days[:40]]
    again = [events_of(rhythm, "acme-support", day, 30, timezone=ZONE) for day in days[:40]]
    ids = [event["id"] for events in made for event in events]

    assert made == again
    assert len(set(ids)) == len(ids)


def test_runs_have_steps_retries_and_errors_and_come_to_the_days_units() -> None:
    rhythm = RHYTHMS["acme-support"]
    days = story_days(rhythm, first=FIRST, now=NOW, timezone=ZONE)
    events = [
        event
        for day in days[:60]
        for event in events_of(rhythm, "acme-support", day, 30, timezone=ZONE)
    ]
    counted = [event for event in events if event.get("status") != "error"]

    assert sum(int(event["quantity"]) for event in counted) == 60 * 30
    assert len(counted) < len(events)
    assert any(event.get("attempts", 1) > 1 for event in counted)
    assert len({event["label"] for event in events}) >= 4
    assert len({event["model"] for event in events}) >= 3
    assert len({event["run_id"] for event in events}) < len(events)


def test_pages_come_several_at_a_time() -> None:
    rhythm = RHYTHMS["acme-docs"]
    day = story_days(rhythm, first=FIRST, now=NOW, timezone=ZONE)[3]

    sizes = [
        int(e["quantity"])
        for e in events_of(rhythm, "s", day, 200, timezone=ZONE)
        if e.get("status") != "error"
    ]

    assert sum(sizes) == 200
    assert len(sizes) < 100
