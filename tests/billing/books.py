"""Runs a scenario through the real books: imported, activated, recorded, bought and closed.

What comes out has the shape of what the simulator says, so that the two can be compared.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import groupby
from random import Random
from typing import Any

from agencyportal.core.money import plain
from agencyportal.core.periods import quarter_floor
from billing.models import BillingPeriod, Charge, GrantUse, PeriodUsage
from billing.plan_documents import dump_plan
from billing.scenario import ScenarioDocument, UsageDocument
from billing.scenario_changes import ChangeDocument, PauseDocument, begins
from billing.services.attention import attend
from billing.services.closing import close_due_periods
from billing.services.discounts import add_discount, end_discount
from billing.services.grants import adjust
from billing.services.pauses import pause
from billing.services.plan_changes import change_plan
from billing.services.plans import import_plan
from billing.services.purchases import buy_on_account
from billing.services.questions import answer
from billing.services.subscriptions import activate, ensure_periods
from billing.simulation_result import SimulationResult
from clients.models import Agency, Client, CostPayer, Meter, Platform, UsageUnit, User, Workspace
from clients.services.recording import SubmittedEvent, record_events

Comparable = list[dict[str, Any]]
GRACE = dt.timedelta(hours=24)


def keep_books(scenario: ScenarioDocument, random: Random) -> Comparable:
    """The closed periods of a scenario that end by its ``until``.

    Usage comes in batches, in any order, some of it twice.
    """
    workspace = _workspace(scenario)
    version = import_plan(
        agency=workspace.agency, document=dump_plan(scenario.plan), now=scenario.start
    )
    subscription = activate(
        workspace=workspace,
        plan_version=version,
        start=scenario.start,
        end=scenario.end,
        trial_days=scenario.trial_days,
        now=scenario.start,
    )
    for number, agreed in enumerate(scenario.discounts):
        row = add_discount(
            subscription=subscription,
            discount=agreed.discount,
            effective_at=agreed.effective_at or scenario.start,
            now=scenario.start,
            key=f"discount {number}",
        )
        if agreed.expires_at is not None:
            end_discount(discount=row, now=scenario.start, expires_at=agreed.expires_at)
    _change(scenario, workspace)
    for each in workspace.subscriptions.order_by("start", "pk"):
        ensure_periods(subscription=each, now=scenario.until)
    _give(scenario, workspace)
    _buy(scenario, workspace)
    policies = [allowance.overage for allowance in scenario.plan.allowances]
    if any(overage.auto_top_up or overage.ask for overage in policies):
        _live(scenario, workspace)
    else:
        _record(scenario, workspace, random)
    last = BillingPeriod.objects.filter(end__lte=scenario.until).order_by("end").last()
    if last is None:
        return []
    close_due_periods(now=last.end + GRACE)
    closed = BillingPeriod.objects.filter(end__lte=last.end).order_by("start")
    return [_closed(period) for period in closed]


def simulated(result: SimulationResult, until: dt.datetime) -> Comparable:
    """The same of a simulation."""
    return [
        {
            "start": period.period.start,
            "end": period.period.end,
            "units": {
                unit.unit: {
                    "used": plain(unit.waterfall.used),
                    "included": plain(unit.waterfall.included),
                    "top_up": plain(unit.waterfall.top_up),
                    "overage": plain(unit.waterfall.overage),
                    "expired_unused": plain(unit.waterfall.expired),
                    "rolled_over": plain(unit.waterfall.rolled_over),
                    "grants": _grants(
                        (str(o.grant.kind), o.consumed, o.expired, o.rolled_over, o.remaining)
                        for o in unit.waterfall.grants
                    ),
                }
                for unit in period.units
            },
            "lines": sorted(
                (line.kind, line.unit or "", plain(line.quantity), plain(line.amount))
                for line in period.lines
            ),
            "total": plain(period.total),
        }
        for period in result.periods
        if period.period.end <= until
    ]


def _workspace(scenario: ScenarioDocument) -> Workspace:
    Platform.objects.create(name="Portal")
    agency = Agency.objects.create(slug="books", name="Books", timezone="UTC")
    client = Client.objects.create(
        agency=agency,
        slug="reader",
        name="Reader",
        currency=scenario.plan.currency,
        timezone=scenario.plan.timezone or "UTC",
    )
    for slug in scenario.units:
        unit = UsageUnit.objects.create(agency=agency, slug=slug, name=slug, plural=f"{slug}s")
        Meter.objects.create(
            unit=unit,
            version=1,
            aggregation=Meter.Aggregation.COUNT,
            effective_from=dt.datetime(2000, 1, 1, tzinfo=dt.UTC),
        )
    return Workspace.objects.create(
        agency=agency, client=client, slug="books", name="Books", cost_payer=CostPayer.AGENCY
    )


def _change(scenario: ScenarioDocument, workspace: Workspace) -> None:
    """What is decided about the subscription, when it takes effect."""
    steps: list[ChangeDocument | PauseDocument] = [*scenario.changes, *scenario.pauses]
    for step in sorted(steps, key=begins):
        at = begins(step)
        running = workspace.subscriptions.filter(start__lte=at).exclude(end__lte=at).get()
        if isinstance(step, ChangeDocument):
            document = dump_plan(step.plan)
            version = import_plan(agency=workspace.agency, document=document, now=at)
            change_plan(subscription=running, plan_version=version, when=step.when, now=at)
        else:
            pause(subscription=running, at=at, until=step.end, now=at)


def _give(scenario: ScenarioDocument, workspace: Workspace) -> None:
    units = {unit.slug: unit for unit in UsageUnit.objects.all()}
    for grant in scenario.grants:
        adjust(
            workspace=workspace,
            unit=units[grant.unit],
            quantity=grant.quantity,
            reason="As the scenario says",
            created_by=None,
            key=grant.id,
            now=grant.effective_at,
            effective_at=grant.effective_at,
            expires_at=grant.expires_at,
            kind=grant.kind,
            priority=grant.priority,
        )


def _buy(scenario: ScenarioDocument, workspace: Workspace) -> None:
    for number, purchase in enumerate(sorted(scenario.purchases, key=lambda p: p.at)):
        if purchase.at < scenario.until:
            running = workspace.periods.get(start__lte=purchase.at, end__gt=purchase.at)
            buy_on_account(
                workspace=workspace,
                band=running.plan_version.top_ups.get(name=purchase.top_up.name),
                now=purchase.at,
                key=f"purchase {number}",
                starts=purchase.starts,
            )


def _live(scenario: ScenarioDocument, workspace: Workspace) -> None:
    """Where usage makes something happen, it comes as it happens, a quarter hour at a time."""
    by_quarter = sorted(enumerate(scenario.usage), key=lambda pair: pair[1].time)
    for quarter, of_quarter in groupby(by_quarter, key=lambda pair: quarter_floor(pair[1].time)):
        now = quarter + dt.timedelta(minutes=14)
        _answer(scenario, workspace, until=quarter)
        events = [_event(number, usage, scenario) for number, usage in of_quarter]
        record_events(workspace=workspace, events=events, now=now)
        if quarter < scenario.until:
            attend(workspace_id=workspace.pk, now=now)
    _answer(scenario, workspace, until=scenario.until)


def _answer(scenario: ScenarioDocument, workspace: Workspace, *, until: dt.datetime) -> None:
    """Give the scenario's answers up to an instant to what is asked by then; again, nothing."""
    operator, _ = User.objects.get_or_create(email="operator@example.com", is_operator=True)
    for given in sorted(scenario.answers, key=lambda answer: answer.at):
        questions = workspace.overage_questions.open(given.at).filter(
            unit__slug=given.unit, asked_at__lt=given.at
        )
        for question in questions if given.at < until else ():
            answer(
                question=question,
                approve=given.answer == "approved",
                answered_by=operator,
                now=given.at,
                reason="As the scenario says",
            )


