"""Closing, recording, buying and activating at the same moment, on PostgreSQL.

Every story is told twice: with the workspace's lock taken away it goes wrong, with it it does not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection

from billing.models import BillingPeriod, CreditGrant, GrantUse, PeriodUsage, Subscription
from billing.refusals import RefusedError
from billing.services import changes, closing, purchases, subscriptions
from billing.services.closing import close_due_periods, close_period
from billing.services.plans import import_plan
from billing.services.purchases import buy_on_account
from billing.services.subscriptions import activate
from clients.models import UsageEvent, UsageWindow, Workspace
from clients.services import recording, windows
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.plan_samples import NEW_YORK_2026, allowance, starter
from tests.billing.story import periods_of, subscribe, use

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

JANUARY, FEBRUARY, MARCH, APRIL = (NEW_YORK_2026[month] for month in range(1, 5))
HOUR = timedelta(hours=1)


class Patience:
    """How long one waits for the other."""

    guarded = 0.7
    """Seconds, where the other cannot come: the lock holds it back."""
    unguarded = 20.0
    """Seconds, where the other is sure to come, on a busy machine later."""

    seconds = guarded


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What several connections return, or raise, that start together."""

    def run(work: Callable[[], Any]) -> Any:
        try:
            return work()
        finally:
            connection.close()

    def outcome(future: Future[Any]) -> Any:
        return future.exception(timeout=30) or future.result()

    with ThreadPoolExecutor(len(works)) as pool:
        return [outcome(future) for future in [pool.submit(run, work) for work in works]]


@pytest.fixture
def no_lock(monkeypatch):
    """Takes the guard away: the workspaces' rows are read, and nobody waits."""

    def read(workspace_ids: Iterable[int], **_: Any) -> list[Workspace]:
        rows = Workspace.objects.select_related("client").filter(pk__in=workspace_ids)
        return list(rows.order_by("pk"))

    monkeypatch.setattr(windows, "lock_workspaces", read)
    monkeypatch.setattr(Patience, "seconds", Patience.unguarded)


