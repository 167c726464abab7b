"""Caps: how far usage, its cost and what it is charged may go, at three levels."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from billing.models import Cap, Reservation
from billing.refusals import NotAdmittedError, RefusedError
from billing.services.caps import set_cap
from billing.services.grants import adjust
from billing.services.purchases import buy_on_account
from billing.services.reservations import (
    commit_reservation,
    expire_reservations,
    release_reservation,
    reserve,
)
from clients.models import CapBalance, CostPayer, UsageUnit, Workspace
from clients.services.recording import SubmittedEvent, record_events

from .plan_samples import NEW_YORK_2026, allowance, bill, starter
from .story import subscribe

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
NOW = JANUARY + dt.timedelta(hours=1)
TEN_CENTS = bill({"model": "per_unit", "unit_amount": "0.1"})


@pytest.fixture(autouse=True)
def packages(acme_support, acme_docs, birch_leads, conversation) -> None:
    """100 conversations a month for each workspace, 0.10 for each beyond."""
    plan = starter(allowances=[allowance(included="100", overage=TEN_CENTS)])
    for workspace in (acme_support, acme_docs, birch_leads):
        workspace.cost_payer = CostPayer.AGENCY
        workspace.save()
        subscribe(workspace, plan, JANUARY)


def record(workspace: Workspace, quantity: str | int, at: dt.datetime = NOW, **more: Any) -> None:
    number = workspace.events.count()
    event = SubmittedEvent(
        id=f"event {number}", unit="conversation", quantity=Decimal(quantity), time=at, **more
    )
    record_events(workspace=workspace, events=[event], now=at)


def hold(workspace: Workspace, unit: UsageUnit, quantity: str | int, **more: Any) -> Reservation:
    return reserve(workspace=workspace, unit=unit, quantity=Decimal(quantity), now=NOW, **more)


def cap(workspace: Workspace, kind: str, limit: str | None, level: str, **more: Any) -> Cap:
    """A cap of the agency's on a workspace, its client, or everything."""
    where: dict[str, Any] = {}
    if level == "workspace":
        where = {"workspace": workspace}
    elif level == "client":
        where = {"client": workspace.client}
    elif kind != "units":
        where = {"currency": "USD"}
    return set_cap(
        agency=workspace.agency,
        kind=kind,
        limit=None if limit is None else Decimal(limit),
        **({"now": NOW, "set_by": None} | where | more),
    )


def balance(kind: str, level: int) -> tuple[str, str]:
    row = CapBalance.objects.get(kind=kind, level=level)
    return f"{row.used.normalize():f}", f"{row.held.normalize():f}"


LEVELS = {"workspace": 1, "client": 2, "agency": 3}
SIBLINGS = {"workspace": "acme_support", "client": "acme_docs", "agency": "birch_leads"}
"""Another workspace whose usage counts in the same cap; at the lowest level it is the same."""


@pytest.fixture(params=LEVELS)
def level(request) -> str:
    return request.param


@pytest.fixture
def sibling(request, level) -> Workspace:
    return request.getfixturevalue(SIBLINGS[level])


# --- Units -------------------------------------------------------------------------------------


def test_a_unit_cap_counts_everything_below_it_credits_included(
    acme_support, sibling, conversation, level
):
    record(sibling, 40)
    cap(acme_support, "units", "50", level, unit=conversation)
    hold(sibling, conversation, 5)

    with pytest.raises(NotAdmittedError) as refused:
        hold(acme_support, conversation, 6)

    assert hold(acme_support, conversation, 5).state == "open"
    assert refused.value.cap["scope"] == level
    assert refused.value.cap["kind"] == "units"
    assert balance("units", LEVELS[level]) == ("40", "10")


def test_plain_events_are_recorded_past_a_cap_and_use_it_up(acme_support, conversation, level):
    cap(acme_support, "units", "50", level, unit=conversation)

    record(acme_support, 60)

    assert balance("units", LEVELS[level]) == ("60", "0")
    with pytest.raises(NotAdmittedError):
        hold(acme_support, conversation, 1)


def test_settling_moves_what_is_held_to_what_is_used(acme_support, conversation):
    cap(acme_support, "units", "50", "client", unit=conversation)
    committed, released, expired = (hold(acme_support, conversation, 10) for _ in range(3))

    event = SubmittedEvent(id="e", unit="conversation", quantity=Decimal(4))
    commit_reservation(reservation=committed, event=event, now=NOW)
    assert balance("units", 2) == ("4", "20")
    release_reservation(reservation=released, now=NOW)
    assert balance("units", 2) == ("4", "10")
    expire_reservations(now=expired.expires_at)
    assert balance("units", 2) == ("4", "0")


def test_what_ran_out_elsewhere_is_freed_for_who_would_be_refused(
    acme_support, acme_docs, conversation
):
    cap(acme_support, "units", "10", "client", unit=conversation)
    reserve(
        workspace=acme_docs,
        unit=conversation,
        quantity=Decimal(10),
        now=NOW - dt.timedelta(minutes=10),
    )

    assert hold(acme_support, conversation, 10).state == "open"


