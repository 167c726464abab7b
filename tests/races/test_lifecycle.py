"""Subscriptions change while others record, close and draft, on PostgreSQL.

Each story is told twice: with the lock taken away it goes wrong, with it it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from billing.models import (
    BillingPeriod,
    Charge,
    ChargeVoid,
    InvoiceLine,
    PeriodMove,
    PeriodUsage,
    Subscription,
)
from billing.refusals import RefusedError
from billing.services import changes, closing, drafting
from billing.services.closing import close_period
from billing.services.drafting import draft_client
from billing.services.plan_changes import change_plan
from billing.services.plans import import_plan
from billing.services.subscriptions import end
from clients import record_sql
from clients.holding_sql import Held
from clients.models import UsageQuarter, UsageWindow
from clients.services import recording
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.lifecycles import report
from tests.billing.plan_samples import NEW_YORK_2026, starter
from tests.billing.story import periods_of, subscribe, utc

from .test_closing import Pause, at_once, no_lock

__all__ = ["no_lock"]

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in range(1, 4))
HOUR = timedelta(hours=1)
SIXTEENTH = utc("2026-01-16T05:00")
NOON = SIXTEENTH + 7 * HOUR


@pytest.fixture
def subscription(acme_support, conversation, platform) -> Subscription:
    return subscribe(acme_support, starter(), JANUARY)


def change(subscription: Subscription) -> Callable[[], Any]:
    version = import_plan(agency=subscription.agency, document=starter(name="Growth"), now=JANUARY)
    return lambda: change_plan(
        subscription=subscription, plan_version=version, when="now", now=NOON
    )


class TestAChangeWhileRecording:
    def record_and_change(self, subscription, monkeypatch) -> None:
        event = SubmittedEvent(id="today", unit="conversation", time=SIXTEENTH + HOUR)
        pause = Pause(monkeypatch, recording, "_windows")
        work = change(subscription)
        at_once(
            lambda: record_events(workspace=subscription.workspace, events=[event], now=NOON),
            pause.meanwhile(work),
        )

    def counted(self) -> dict[Any, int]:
        windows = UsageWindow.objects.order_by("start")
        return {window.start: int(window.used) for window in windows}

    def test_without_the_lock_usage_of_the_new_plan_counts_under_the_old(
        self, subscription, no_lock, monkeypatch
    ):
        monkeypatch.setattr(record_sql, "hold_workspace", lambda _: Held(None, is_capped=False))
        monkeypatch.setattr(record_sql, "enter_workspaces", lambda *_, **__: None)

        self.record_and_change(subscription, monkeypatch)

        assert self.counted()[JANUARY] == 1

    def test_with_it_it_counts_under_the_new(self, subscription, monkeypatch):
        self.record_and_change(subscription, monkeypatch)

        assert (self.counted()[JANUARY], self.counted()[SIXTEENTH]) == (0, 1)
        assert UsageQuarter.objects.get().quantity == 1


class TestAnEndWhileClosing:
    def close_and_end(self, subscription, monkeypatch) -> list[Any]:
        subscription.agency.grace_hours = 0
        subscription.agency.save()
        BillingPeriod.objects.update(due_at=FEBRUARY)
        january = periods_of(subscription.workspace)[0]
        pause = Pause(monkeypatch, closing, "settle_units")
        return at_once(
            lambda: close_period(period_id=january.pk, now=FEBRUARY),
            pause.meanwhile(lambda: end(subscription=subscription, end=SIXTEENTH, now=FEBRUARY)),
        )

    def test_without_the_lock_a_closed_period_is_shortened(
        self, subscription, no_lock, monkeypatch
    ):
        self.close_and_end(subscription, monkeypatch)

        january = periods_of(subscription.workspace)[0]
        assert (january.state, january.end) == ("closed", SIXTEENTH)

    def test_with_it_the_end_is_refused(self, subscription, monkeypatch):
        _, refusal = self.close_and_end(subscription, monkeypatch)

        assert isinstance(refusal, RefusedError)
        january, february, _march = periods_of(subscription.workspace)
        assert (january.state, january.end, february.state) == ("closed", FEBRUARY, "open")


class TestAChangeWhileDrafting:
    def draft_and_change(self, subscription, monkeypatch) -> list[Any]:
        pause = Pause(monkeypatch, drafting, "price_drafts")
        client = subscription.client
        return at_once(
            lambda: draft_client(client_id=client.pk, currency="USD", now=NOON),
            pause.meanwhile(change(subscription)),
        )

    def test_without_the_lock_what_is_taken_back_is_drafted(self, subscription, monkeypatch):
        monkeypatch.setattr(changes, "lock_row", lambda rows: rows.get())
        monkeypatch.setattr(drafting, "lock_rows", list)

        outcomes = self.draft_and_change(subscription, monkeypatch)

        if not any(isinstance(outcome, IntegrityError) for outcome in outcomes):
            assert ChargeVoid.objects.filter(charge__line__isnull=False).exists()

    def test_with_it_what_is_drafted_gets_a_credit_line(self, subscription, monkeypatch):
        outcomes = self.draft_and_change(subscription, monkeypatch)

        assert [type(outcome) for outcome in outcomes] == [list, Subscription], outcomes
        assert not ChargeVoid.objects.filter(charge__line__isnull=False).exists()
        assert Charge.objects.filter(kind="credit").get().amount < 0
        assert InvoiceLine.objects.filter(charge__kind="base").count() == 1


def test_two_changes_at_once_are_one(subscription, acme_support, conversation):
    report(acme_support, conversation, JANUARY + HOUR, 900)
    work = change(subscription)

    outcomes = at_once(work, work, work)

    assert len({outcome.pk for outcome in outcomes}) == 1
    assert len(periods_of(acme_support)) == 3
    assert PeriodUsage.objects.count() == 0
    assert PeriodMove.objects.count() == 2
    assert BillingPeriod.objects.filter(state="open").count() == 3