class Pause:
    """Stops a function of a module after it has run, until the other side has come this far."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        self.reached, self.other_is_done = threading.Event(), threading.Event()
        original = getattr(module, name)

        def run(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self.reached.set()
            self.other_is_done.wait(Patience.seconds)
            return result

        monkeypatch.setattr(module, name, run)

    def only_until(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        """Go on once this function has run on the other side, which then waits for a row."""
        original = getattr(module, name)

        def run(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self.other_is_done.set()
            return result

        monkeypatch.setattr(module, name, run)

    def meanwhile(self, work: Callable[[], Any]) -> Callable[[], Any]:
        """``work``, begun when the paused one is in the middle."""

        def run() -> Any:
            assert self.reached.wait(20)
            try:
                return work()
            finally:
                self.other_is_done.set()

        return run


class Meeting:
    """Stops a function of a module after it has run, until two have come this far."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        barrier = threading.Barrier(2, timeout=Patience.seconds)
        original = getattr(module, name)

        def run(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            with suppress(threading.BrokenBarrierError):  # with the lock, the other cannot come
                barrier.wait()
            return result

        monkeypatch.setattr(module, name, run)


@pytest.fixture
def january(acme_support, conversation) -> BillingPeriod:
    """January of a workspace, used up but for 100, due as soon as it ends."""
    acme_support.agency.grace_hours = 0
    acme_support.agency.save()
    subscribe(acme_support, starter(allowances=[allowance(rollover_max="100")]), JANUARY)
    use(acme_support, conversation, JANUARY + HOUR, 900)
    return periods_of(acme_support)[0]


class TestTwoClosersOfOnePeriod:
    def close_twice(self, january, monkeypatch) -> list[Any]:
        Meeting(monkeypatch, closing, "_refuse_unfit")
        work = lambda: close_period(period_id=january.pk, now=FEBRUARY)  # noqa: E731
        return at_once(work, work)

    def test_without_the_lock_both_write(self, january, no_lock, monkeypatch):
        outcomes = self.close_twice(january, monkeypatch)

        assert [type(outcome) for outcome in outcomes].count(IntegrityError) == 1

    def test_with_it_one_closes_and_the_other_sees_that(self, january, monkeypatch):
        outcomes = self.close_twice(january, monkeypatch)

        assert [period.state for period in outcomes] == ["closed", "closed"]
        assert PeriodUsage.objects.get(period=january).rolled_over == 100
        assert GrantUse.objects.count() == CreditGrant.objects.filter(kind="rollover").count() == 1

    def test_many_closers_of_many_periods_close_each_once(self, january, acme_docs, conversation):
        subscribe(acme_docs, starter(), JANUARY)

        closed = at_once(*[lambda: close_due_periods(now=APRIL + 24 * HOUR)] * 4)

        ids = [period_id for outcome in closed for period_id in outcome]
        assert len(ids) == len(set(ids)) == PeriodUsage.objects.count() == 6
        assert not BillingPeriod.objects.exclude(close_error="").exists()


class TestRecordingDuringAClose:
    def record(self, workspace) -> Callable[[], Any]:
        late = SubmittedEvent(id="last minute", unit="conversation", time=FEBRUARY - HOUR)
        return lambda: record_events(workspace=workspace, events=[late], now=FEBRUARY)

    def close(self, january) -> Callable[[], Any]:
        return lambda: close_period(period_id=january.pk, now=FEBRUARY)

    def frozen_and_counted(self, january) -> tuple[int, int]:
        window = UsageWindow.objects.get(workspace=january.workspace, start=january.start)
        return int(PeriodUsage.objects.get(period=january).used), int(window.used)

    def test_without_the_lock_an_event_falls_between_reading_and_freezing(
        self, january, acme_support, no_lock, monkeypatch
    ):
        pause = Pause(monkeypatch, closing, "settle_units")
        at_once(self.close(january), pause.meanwhile(self.record(acme_support)))

        assert UsageEvent.objects.get().standing == "counted"
        assert self.frozen_and_counted(january) == (900, 901)

    def test_with_it_the_event_waits_and_is_late(self, january, acme_support, monkeypatch):
        pause = Pause(monkeypatch, closing, "settle_units")
        at_once(self.close(january), pause.meanwhile(self.record(acme_support)))

        assert UsageEvent.objects.get().standing == "late"
        assert self.frozen_and_counted(january) == (900, 900)

    def test_without_the_lock_what_is_being_recorded_is_not_seen(
        self, january, acme_support, no_lock, monkeypatch
    ):
        pause = Pause(monkeypatch, recording, "count_events")
        pause.only_until(monkeypatch, closing, "settle_units")
        at_once(self.record(acme_support), pause.meanwhile(self.close(january)))

        assert UsageEvent.objects.get().standing == "counted"
        assert self.frozen_and_counted(january) == (900, 901)

    def test_with_it_the_close_waits_for_what_is_being_recorded(
        self, january, acme_support, monkeypatch
    ):
        pause = Pause(monkeypatch, recording, "count_events")
        at_once(self.record(acme_support), pause.meanwhile(self.close(january)))

        assert UsageEvent.objects.get().standing == "counted"
        assert self.frozen_and_counted(january) == (901, 901)


class TestAPurchaseDuringAClose:
    def buy_and_close(self, january, monkeypatch) -> list[Any]:
        band = january.plan_version.top_ups.get()
        pause = Pause(monkeypatch, purchases, "period_to_buy_in")
        return at_once(
            lambda: buy_on_account(
                workspace=january.workspace, band=band, key="k", now=FEBRUARY - HOUR
            ),
            pause.meanwhile(lambda: close_period(period_id=january.pk, now=FEBRUARY)),
        )

    def test_without_the_lock_a_closed_period_is_charged_for_credit_it_never_had(
        self, january, no_lock, monkeypatch
    ):
        self.buy_and_close(january, monkeypatch)

        january.refresh_from_db()
        assert january.state == "closed"
        assert january.charges.filter(kind="top_up").exists()
        assert not GrantUse.objects.filter(grant__kind="top_up").exists()

    def test_with_it_the_close_waits_for_the_purchase(self, january, monkeypatch):
        self.buy_and_close(january, monkeypatch)

        january.refresh_from_db()
        assert january.state == "closed"
        assert GrantUse.objects.get(grant__kind="top_up").expired == 500

    def test_what_comes_after_the_close_is_refused(self, january, monkeypatch):
        band = january.plan_version.top_ups.get()
        pause = Pause(monkeypatch, closing, "settle_units")
        _, refusal = at_once(
            lambda: close_period(period_id=january.pk, now=FEBRUARY),
            pause.meanwhile(
                lambda: buy_on_account(
                    workspace=january.workspace, band=band, key="k", now=FEBRUARY - HOUR
                )
            ),
        )

        assert isinstance(refusal, RefusedError)
        assert not CreditGrant.objects.filter(kind="top_up").exists()


class TestTwoActivationsAtOnce:
    """January to April, and 10 February to May."""

    def activate_both(self, workspace, monkeypatch) -> list[Any]:
        version = import_plan(agency=workspace.agency, document=starter(), now=JANUARY)
        Meeting(monkeypatch, subscriptions, "refuse_overlap")

        def work(start, end):
            return lambda: activate(
                workspace=workspace, plan_version=version, start=start, end=end, now=JANUARY
            )

        return at_once(work(JANUARY, APRIL), work(FEBRUARY + 9 * 24 * HOUR, NEW_YORK_2026[5]))

    def test_without_the_lock_both_run(self, acme_support, conversation, no_lock, monkeypatch):
        # Neither commits before both have made their periods: windows may not overlap, either.
        monkeypatch.setattr(changes, "lock_row", lambda rows: rows.get())
        Meeting(monkeypatch, subscriptions, "make_periods")
        outcomes = self.activate_both(acme_support, monkeypatch)

        assert [type(outcome) for outcome in outcomes] == [Subscription, Subscription]
        assert Subscription.objects.running(MARCH).count() == 2

    def test_with_it_the_second_is_refused(self, acme_support, conversation, monkeypatch):
        outcomes = self.activate_both(acme_support, monkeypatch)

        assert sum(isinstance(outcome, RefusedError) for outcome in outcomes) == 1
        assert Subscription.objects.count() == 1

    def test_the_same_activation_twice_is_one(self, acme_support, conversation):
        version = import_plan(agency=acme_support.agency, document=starter(), now=JANUARY)
        work = lambda: activate(  # noqa: E731
            workspace=acme_support, plan_version=version, start=JANUARY, now=JANUARY
        )

        assert len(set(at_once(work, work, work))) == 1
        assert len(periods_of(acme_support)) == 2