def _record(scenario: ScenarioDocument, workspace: Workspace, random: Random) -> None:
    events = [_event(number, usage, scenario) for number, usage in enumerate(scenario.usage)]
    events += random.sample(events, len(events) // 3)
    random.shuffle(events)
    now = max([scenario.until, *(usage.time for usage in scenario.usage)])
    while events:
        size = random.randint(1, len(events))
        record_events(workspace=workspace, events=events[:size], now=now)
        events = events[size:]


def _event(number: int, usage: UsageDocument, scenario: ScenarioDocument) -> SubmittedEvent:
    return SubmittedEvent(
        id=f"event {number}",
        unit=usage.unit,
        time=usage.time,
        quantity=usage.quantity,
        cost=usage.cost,
        cost_currency=None if usage.cost is None else scenario.plan.currency,
    )


def _closed(period: BillingPeriod) -> dict[str, Any]:
    assert period.state == BillingPeriod.State.CLOSED, period.close_error
    charges = list(Charge.objects.standing().filter(period=period).select_related("unit"))
    return {
        "start": period.start,
        "end": period.end,
        "units": {row.unit.slug: _unit(row) for row in period.usage.select_related("unit")},
        "lines": sorted(
            (row.kind, row.unit.slug if row.unit else "", plain(row.quantity), plain(row.amount))
            for row in charges
        ),
        "total": plain(
            sum((row.amount for row in charges if row.collected_by == "platform"), Decimal(0))
        ),
    }


def _unit(row: PeriodUsage) -> dict[str, Any]:
    uses: list[GrantUse] = list(row.grants.select_related("grant"))
    return {
        "used": plain(row.used),
        "included": plain(row.included),
        "top_up": plain(row.top_up),
        "overage": plain(row.overage),
        "expired_unused": plain(row.expired_unused),
        "rolled_over": plain(row.rolled_over),
        "grants": _grants(
            (use.grant.kind, use.consumed, use.expired, use.rolled_over, use.remaining)
            for use in uses
        ),
    }


def _grants(rows: Any) -> list[tuple[str, ...]]:
    """What became of grants, by kind. The books give the allowance of a last partial period in
    two parts, so allowances are added up; a grant of nothing is no grant."""
    allowance = [Decimal(0)] * 4
    fates = []
    for kind, *numbers in rows:
        if kind == "allowance":
            allowance = [a + b for a, b in zip(allowance, numbers, strict=True)]
        elif any(numbers):
            fates.append((kind, *map(plain, numbers)))
    return sorted([*fates, ("allowance", *map(plain, allowance))])
