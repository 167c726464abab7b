"""Many writers and a closer at one workspace. On PostgreSQL: SQLite writes one at a time anyway."""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Sum

from clients import record_sql
from clients.models import UsageEvent, UsageUnit, Workspace
from clients.selectors import counted_quarters
from clients.services.people import create_workspace
from clients.services.recording import Recorded, SubmittedEvent, record_events
from clients.services.units import create_unit
from clients.services.windows import lock_workspace, open_window, settle
from tests.clients.recorder import APRIL, MARCH, MAY, NOW, event, whole_state
from tests.races.at_once import at_once

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

WRITERS = 8


@pytest.fixture
def lead(northwind) -> UsageUnit:
    return create_unit(
        agency=northwind,
        slug="lead",
        name="lead",
        plural="leads",
        aggregation="unique",
        effective_from=MARCH,
    )


def opened(workspace: Workspace, *units: UsageUnit) -> Workspace:
    with transaction.atomic():
        lock_workspace(workspace.pk)
        for unit in units:
            open_window(workspace=workspace, unit=unit, start=MARCH, end=APRIL)
            open_window(workspace=workspace, unit=unit, start=APRIL, end=MAY)
    return workspace


def busy_month(count: int) -> list[SubmittedEvent]:
    """Events that share quarters, days, subjects and labels."""
    chance = random.Random(7)
    return [
        event(
            f"e{number}",
            ("conversation", "lead")[number % 2],
            subject=f"s{chance.randrange(40)}",
            label=f"l{chance.randrange(3)}",
            model="gpt-4o",
            quantity="1.5" if number % 2 == 0 else None,
            time=MARCH + dt.timedelta(minutes=chance.randrange(40 * 24 * 60)),
        )
        for number in range(count)
    ]


def test_writers_with_overlapping_batches_add_up_exactly_and_never_deadlock(
    acme, acme_support, conversation, lead
):
    crowded = opened(acme_support, conversation, lead)
    calm = opened(create_workspace(client=acme, slug="calm", name="Calm"), conversation, lead)
    events = busy_month(1200)

    def write(number: int) -> list[Recorded]:
        chance = random.Random(number)
        mine = chance.sample(events, 900)  # most events are sent by several writers
        return [
            record_events(workspace=crowded, events=mine[start : start + 60], now=MAY)
            for start in range(0, len(mine), 60)
        ]

    results = [recorded for writer in at_once(WRITERS, write) for recorded in writer]
    left = record_events(workspace=crowded, events=events, now=MAY)
    record_events(workspace=calm, events=events, now=MAY)

    assert sum(recorded.accepted for recorded in results) + left.accepted == len(events)
    assert UsageEvent.objects.filter(workspace=crowded).count() == len(events)
    assert whole_state(crowded) == whole_state(calm)


def test_one_event_from_many_connections_is_counted_once(acme_support, conversation):
    opened(acme_support, conversation)

    def write(_number: int) -> Recorded:
        return record_events(workspace=acme_support, events=[event("same")], now=NOW)

    results = at_once(WRITERS, write)

    assert sorted(recorded.accepted for recorded in results) == [0] * (WRITERS - 1) + [1]
    assert sum(recorded.duplicates for recorded in results) == WRITERS - 1
    assert {tuple(recorded.conflicts) for recorded in results} == {()}
    assert acme_support.windows.get(start=MARCH).used == Decimal(1)


def close_march(workspace: Workspace, unit: UsageUnit) -> Decimal:
    """What a closer does: hold the workspace, read the sums, settle; what it froze."""
    with transaction.atomic():
        lock_workspace(workspace.pk)
        rows = counted_quarters(workspace_id=workspace.pk, unit_id=unit.pk, start=MARCH, end=APRIL)
        settle(workspace=workspace, until=APRIL)
    return sum((row.quantity for row in rows), Decimal(0))


def counted_in_march(workspace: Workspace) -> Decimal:
    events = UsageEvent.objects.counted().filter(workspace=workspace, occurred_at__lt=APRIL)
    return events.aggregate(total=Sum("quantity"))["total"] or Decimal(0)


