"""Whatever is done to a subscription, in any order: its time is covered once, its days are charged
once, no credit is larger than its charge, and the books can be proved.

Steps that the services refuse are left out; everything else must hold.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agencyportal.core.periods import local_date, local_day_start
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    GrantUse,
    PlanVersion,
    Reservation,
    Subscription,
    SubscriptionChange,
)
from billing.refusals import RefusedError
from billing.selectors.periods import bounds_of
from billing.services.closing import close_due_periods
from billing.services.grants import adjust
from billing.services.late_usage import settle_late_usage
from billing.services.pauses import pause, resume
from billing.services.plan_changes import change_plan
from billing.services.plans import import_plan, terms_of
from billing.services.purchases import buy_on_account
from billing.services.reservations import commit_reservation, reserve
from billing.services.revocations import revoke
from billing.services.subscriptions import activate, end, ensure_due_periods, keep
from billing.services.time_zones import change_timezone
from billing.services.trials import convert_trial, move_trial_end
from billing.terms import fee_amount
from clients.models import UsageEvent, UsageUnit, Workspace
from clients.services.corrections import correct_event
from clients.services.recording import SubmittedEvent
from payouts.reconcile.books import reconcile
from payouts.reconcile.findings import Difference
from payouts.reconcile.scope import Scope

from .lifecycles import check_timeline, invoice, report
from .plan_samples import allowance, band, starter
from .story import utc

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

EXAMPLES = int(os.environ.get("LIFECYCLE_EXAMPLES", "6"))
DAY = dt.timedelta(days=1)
ZERO = Decimal(0)
BEGINNING = utc("2026-01-10T15:20")
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Tokyo", "Pacific/Auckland")


def packages() -> list[dict[str, Any]]:
    """A month of the calendar, a month from the start with what rolls over, and a quarter."""
    growth = starter(
        name="Growth",
        anchor=None,
        trial_days=10,
        allowances=[allowance(included="3000", rollover_max="500")],
        top_ups=[band("More", expires="never")],
    )
    growth["fees"] = [
        {"name": "Setup", "kind": "implementation", "amount": "900", "when": "once"},
        {"name": "Growth", "kind": "base", "amount": "999", "when": "period"},
        {"name": "Care", "kind": "support", "amount": "80", "when": "period", "prorate": False},
    ]
    seldom = starter(name="Seldom", interval="quarter", top_ups=[])
    return [starter(), growth, seldom]


class Step(NamedTuple):
    """What is done, and two numbers that say how."""

    what: str
    one: int
    other: int


class Life:
    """One workspace, by a clock that only goes on."""

    def __init__(self, workspace: Workspace, unit: UsageUnit, versions: list[PlanVersion]) -> None:
        self.workspace, self.unit, self.versions = workspace, unit, versions
        self.now = BEGINNING
        self.number = 0

    def take(self, step: Step) -> None:
        self.number += 1
        act: Callable[[int, int], object] = getattr(self, f"do_{step.what}")
        with suppress(RefusedError), transaction.atomic():
            act(step.one, step.other)

    def do_wait(self, days: int, hours: int) -> None:
        self.now += days * DAY + hours * dt.timedelta(hours=1)
        ensure_due_periods(now=self.now)

    def do_activate(self, plan: int, trial: int) -> None:
        activate(
            workspace=self.workspace,
            plan_version=self.versions[plan % 3],
            start=self.now,
            trial_days=(None, 0, 3, 20)[trial % 4],
            now=self.now,
        )

    def do_change(self, plan: int, when: int) -> None:
        change_plan(
            subscription=self.latest(),
            plan_version=self.versions[plan % 3],
            when="now" if when % 2 else "period_end",
            now=self.now,
        )

    def do_pause(self, ahead: int, rest: int) -> None:
        at = self.day(ahead % 5)
        until = self.day(ahead % 5 + rest) if rest % 3 else None
        pause(subscription=self.latest(), at=at, until=until, now=self.now)

    def do_resume(self, ahead: int, _other: int) -> None:
        resume(subscription=self.latest(), at=self.day(ahead % 5), now=self.now)

    def do_end(self, ahead: int, _other: int) -> None:
        end(subscription=self.latest(), end=self.day(ahead), now=self.now)

    def do_keep(self, _one: int, _other: int) -> None:
        keep(subscription=self.latest(), now=self.now)

    def do_move_zone(self, zone: int, _other: int) -> None:
        change_timezone(client=self.workspace.client, timezone=ZONES[zone % 4], now=self.now)

    def do_convert(self, _one: int, _other: int) -> None:
        convert_trial(subscription=self.latest(), now=self.now)

    def do_extend(self, ahead: int, _other: int) -> None:
        last = local_date(self.now, self.zone) + ahead * DAY
        move_trial_end(subscription=self.latest(), last_day=last, now=self.now)

    def do_use(self, hundreds: int, hours_ago: int) -> None:
        at = self.now - hours_ago * dt.timedelta(hours=1)
        report(self.workspace, self.unit, at, hundreds * 100, now=self.now)

    def do_use_long_ago(self, hundreds: int, days_ago: int) -> None:
        """Late for what is closed by now."""
        at = max(self.now - 2 * days_ago * DAY, BEGINNING)
        report(self.workspace, self.unit, at, hundreds * 100, now=self.now)

    def do_correct(self, which: int, hundreds: int) -> None:
        events = UsageEvent.objects.filter(workspace=self.workspace).order_by("-pk")
        event = events[which : which + 1].first() or events.first()
        if event is not None:
            correct_event(
                workspace=self.workspace,
                event_id=event.external_id,
                quantity=Decimal(hundreds * 50),
                reason="Checked",
                key=f"correct {self.number}",
                now=self.now,
            )

    def do_settle(self, _one: int, _other: int) -> None:
        assert settle_late_usage(now=self.now)[1] == []

    def do_hold(self, hundreds: int, keeps: int) -> None:
        """Some is held; every other time usage comes of what was held before."""
        held = Reservation.objects.open().filter(workspace=self.workspace).first()
        if held is not None and keeps % 2:
            event = SubmittedEvent(
                id=f"held {self.number}", unit=self.unit.slug, quantity=Decimal(hundreds * 10)
            )
            commit_reservation(reservation=held, event=event, now=self.now)
        else:
            reserve(
                workspace=self.workspace,
                unit=self.unit,
                quantity=Decimal(hundreds * 20 + 1),
                ttl=DAY / 24,
                now=self.now,
            )

    def do_give(self, hundreds: int, days: int) -> None:
        adjust(
            workspace=self.workspace,
            unit=self.unit,
            quantity=Decimal(hundreds * 10 + 1),
            reason="Sorry",
            expires_at=self.now + days * DAY if days % 3 else None,
            created_by=None,
            now=self.now,
            key=f"give {self.number}",
        )

    def do_revoke(self, which: int, hundreds: int) -> None:
        grants = CreditGrant.objects.filter(workspace=self.workspace).order_by("-pk")
        grant = grants[which : which + 1].first() or grants.first()
        if grant is not None:
            revoke(
                grant=grant,
                quantity=Decimal(hundreds * 10 + 1),
                reason="By mistake",
                revoked_by=None,
                now=self.now,
                key=f"revoke {self.number}",
            )

    def do_buy(self, _one: int, _other: int) -> None:
        period = self.workspace.periods.filter(start__lte=self.now, end__gt=self.now).first()
        offered = period and period.plan_version.top_ups.first()
        if offered:
            buy_on_account(
                workspace=self.workspace, band=offered, now=self.now, key=f"buy {self.number}"
            )

    def do_close(self, _one: int, _other: int) -> None:
        close_due_periods(now=self.now)
        assert not BillingPeriod.objects.exclude(close_error="").exists()
        invoice(self.now)

    @property
    def zone(self) -> str:
        self.workspace.client.refresh_from_db()
        return str(self.workspace.client.timezone)

    def day(self, ahead: int) -> dt.datetime:
        return local_day_start(local_date(self.now, self.zone) + ahead * DAY, self.zone)

    def latest(self) -> Subscription:
        """The one that runs, else the last that did."""
        begun = self.workspace.subscriptions.filter(start__lte=self.now).order_by("-start", "-pk")
        found = begun.first()
        if found is None:
            raise RefusedError("Nothing has begun.")
        return found


# --- What must hold ----------------------------------------------------------------------------


def check(life: Life) -> None:
    check_timeline(life.workspace)
    every = BillingPeriod.with_withdrawn.filter(workspace=life.workspace)
    periods = list(every.select_related("subscription", "plan_version").order_by("start", "pk"))
    zones_moved = SubscriptionChange.objects.filter(kind="timezone_changed").exists()
    for period in periods:
        _check_fees(period, zones_moved=zones_moved)
    paid = [each for each in periods if each.state != "withdrawn" and not each.is_trial]
    if not zones_moved:
        _check_days(paid)
    _check_asked_once(periods)
    for use in GrantUse.objects.filter(period_usage__period__workspace=life.workspace):
        gone = use.consumed + use.expired + use.rolled_over + use.revoked
        assert use.opening == gone + use.remaining
    for charge in Charge.objects.filter(period__is_trial=True):
        assert charge.kind == "top_up"


def _check_fees(period: BillingPeriod, *, zones_moved: bool) -> None:
    """No fee of a period comes to less than nothing, or to more than its days do."""
    standing: dict[int, Decimal] = defaultdict(Decimal)
    for charge in Charge.objects.standing().filter(period=period):
        if "fee" in charge.details:
            standing[charge.details["fee"]] += charge.amount
    terms = terms_of(period.plan_version)
    for fee, row in zip(terms.plan.fees, terms.fees, strict=True):
        due = standing.pop(row.pk, ZERO)
        assert 0 <= due <= fee.amount
        if fee.when == "once":
            continue
        if period.state == "withdrawn" or period.is_trial:
            assert due == 0
        elif not zones_moved and fee.prorate:
            days = fee_amount(fee, bounds_of(period), period.timezone, period.currency)
            # Credited for the rest under another plan, it may differ from its days by a cent.
            assert abs(due - days) <= Decimal("0.01")
    assert not standing


def _check_days(paid: list[BillingPeriod]) -> None:
    """No local day is charged twice."""
    charged: set[dt.date] = set()
    for period in paid:
        day = local_date(period.start, period.timezone)
        while local_day_start(day, period.timezone) < period.end:
            assert day not in charged
            charged.add(day)
            day += DAY


def _check_asked_once(periods: list[BillingPeriod]) -> None:
    """What is asked once stands once at most from an activation on, however it goes on."""
    asked: dict[int, list[Decimal]] = defaultdict(list)
    for period in periods:
        root = period.subscription
        while root.continues is not None:
            root = root.continues
        rows = Charge.objects.standing().filter(period=period, kind="implementation")
        amount = sum((row.amount for row in rows), ZERO)
        amount += sum(
            row.amount
            for row in Charge.objects.standing().filter(period=period, kind="credit")
            if row.details["when"] == "once"
        )
        asked[root.pk] += [amount] if amount else []
    assert all(len(amounts) <= 1 for amounts in asked.values())


steps = st.builds(
    Step,
    st.sampled_from(
        sorted(name.removeprefix("do_") for name in vars(Life) if name.startswith("do_"))
        + ["wait"] * 4
        + ["use"] * 2
        + ["close"] * 2
        + ["change"] * 2
        + ["use_long_ago"] * 3
        + ["correct"] * 2
    ),
    st.integers(0, 19),
    st.integers(0, 23),
)


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=st.integers(0, 2), trial=st.integers(0, 3), taken=st.lists(steps, max_size=14))
def test_any_life(
    acme_support: Workspace,
    conversation: UsageUnit,
    platform: object,
    plan: int,
    trial: int,
    taken: list[Step],
) -> None:
    with transaction.atomic():
        agency = acme_support.agency
        versions = [import_plan(agency=agency, document=d, now=BEGINNING) for d in packages()]
        life = Life(Workspace.objects.get(pk=acme_support.pk), conversation, versions)
        life.take(Step("activate", plan, trial))
        for step in taken:
            life.take(step)
        check(life)
        life.take(Step("wait", 120, 0))
        life.take(Step("close", 0, 0))
        check(life)
        found = [str(each) for each in reconcile(Scope()) if isinstance(each, Difference)]
        assert found == []
        transaction.set_rollback(True)