def test_a_cap_begins_anew_with_the_next_period(acme_support, acme_docs, conversation):
    cap(acme_support, "units", "50", "client", unit=conversation)
    record(acme_support, 50)
    later = FEBRUARY + dt.timedelta(hours=1)

    held = reserve(workspace=acme_docs, unit=conversation, quantity=Decimal(50), now=later)

    assert held.state == "open"
    with pytest.raises(NotAdmittedError):
        reserve(workspace=acme_support, unit=conversation, quantity=Decimal(1), now=later)


def test_what_was_held_before_a_cap_was_set_counts(acme_support, conversation, level):
    hold(acme_support, conversation, 8)
    record(acme_support, 1)

    cap(acme_support, "units", "10", level, unit=conversation)

    assert balance("units", LEVELS[level]) == ("1", "8")
    with pytest.raises(NotAdmittedError):
        hold(acme_support, conversation, 2)
    hold(acme_support, conversation, 1)


def test_a_cap_of_a_date_to_come_holds_from_then_on(acme_support, conversation):
    tomorrow = NOW + dt.timedelta(days=1)
    cap(acme_support, "units", "5", "client", unit=conversation, effective_from=tomorrow)

    record(acme_support, 6)
    hold(acme_support, conversation, 1)

    with pytest.raises(NotAdmittedError):
        reserve(workspace=acme_support, unit=conversation, quantity=Decimal(1), now=tomorrow)


def test_a_lifted_cap_holds_nobody_up_and_goes_on_counting(acme_support, conversation):
    cap(acme_support, "units", "5", "client", unit=conversation)
    cap(acme_support, "units", None, "client", unit=conversation)

    hold(acme_support, conversation, 60)

    assert balance("units", 2) == ("0", "60")


# --- Cost --------------------------------------------------------------------------------------


def test_a_cost_cap_counts_what_calls_cost_whoever_pays(acme_support, sibling, conversation, level):
    record(sibling, 1, cost=Decimal("0.75"), cost_currency="USD")
    cap(acme_support, "cost", "1", level)

    with pytest.raises(NotAdmittedError) as refused:
        hold(acme_support, conversation, 1, cost=Decimal("0.250000001"))
    hold(acme_support, conversation, 1, cost=Decimal("0.25"))

    assert refused.value.cap["kind"] == "cost"
    assert balance("cost", LEVELS[level]) == ("0.75", "0.25")


def test_a_call_of_unknown_cost_is_let_in_while_something_is_left(acme_support, conversation):
    cap(acme_support, "cost", "1", "workspace")
    hold(acme_support, conversation, 1, cost=Decimal("0.99"))

    hold(acme_support, conversation, 1)
    hold(acme_support, conversation, 1, cost=Decimal("0.01"))

    with pytest.raises(NotAdmittedError):
        hold(acme_support, conversation, 1)
    hold(acme_support, conversation, 1, cost=Decimal(0))


def test_a_commit_settles_with_the_real_cost_and_reports_the_overshoot(acme_support, conversation):
    cap(acme_support, "cost", "1", "client")
    held = hold(acme_support, conversation, 1, cost=Decimal("0.4"))

    event = SubmittedEvent(id="e", unit="conversation", cost=Decimal("0.55"), cost_currency="USD")
    row = commit_reservation(reservation=held, event=event, now=NOW).reservation

    assert row.cost_overshoot == Decimal("0.15")
    assert balance("cost", 2) == ("0.55", "0")


def test_cost_is_held_in_the_clients_currency(acme_support, conversation):
    with pytest.raises(RefusedError, match="no exchange rate from EUR to USD"):
        hold(acme_support, conversation, 1, cost=Decimal(1), cost_currency="EUR")


# --- Spend -------------------------------------------------------------------------------------


def test_a_spend_cap_counts_overage_as_it_would_be_priced_and_top_ups(
    acme_support, sibling, conversation, level
):
    cap(acme_support, "spend", "70", level)
    record(sibling, 120)
    assert balance("spend", LEVELS[level]) == ("2", "0")

    offered = sibling.periods.order_by("start")[0].plan_version.top_ups.get()
    buy_on_account(workspace=sibling, band=offered, now=NOW, key="one")
    assert balance("spend", LEVELS[level]) == ("60", "0")  # the band covers this quarter hour

    with pytest.raises(NotAdmittedError) as refused:
        buy_on_account(workspace=acme_support, band=offered, now=NOW, key="two")
    assert refused.value.cap["kind"] == "spend"
    assert not acme_support.purchases.filter(key="two").exists()


def test_units_within_credit_spend_nothing_and_the_next_ones_their_price(
    acme_support, conversation, level
):
    cap(acme_support, "spend", "1", level)
    record(acme_support, 95)

    within = hold(acme_support, conversation, 5)
    beyond = hold(acme_support, conversation, 10)
    with pytest.raises(NotAdmittedError) as refused:
        hold(acme_support, conversation, 1)

    assert (within.spend, beyond.spend) == (0, 1)
    assert balance("spend", LEVELS[level]) == ("0", "1")
    assert refused.value.cap["kind"] == "spend"
    release_reservation(reservation=beyond, now=NOW)
    assert balance("spend", LEVELS[level]) == ("0", "0")