class TestRecordingAgainstClosing:
    """A recorder that has read ``settled_until`` stops there while a closer tries to close."""

    def race(
        self, monkeypatch: pytest.MonkeyPatch, workspace: Workspace, unit: UsageUnit
    ) -> tuple[Decimal, Decimal]:
        """What the closer froze, and what is counted in the end."""
        has_read, closed = threading.Event(), threading.Event()
        insert = record_sql.insert_events

        def slowly(*args):
            has_read.set()
            closed.wait(1.5)
            return insert(*args)

        monkeypatch.setattr(record_sql, "insert_events", slowly)

        def work(number: int) -> Decimal | None:
            if number == 0:
                record_events(workspace=workspace, events=[event("a")], now=NOW)
                return None
            has_read.wait(10)
            frozen = close_march(workspace, unit)
            closed.set()
            return frozen

        recorder, frozen = at_once(2, work)
        assert recorder is None
        assert isinstance(frozen, Decimal), frozen
        return frozen, counted_in_march(workspace)

    def test_without_the_guard_an_event_slips_in_after_the_closer_has_read(
        self, monkeypatch, acme_support, conversation
    ):
        def unguarded(workspace_id: int) -> record_sql.Held:
            return record_sql.Held(Workspace.objects.get(pk=workspace_id).settled_until, False)

        monkeypatch.setattr(record_sql, "hold_workspace", unguarded)
        monkeypatch.setattr(record_sql, "enter_workspaces", lambda *_, **__: None)
        opened(acme_support, conversation)

        assert self.race(monkeypatch, acme_support, conversation) == (Decimal(0), Decimal(1))

    def test_with_the_row_lock_alone_the_closer_waits_and_counts_the_event(
        self, monkeypatch, acme_support, conversation
    ):
        monkeypatch.setattr(record_sql, "enter_workspaces", lambda *_, **__: None)
        opened(acme_support, conversation)

        assert self.race(monkeypatch, acme_support, conversation) == (Decimal(1), Decimal(1))

    def test_with_it_the_closer_waits_and_counts_the_event(
        self, monkeypatch, acme_support, conversation
    ):
        opened(acme_support, conversation)

        assert self.race(monkeypatch, acme_support, conversation) == (Decimal(1), Decimal(1))

    def test_a_recorder_that_waited_for_the_closer_sees_what_is_settled(
        self, acme_support, conversation
    ):
        opened(acme_support, conversation)
        holds = threading.Event()

        def work(number: int) -> None:
            if number == 1:
                holds.wait(10)
                record_events(workspace=acme_support, events=[event("a")], now=NOW)
                return
            with transaction.atomic():
                lock_workspace(acme_support.pk)
                holds.set()
                time.sleep(0.5)
                settle(workspace=acme_support, until=APRIL)

        assert at_once(2, work) == [None, None]
        assert UsageEvent.objects.get().standing == UsageEvent.Standing.LATE
        assert counted_in_march(acme_support) == 0

    def test_under_load_every_event_is_counted_before_or_late(self, acme_support, conversation):
        opened(acme_support, conversation)
        frozen: list[Decimal] = []
        waited: list[float] = []

        def work(number: int) -> None:
            if number == 0:
                time.sleep(0.3)
                began = time.monotonic()
                frozen.append(close_march(acme_support, conversation))
                waited.append(time.monotonic() - began)
                return
            until = time.monotonic() + 3
            sent = 0
            while time.monotonic() < until:
                batch = [event(f"{number}-{sent + i}") for i in range(20)]
                record_events(workspace=acme_support, events=batch, now=NOW)
                sent += 20

        assert at_once(WRITERS, work) == [None] * WRITERS
        standings = set(UsageEvent.objects.values_list("standing", flat=True))
        assert standings == {"counted", "late"}
        assert frozen == [counted_in_march(acme_support)]
        assert acme_support.windows.get(start=MARCH).used == frozen[0]
        # Recorders come and go; the closer must get its turn between them.
        assert waited[0] < 2
