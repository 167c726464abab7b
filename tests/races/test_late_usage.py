"""Late usage that settles twice at once, and corrections while a period closes, on PostgreSQL.

With the workspace's lock taken away it goes wrong, with it it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

from billing.models import LateEntry, LateSettlement, PeriodUsage
from billing.services import closing, late_settlements, late_usage
from billing.services.closing import close_period
from billing.services.late_usage import settle_workspace
from clients.models import UsageCorrection, UsageWindow, Workspace
from clients.services import windows
from clients.services.corrections import correct_event
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.plan_samples import NEW_YORK_2026, starter
from tests.billing.story import close, periods_of, subscribe

from .test_closing import Meeting, Patience, Pause, at_once

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in range(1, 4))
HOUR = timedelta(hours=1)


@pytest.fixture
def no_lock(monkeypatch):
    """Takes the guard away: the workspaces' rows are read, and nobody waits."""

    def one(workspace_id: int, **_kwargs: Any) -> Workspace:
        return Workspace.objects.select_related("client").get(pk=workspace_id)

    def several(workspace_ids: Any, **_kwargs: Any) -> list[Workspace]:
        return list(Workspace.objects.select_related("client").filter(pk__in=list(workspace_ids)))

    monkeypatch.setattr(windows, "lock_workspace", one)
    monkeypatch.setattr(windows, "lock_workspaces", several)
    monkeypatch.setattr(Patience, "seconds", Patience.unguarded)


def report(workspace: Workspace, event_id: str, at: Any, quantity: int, now: Any) -> None:
    event = SubmittedEvent(id=event_id, unit="conversation", time=at, quantity=Decimal(quantity))
    record_events(workspace=workspace, events=[event], now=now)


@pytest.fixture
def used(acme_support, conversation) -> Workspace:
    """January of a workspace, with 1,010 used in one event, due as soon as it ends."""
    acme_support.agency.grace_hours = 0
    acme_support.agency.save()
    subscribe(acme_support, starter(), JANUARY)
    report(acme_support, "in time", JANUARY + HOUR, 1010, JANUARY + HOUR)
    return acme_support


class TestSettlingTwiceAtOnce:
    def settle_twice(self, workspace, monkeypatch) -> list[Any]:
        close(periods_of(workspace)[0])
        report(workspace, "late", JANUARY + HOUR, 5, FEBRUARY + HOUR)
        Meeting(monkeypatch, late_settlements, "changes_of")
        work = lambda: settle_workspace(  # noqa: E731
            workspace_id=workspace.pk, now=FEBRUARY + 2 * HOUR
        )
        return at_once(work, work)

    def test_without_the_lock_both_write(self, used, no_lock, monkeypatch):
        outcomes = self.settle_twice(used, monkeypatch)

        assert [type(outcome) for outcome in outcomes].count(IntegrityError) == 1

    def test_with_it_one_settles_and_the_other_sees_that(self, used, monkeypatch):
        outcomes = self.settle_twice(used, monkeypatch)

        assert sorted(map(len, outcomes)) == [0, 1]
        assert LateSettlement.objects.get().overage == 5
        assert LateEntry.objects.count() == 1


class TestACorrectionDuringAClose:
    def correct(self, workspace) -> Callable[[], Any]:
        return lambda: correct_event(
            workspace=workspace,
            event_id="in time",
            quantity=Decimal(1000),
            reason="Ten were tests",
            key="k",
            now=FEBRUARY,
        )

    def close_and_correct(self, workspace, monkeypatch) -> tuple[str, int, int]:
        """The correction's standing, and what January froze and counted."""
        january = periods_of(workspace)[0]
        pause = Pause(monkeypatch, closing, "settle_units")
        at_once(
            lambda: close_period(period_id=january.pk, now=FEBRUARY),
            pause.meanwhile(self.correct(workspace)),
        )
        frozen = PeriodUsage.objects.get(period=january).used
        counted = UsageWindow.objects.get(workspace=workspace, start=january.start).used
        return UsageCorrection.objects.get().standing, int(frozen), int(counted)

    def test_without_the_lock_the_sums_move_under_what_is_frozen(self, used, no_lock, monkeypatch):
        assert self.close_and_correct(used, monkeypatch) == ("counted", 1010, 1000)

    def test_with_it_the_correction_waits_and_settles_late(self, used, monkeypatch):
        assert self.close_and_correct(used, monkeypatch) == ("late", 1010, 1010)

        late_usage.settle_late_usage(now=FEBRUARY + HOUR)
        settled = LateSettlement.objects.get()
        assert (settled.overage, settled.amount) == (-10, Decimal("-1.00"))