def test_held_overage_becomes_spent(acme_support, conversation):
    cap(acme_support, "spend", "1", "client")
    record(acme_support, 100)
    held = hold(acme_support, conversation, 8)

    event = SubmittedEvent(id="e", unit="conversation", quantity=Decimal(6))
    commit_reservation(reservation=held, event=event, now=NOW)

    assert balance("spend", 2) == ("0.6", "0")
    own = CapBalance.objects.get(kind="spend", workspace=acme_support)
    assert (own.used, own.held) == (Decimal("0.6"), 0)


def test_what_was_spent_before_a_cap_was_set_counts(acme_support, acme_docs, conversation):
    record(acme_support, 105)
    record(acme_docs, 103)

    cap(acme_support, "spend", "1", "client")

    assert balance("spend", 2) == ("0.8", "0")
    hold(acme_support, conversation, 2)
    with pytest.raises(NotAdmittedError):
        hold(acme_docs, conversation, 1)


def test_backdated_credit_takes_spend_off(acme_support, conversation):
    cap(acme_support, "spend", "1", "client")
    record(acme_support, 110)
    assert balance("spend", 2) == ("1", "0")

    adjust(
        workspace=acme_support,
        unit=conversation,
        quantity=Decimal(4),
        reason="Sorry",
        created_by=None,
        now=NOW,
        key="sorry",
        effective_at=JANUARY,
    )

    assert balance("spend", 2) == ("0.6", "0")


def test_without_a_price_there_is_nothing_to_spend(acme_support, acme_docs, conversation):
    cap(acme_support, "spend", "0", "client")

    hold(acme_support, conversation, 100)

    with pytest.raises(NotAdmittedError):
        hold(acme_support, conversation, 1)


# --- Setting -----------------------------------------------------------------------------------


def test_a_client_sets_its_own_below_the_agencys_and_both_hold(
    acme_support, acme, conversation, client_admin
):
    def own(limit: str | None) -> Cap:
        return set_cap(
            agency=acme.agency,
            client=acme,
            kind="units",
            unit=conversation,
            limit=None if limit is None else Decimal(limit),
            now=NOW,
            set_by=client_admin,
        )

    cap(acme_support, "units", "50", "client", unit=conversation)

    with pytest.raises(RefusedError, match="limits it to 50"):
        own("51")
    assert own("20").set_by == "client"
    with pytest.raises(NotAdmittedError, match="An admin of Acme can raise it"):
        hold(acme_support, conversation, 21)
    own("30")
    hold(acme_support, conversation, 21)
    own(None)
    with pytest.raises(NotAdmittedError, match="Northwind can raise it"):
        hold(acme_support, conversation, 30)


@pytest.mark.parametrize("who", ["client_viewer", "outsider"])
def test_who_has_no_say_sets_no_cap(request, acme, conversation, who):
    with pytest.raises(RefusedError, match="may not set this cap"):
        set_cap(
            agency=acme.agency,
            client=acme,
            kind="units",
            unit=conversation,
            limit=Decimal(1),
            now=NOW,
            set_by=request.getfixturevalue(who),
        )
    assert not Cap.objects.exists()


@pytest.mark.parametrize("wrong", [{"kind": "cost"}, {"kind": "spend", "client": None}])
def test_a_client_caps_neither_cost_nor_the_agency(acme, client_admin, wrong):
    where = {"client": acme, "currency": "USD"} | wrong
    with pytest.raises(RefusedError, match="may not set this cap"):
        set_cap(agency=acme.agency, limit=Decimal(1), now=NOW, set_by=client_admin, **where)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "units"}, "unit"),
        ({"kind": "tokens"}, "kind"),
        ({"kind": "spend"}, "currency"),
        ({"kind": "spend", "currency": "USD", "limit": Decimal(-1)}, "limit"),
        (
            {"kind": "spend", "currency": "USD", "effective_from": NOW - dt.timedelta(seconds=1)},
            "effective_from",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(northwind, wrong, field):
    with pytest.raises(RefusedError) as refused:
        set_cap(**({"agency": northwind, "limit": Decimal(1), "now": NOW, "set_by": None} | wrong))
    assert refused.value.field == field


def test_the_same_cap_again_is_the_one_that_is_there(acme_support, conversation):
    first = cap(acme_support, "units", "50", "client", unit=conversation)

    assert cap(acme_support, "units", "50", "client", unit=conversation) == first
    assert Cap.objects.count() == 1


def test_of_the_agencys_own_cap_no_figures_are_told(acme_support, conversation):
    cap(acme_support, "units", "50", "agency", unit=conversation)

    with pytest.raises(NotAdmittedError) as refused:
        hold(acme_support, conversation, 51)

    assert "50" not in str(refused.value)
    assert "limit" not in refused.value.cap
