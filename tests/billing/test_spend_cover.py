"""Spend is worked out again only where credit is not known to cover what was counted: with the same
outcome as if it were after every batch."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from billing.models import CreditGrant, Reservation
from billing.refusals import RefusedError
from billing.selectors.balances import held_by
from billing.services import spend
from billing.services.caps import set_cap
from billing.services.grants import adjust
from billing.services.plan_changes import change_plan
from billing.services.plans import import_plan
from billing.services.purchases import buy_on_account
from billing.services.reservations import commit_reservation, reserve
from billing.services.revocations import revoke
from billing.services.subscriptions import ensure_due_periods
from clients.caps import month_of
from clients.models import CapBalance, CostPayer, UsageUnit, UsageWindow, Workspace
from clients.services.corrections import correct_event
from clients.services.recording import SubmittedEvent, record_events

from .plan_samples import NEW_YORK_2026, allowance, band, bill, starter
from .story import subscribe

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
QUARTER, HOUR, DAY = dt.timedelta(minutes=15), dt.timedelta(hours=1), dt.timedelta(days=1)


def packages(conversation: str = "100") -> dict[str, Any]:
    """Conversations that roll over, pages at cost, and documents that are never charged."""
    return starter(
        name=f"Starter {conversation}",
        allowances=[
            allowance(included=conversation, rollover_max="30"),
            allowance(
                "page",
                included="50",
                overage=bill({"model": "cost_plus", "margin_percent": "30"}),
            ),
        ],
        top_ups=[band(quantity="40", price="6", expires="P20D")],
    )


@pytest.fixture
def capped(acme_support: Workspace, conversation: UsageUnit, page: UsageUnit) -> Workspace:
    acme_support.cost_payer = CostPayer.AGENCY
    acme_support.save()
    subscribe(acme_support, packages(), JANUARY)
    set_cap(
        agency=acme_support.agency,
        client=acme_support.client,
        kind="spend",
        limit=Decimal(10_000),
        now=JANUARY,
        set_by=None,
    )
    return acme_support


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[dt.date]:
    """The months that were worked out."""
    seen: list[dt.date] = []
    charged = spend._charged

    def spy(workspace: Workspace, month: dt.date, *more: Any) -> Any:
        seen.append(month)
        return charged(workspace, month, *more)

    monkeypatch.setattr(spend, "_charged", spy)
    return seen


def record(workspace: Workspace, quantity: int, at: dt.datetime, **more: Any) -> None:
    number = workspace.events.count()
    said: dict[str, Any] = {"unit": "conversation"} | more
    event = SubmittedEvent(id=f"event {number}", quantity=Decimal(quantity), time=at, **said)
    record_events(workspace=workspace, events=[event], now=max(at, JANUARY))


def spent(workspace: Workspace) -> Decimal:
    return CapBalance.objects.get(workspace=workspace, kind="spend").spend_used


def give(workspace: Workspace, unit: UsageUnit, quantity: int, at: dt.datetime, **more: Any) -> Any:
    key = f"grant {CreditGrant.objects.count()}"
    grant = {"reason": "Sorry", "created_by": None, "key": key, "now": at}
    return adjust(workspace=workspace, unit=unit, quantity=Decimal(quantity), **grant | more)


def test_what_credit_covers_is_looked_at_once(capped, looks):
    for quantity in (10, 40, 50):
        record(capped, quantity, JANUARY + HOUR)

    assert len(looks) == 1
    assert spent(capped) == 0
    record(capped, 1, JANUARY + HOUR)
    record(capped, 1, JANUARY + HOUR)
    assert len(looks) == 3
    assert spent(capped) == Decimal("0.2")


def test_one_unit_that_is_charged_does_not_hide_behind_another(capped, looks):
    record(capped, 1, JANUARY)
    record(capped, 51, JANUARY, unit="page", cost=Decimal(51))

    assert spent(capped) == Decimal("1.3")  # one page beyond, at its cost of 1 and 30 percent
    record(capped, 99, JANUARY)
    assert len(looks) == 2
    assert spent(capped) == Decimal("1.3")


def test_usage_of_before_is_looked_at(capped, conversation, looks):
    """What a grant that begins later covers is no cover of what came before it."""
    give(capped, conversation, 100, JANUARY, effective_at=JANUARY + DAY)
    record(capped, 1, JANUARY + DAY)
    looks.clear()

    record(capped, 101, JANUARY)

    assert looks
    assert spent(capped) == Decimal("0.1")


def test_credit_that_is_taken_covers_nothing(capped, conversation):
    grant = give(capped, conversation, 20, JANUARY)
    record(capped, 1, JANUARY)
    assert UsageWindow.objects.get(unit=conversation, start=JANUARY).covered == 120
    revoke(grant=grant, quantity=None, reason="Wrong", revoked_by=None, now=JANUARY, key="take")

    record(capped, 100, JANUARY)

    assert spent(capped) == Decimal("0.1")


def test_what_january_takes_is_looked_at_in_february(capped, conversation):
    """30 roll over, until one more is reported for January."""
    ensure_due_periods(now=FEBRUARY)
    record(capped, 70, JANUARY)
    record(capped, 130, FEBRUARY)
    set_cap(
        agency=capped.agency,
        client=capped.client,
        kind="spend",
        limit=Decimal(9_000),
        now=FEBRUARY,
        set_by=None,
    )
    record(capped, 0, FEBRUARY)

    record(capped, 1, JANUARY + DAY)

    months = CapBalance.objects.filter(workspace=capped, kind="spend").order_by("month")
    assert [row.spend_used for row in months] == [0, Decimal("0.1")]


def hold(workspace: Workspace, unit: UsageUnit, quantity: int, now: dt.datetime) -> Reservation:
    return reserve(workspace=workspace, unit=unit, quantity=Decimal(quantity), now=now, ttl=HOUR)


def test_what_is_held_within_credit_is_not_looked_at(capped, conversation, looks):
    record(capped, 90, JANUARY)
    hold(capped, conversation, 5, JANUARY)
    hold(capped, conversation, 5, JANUARY)
    assert len(looks) == 1

    assert hold(capped, conversation, 1, JANUARY).spend == Decimal("0.1")
    assert len(looks) == 2


def test_what_was_held_before_is_looked_at(capped, conversation, looks):
    """A quarter of an hour ago there was no credit but the package's, which is used up: 20 at that
    time are charged, whatever covers usage now."""
    record(capped, 100, JANUARY)
    assert hold(capped, conversation, 20, JANUARY).spend == 2
    give(capped, conversation, 50, JANUARY, effective_at=JANUARY + QUARTER)
    record(capped, 1, JANUARY + QUARTER)
    looks.clear()

    assert hold(capped, conversation, 1, JANUARY + QUARTER).spend == 0
    assert looks


def test_what_is_held_late_leaves_less_for_later_usage(capped, conversation, looks):
    """January has 30 left, which roll over and are used."""
    ensure_due_periods(now=FEBRUARY)
    record(capped, 70, FEBRUARY - HOUR)
    record(capped, 130, FEBRUARY)
    record(capped, 0, FEBRUARY - HOUR)
    looks.clear()

    assert hold(capped, conversation, 1, FEBRUARY - HOUR).spend == 0
    assert looks


class Story:
    """Whatever may happen to a workspace, at random."""

    def __init__(self, workspace: Workspace, unit: UsageUnit, random: Random) -> None:
        self.workspace, self.unit, self.random = workspace, unit, random
        self.now = JANUARY + 20 * DAY
        self.acts: list[Callable[[], object]] = [
            *[self.record] * 9,
            self.call,
            self.hold,
            self.give,
            self.take,
            self.buy,
            self.correct,
            self.wait,
        ]

    def some_time(self) -> dt.datetime:
        back = self.random.choice((0, 0, 0, 0, 1, 3, 40, 900))
        return max(JANUARY, self.now - back * QUARTER)

    def record(self) -> None:
        unit = self.random.choice(("conversation", "conversation", "page"))
        cost = Decimal(self.random.randrange(3))
        record(self.workspace, self.random.randrange(12), self.some_time(), unit=unit, cost=cost)

    def call(self) -> None:
        held = hold(self.workspace, self.unit, 3, self.now)
        event = SubmittedEvent(id=f"call {held.pk}", unit="conversation", quantity=Decimal(2))
        commit_reservation(reservation=held, event=event, now=self.now)

    def hold(self) -> Reservation:
        return hold(self.workspace, self.unit, self.random.randrange(1, 9), self.now)

    def give(self) -> None:
        starts = self.now + self.random.choice((-5, 0, 2)) * DAY
        ends = self.random.choice((None, starts + DAY, starts + 9 * DAY))
        quantity = self.random.randrange(1, 20)
        give(
            self.workspace,
            self.unit,
            quantity,
            self.now,
            effective_at=max(JANUARY, starts),
            expires_at=ends,
        )

    def take(self) -> None:
        grants = CreditGrant.objects.filter(kind="adjustment").order_by("pk")
        if grants:
            grant = self.random.choice(grants)
            wrong: dict[str, Any] = {
                "reason": "Wrong",
                "revoked_by": None,
                "key": f"take {self.random.random()}",
            }
            revoke(grant=grant, quantity=None, now=self.now, **wrong)

    def buy(self) -> None:
        top_up = self.workspace.periods.order_by("-start").first().plan_version.top_ups.get()
        number = self.workspace.purchases.count()
        buy_on_account(workspace=self.workspace, band=top_up, key=f"buy {number}", now=self.now)

    def correct(self) -> None:
        ids = sorted(self.workspace.events.values_list("external_id", flat=True))
        if ids:
            correct_event(
                workspace=self.workspace,
                event_id=self.random.choice(ids),
                quantity=Decimal(self.random.randrange(9)),
                reason="Wrong",
                key=f"correct {self.random.random()}",
                now=self.now,
            )

    def wait(self) -> None:
        self.now += self.random.choice((QUARTER, HOUR, 2 * DAY))
        ensure_due_periods(now=self.now)

    def change(self) -> None:
        subscription = self.workspace.subscriptions.latest("start")
        version = import_plan(
            agency=self.workspace.agency,
            document=packages(str(self.random.randrange(60, 160))),
            now=self.now,
        )
        change_plan(subscription=subscription, plan_version=version, when="now", now=self.now)


@pytest.mark.parametrize("seed", range(4))
def test_spend_is_what_it_would_be_if_it_were_always_worked_out(capped, conversation, looks, seed):
    story = Story(capped, conversation, Random(seed))
    batches = unlooked = unlooked_holds = 0
    for number in range(60):
        act = story.change if number == 35 else story.random.choice(story.acts)
        looks.clear()
        with suppress(RefusedError, ValueError):
            act()
        if act == story.hold and not looks:
            unlooked_holds += 1
            mine = {conversation.pk: held_by(capped)[conversation.pk]}
            month = month_of(Reservation.objects.latest("pk").window.start)
            assert spend.spend_of(capped, month, mine) == spend.spend_of(capped, month), number
        # Of the others some leave what they change to the next batch.
        if act in (story.record, story.call):
            batches += 1
            unlooked += not looks
            found = list(CapBalance.objects.filter(workspace=capped, kind="spend"))
            expected = {row.month: spend.spend_of(capped, row.month) for row in found}
            assert {row.month: row.spend_used for row in found} == expected, number

    assert 0 < unlooked < batches
    assert unlooked_holds
