"""Many at once at the last of a cap, at each level: a cap is a cap."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db.models import F

from billing.models import Cap, Reservation, TopUpPurchase
from billing.refusals import NotAdmittedError
from billing.services import cap_holding
from billing.services.caps import set_cap
from billing.services.purchases import buy_on_account
from billing.services.reservations import commit_reservation, release_reservation, reserve
from clients.models import CapBalance, CostPayer, Workspace
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.plan_samples import NEW_YORK_2026, allowance, band, bill, starter
from tests.billing.story import subscribe

from .at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

JANUARY = NEW_YORK_2026[1]
NOW = JANUARY + dt.timedelta(hours=1)
CALLERS = 64
LEFT = 10
CENT = Decimal("0.01")
LEVELS = ["workspace", "client", "agency"]


@pytest.fixture
def workspaces(acme_support, acme_docs, birch_leads, conversation) -> list[Workspace]:
    """Three workspaces of two clients: everything beyond nothing costs a cent."""
    overage = bill({"model": "per_unit", "unit_amount": "0.01"})
    plan = starter(
        allowances=[allowance(included="0", overage=overage)],
        top_ups=[band("Ten", quantity="10", price="0.01")],
    )
    for workspace in (acme_support, acme_docs, birch_leads):
        workspace.cost_payer = CostPayer.AGENCY
        workspace.save()
        subscribe(workspace, plan, JANUARY)
    return [acme_support, acme_docs, birch_leads]


@pytest.fixture(params=LEVELS)
def within(request, workspaces) -> list[Workspace]:
    """The workspaces that count in a cap of a level."""
    return workspaces[: LEVELS.index(request.param) + 1]


def cap(workspaces: list[Workspace], kind: str, limit: Decimal | int, unit=None) -> Cap:
    first = workspaces[0]
    where: list[dict[str, Any]] = [
        {"workspace": first},
        {"client": first.client},
        {"currency": "USD"},
    ]
    scope = where[len(workspaces) - 1]
    if kind == "units":
        scope = {key: value for key, value in scope.items() if key != "currency"}
    return set_cap(
        agency=first.agency,
        kind=kind,
        unit=unit,
        limit=Decimal(limit),
        now=NOW,
        set_by=None,
        **scope,
    )


def use(workspace: Workspace, unit, number: int, *, cost: Decimal | None = None) -> object:
    """Hold one unit and use it; None where a cap does not allow it."""
    try:
        held = reserve(workspace=workspace, unit=unit, quantity=Decimal(1), cost=cost, now=NOW)
    except NotAdmittedError:
        return None
    event = SubmittedEvent(id=f"call {number}", unit=unit.slug, cost=cost, cost_currency="USD")
    return commit_reservation(reservation=held, event=event, now=NOW).reservation


def granted(results: list[object]) -> int:
    for result in results:
        assert result is None or isinstance(result, Reservation | TopUpPurchase), result
    return sum(result is not None for result in results)


def top_balance(kind: str) -> CapBalance:
    return CapBalance.objects.filter(kind=kind).order_by("-level")[0]


def test_64_at_the_last_ten_units_use_ten(within, conversation):
    cap(within, "units", LEFT, conversation)

    results = at_once(CALLERS, lambda n: use(within[n % len(within)], conversation, n))

    assert granted(results) == LEFT
    row = top_balance("units")
    assert (row.used, row.held) == (LEFT, 0)


def test_64_at_the_last_ten_cents_of_cost_use_ten(within, conversation):
    cap(within, "cost", LEFT * CENT)

    results = at_once(CALLERS, lambda n: use(within[n % len(within)], conversation, n, cost=CENT))

    assert granted(results) == LEFT
    row = top_balance("cost")
    assert (row.used, row.held) == (LEFT * CENT, 0)


def test_64_at_the_last_ten_cents_of_spend_use_ten(within, conversation):
    cap(within, "spend", LEFT * CENT)

    results = at_once(CALLERS, lambda n: use(within[n % len(within)], conversation, n))

    assert granted(results) == LEFT
    row = top_balance("spend")
    assert (row.used, row.held) == (LEFT * CENT, 0)


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["units", "cost"])
def test_without_the_guard_all_who_have_looked_get_in(monkeypatch, within, conversation, kind):
    """A SELECT beforehand is no guard: everybody sees the same room before anybody takes it."""
    looked = Barrier(CALLERS)
    amount = Decimal(1) if kind == "units" else CENT
    cap(within, kind, LEFT * amount, conversation if kind == "units" else None)

    def unguarded(row, amount, limit, *, needs_rest):
        row.refresh_from_db()
        fits = limit is None or row.used + row.held + amount <= limit.limit
        if limit is not None:
            looked.wait(30)
        if fits:
            held = f"{row.kind}_held"
            CapBalance.objects.filter(pk=row.pk).update(**{held: F(held) + amount})
        return fits

    monkeypatch.setattr(cap_holding, "_take", unguarded)
    # Windows take one caller at a time of each workspace: nobody waits there in this test.
    monkeypatch.setattr("billing.services.reservations._take", lambda *_: True)
    taken = []

    def work(number: int) -> object:
        held = reserve(
            workspace=within[number % len(within)],
            unit=conversation,
            quantity=Decimal(1),
            cost=CENT,
            now=NOW,
        )
        taken.append(held)
        return held

    results = at_once(CALLERS, work)

    assert granted(results) == CALLERS
    assert top_balance(kind).held == CALLERS * amount


def test_purchases_and_calls_together_never_spend_more_than_the_cap(within, conversation):
    cap(within, "spend", LEFT * CENT)
    offered = within[0].periods.order_by("start")[0].plan_version.top_ups.get()

    def work(number: int) -> object:
        workspace = within[number % len(within)]
        if number % 2:
            return use(workspace, conversation, number)
        try:
            return buy_on_account(workspace=workspace, band=offered, now=NOW, key=str(number))
        except NotAdmittedError:
            return None

    results = at_once(32, work)

    granted(results)
    row = top_balance("spend")
    assert row.used + row.held <= LEFT * CENT
    assert row.held == 0


def test_recorders_reservers_and_who_sets_caps_do_not_wait_for_each_other_for_ever(
    workspaces, conversation
):
    """Every kind of cap at every level, moved and read from all sides at once."""

    def work(number: int) -> object:
        workspace = workspaces[number % 3]
        if number < 6:
            return cap(
                workspaces[: 1 + number % 3],
                ["units", "cost"][number // 3],
                1000,
                conversation if number < 3 else None,
            )
        if number < 9:
            return cap(workspaces[: 1 + number % 3], "spend", 1000)
        if number % 3:
            event = SubmittedEvent(id=str(number), unit="conversation", cost=CENT)
            return record_events(workspace=workspace, events=[event], now=NOW)
        held = reserve(workspace=workspace, unit=conversation, quantity=Decimal(1), now=NOW)
        if number % 2:
            return release_reservation(reservation=held, now=NOW)
        event = SubmittedEvent(id=str(number), unit="conversation", cost=CENT)
        return commit_reservation(reservation=held, event=event, now=NOW)

    results = at_once(48, work)

    for result in results:
        assert not isinstance(result, Exception), result
    used = sum(window.used for space in workspaces for window in space.windows.all())
    everything = CapBalance.objects.get(kind="units", level=3)
    assert (everything.used, everything.held) == (used, 0)
    assert CapBalance.objects.get(kind="cost", level=3).used == used * CENT
    assert CapBalance.objects.get(kind="spend", level=3).used == used * CENT
