"""`manage.py reconcile` proves late usage and corrections, and names every row that somebody
changed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F

from billing.models import (
    Charge,
    CreditGrant,
    GrantUse,
    LateEntry,
    LateGrantUse,
    LateSettlement,
)
from billing.services.closing import close_due_periods
from billing.services.late_usage import settle_late_usage
from clients.models import (
    ModelPrice,
    UniqueSubject,
    UsageCorrection,
    UsageEvent,
    UsagePricing,
    Workspace,
)
from clients.services.corrections import correct_event
from clients.services.price_again import price_again
from clients.services.recording import record_events
from payouts.models import Earning
from payouts.services.earnings import post_due_earnings

from . import story
from .test_reconcile import Row, reconcile, remove, tamper

D = Decimal


def correct(workspace: Workspace, event_id: str, quantity: int | str, now: Any) -> None:
    correct_event(
        workspace=workspace,
        event_id=event_id,
        quantity=D(quantity),
        reason="Checked by hand",
        key=f"{event_id}:{quantity}",
        now=now,
    )


def report(workspace: Workspace, *events: Any, now: Any) -> None:
    record_events(workspace=workspace, events=list(events), now=now)


def tell() -> None:
    """After two closed months: what comes late for them, what is corrected, and March's end."""
    workspace = story.tell()
    now = story.utc(4, 1, 12)  # in March's grace
    # March is open: a count, and a lead whose next event takes over.
    correct(workspace, "03-c0-conversation", 3, now)
    first = UniqueSubject.objects.filter(subject="a").order_by("-occurred_at")[0].event
    correct(workspace, first.external_id, 0, now)
    # February is closed: beyond what was left, then a reduction that frees what was drawn.
    report(
        workspace,
        story.call("late", "conversation", story.utc(2, 20), quantity=D(4)),
        story.call("early", "conversation", story.utc(2, 2), quantity=D(40)),
        story.call("b/9", "lead", story.utc(2, 1)),
        story.call("d/1", "lead", story.utc(2, 3)),
        story.call("x", "memo", story.utc(2, 3)),
        story.call("y", "memo", story.utc(1, 2)),
        *(
            story.call("unpriced", unit, story.utc(month, 6), model="new-model", provider=None)
            for month in (2, 3)
            for unit in ("page", "memo")
        ),
        now=now,
    )
    settle_late_usage(now=now)
    later = story.utc(4, 1, 18)
    correct(workspace, "02-late-conversation", 1, later)
    correct(workspace, "02-early-conversation", 0, later)
    for number in range(8):
        correct(workspace, f"02-c{number}-conversation", 0, later)
    correct(workspace, "02-b/9-lead", 0, later)
    settle_late_usage(now=later)
    # A model that had no price gets one: for March at its time, for February late.
    ModelPrice.objects.create(
        cost_payer="platform",
        model="new-model",
        input_price=D(20),
        output_price=D(20),
        effective_from=story.utc(1, 1),
    )
    price_again(workspaces=[workspace], now=later)
    settle_late_usage(now=later)
    post_due_earnings(now=later)
    close_due_periods(now=story.utc(4, 3))
    story.invoice_and_render(story.utc(4, 3))
    post_due_earnings(now=story.utc(4, 3))
    # And something nobody has looked at yet.
    report(workspace, story.call("last", "page", story.utc(3, 5)), now=story.utc(4, 4))


@pytest.fixture(scope="module")
def told(django_db_setup, django_db_blocker) -> Iterator[None]:
    with django_db_blocker.unblock(), transaction.atomic():
        tell()
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def books(told, db) -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_honest_books_are_proved():
    code, said = reconcile()

    assert code == 0, said
    late = next(line for line in said.splitlines() if line.startswith("Late usage"))
    assert late.split()[-3:] == ["8", "1", "proved"]  # one waits to be settled
    assert "Corrections" in said


def test_the_story_has_what_is_to_be_proved():
    assert LateSettlement.objects.filter(overage__gt=0, overage_amount__gt=0).exists()
    assert LateSettlement.objects.filter(quantity__lt=0).exists()
    assert LateSettlement.objects.filter(unit__slug="memo", platform_cost__gt=0).exists()
    assert LateGrantUse.objects.filter(source="credit", quantity__gt=0).exists()
    assert LateGrantUse.objects.exclude(returned_as=None).exists()
    assert LateEntry.objects.filter(settlement=None).exists()
    assert Charge.objects.filter(kind="late_usage").exists()
    assert Earning.objects.exclude(late_settlement=None).exists()
    assert UsageCorrection.objects.filter(standing="counted").count() == 2
    standings = UsagePricing.objects.values_list("standing", flat=True)
    assert sorted(standings) == ["counted", "late", "late", "unbilled"]
    # 124,000 tokens at 20 dollars a million: 2.48, and 25 % on it for the client.
    priced = LateSettlement.objects.get(entries__pricing__isnull=False, unit__slug="page")
    assert (priced.quantity, priced.overage_amount) == (0, D("3.10"))
    assert Earning.objects.get(late_settlement=priced).amount == D("-2.48")


def settlement(**which: Any) -> LateSettlement:
    return LateSettlement.objects.filter(**which).order_by("pk")[0]


def pricing(standing: str) -> UsagePricing:
    return UsagePricing.objects.filter(standing=standing).order_by("pk")[0]


CHANGES: list[tuple[str, Row, dict[str, Any]]] = [
    (
        "quantity",
        lambda: settlement(overage__gt=0),
        {"quantity": F("quantity") + D(1), "overage": F("overage") + D(1)},
    ),
    ("found cost", lambda: pricing("counted"), {"cost": D(1)}),
    ("found in the client's currency", lambda: pricing("late"), {"client_cost": D(1)}),
    ("found by a price", lambda: pricing("unbilled"), {"price_source": "model price 0"}),
    ("found at a rate", lambda: pricing("counted"), {"exchange_rate": D("1.5")}),
    ("found before the close", lambda: pricing("late"), {"standing": "counted"}),
    ("amount", lambda: settlement(overage_amount__gt=0), {"overage_amount": D("0.01")}),
    ("minimum", lambda: settlement(), {"minimum_amount": D("0.01")}),
    ("cost", lambda: settlement(platform_cost__gt=0), {"platform_cost": D(0)}),
    ("buckets", lambda: settlement(overage__gt=0), {"buckets": {}}),
    ("charge", lambda: settlement(charge__isnull=False), {"charge": None}),
    (
        "freed",
        lambda: LateGrantUse.objects.exclude(returned_as=None)[0],
        {"returned_as": None},
    ),
    (
        "given back",
        lambda: CreditGrant.objects.filter(key__startswith="late:")[0],
        {"quantity": D(40)},
    ),
    ("late line", lambda: Charge.objects.get(kind="late_usage", amount__gt=0), {"amount": D(1)}),
    (
        "late cost",
        lambda: Earning.objects.exclude(late_settlement=None)[0],
        {"amount": D("-0.01")},
    ),
    (
        "correction",
        lambda: UsageCorrection.objects.get(event__external_id="02-late-conversation"),
        {"previous": D(9)},
    ),
]


@pytest.mark.parametrize(
    ("row", "values"), [change[1:] for change in CHANGES], ids=[change[0] for change in CHANGES]
)
def test_a_changed_row_is_named(row: Row, values: dict[str, Any]):
    changed = row()
    tamper(changed, **values)

    code, said = reconcile()

    assert code == 1
    assert f"{changed._meta.label} {changed.pk} (" in said


def test_a_corrected_quantity_that_is_changed_shows_in_what_rests_on_it():
    for event_id, named in (
        ("03-c0-conversation", "clients.UsageQuarter"),
        ("02-late-conversation", "billing.LateSettlement"),
    ):
        row = UsageCorrection.objects.get(event__external_id=event_id)
        with transaction.atomic():
            tamper(row, quantity=row.quantity + 5)
            code, said = reconcile()
            transaction.set_rollback(True)

        assert code == 1
        assert named in said


def test_a_changed_draw_shows_in_its_settlement_and_its_grants_account():
    drawn = LateGrantUse.objects.get(source="credit", quantity__gt=0)
    tamper(drawn, quantity=D("0.5"))

    code, said = reconcile()

    assert code == 1
    assert f"billing.LateSettlement {drawn.settlement_id} (" in said
    assert f"billing.CreditGrant {drawn.grant_id} (" in said


def test_a_removed_row_is_missed():
    for row, named in (
        (LateGrantUse.objects.get(source="credit", quantity__gt=0), "billing.LateSettlement"),
        (Charge.objects.filter(kind="late_usage", line=None).first(), ""),
        (LateEntry.objects.exclude(settlement=None).order_by("pk")[0], "billing.LateSettlement"),
    ):
        if row is None:
            continue
        with transaction.atomic():
            remove(row)
            code, said = reconcile()
            transaction.set_rollback(True)

        assert code == 1
        assert named in said


def test_the_cost_of_late_usage_is_posted_once():
    before = Earning.objects.count()

    post_due_earnings(now=story.utc(4, 3))

    assert Earning.objects.count() == before
    late = UsageEvent.objects.filter(late_entries__settlement__isnull=False, standing="late")
    late = late.distinct()
    costs = {row.unit_id: D(0) for row in LateSettlement.objects.all()}
    for event in late.select_related("pricing"):
        later = getattr(event, "pricing", None)
        costs[event.unit_id] += later.client_cost if later else event.client_cost or D(0)
    for unit_id, cost in costs.items():
        posted = Earning.objects.filter(unit=unit_id).exclude(late_settlement=None)
        assert abs(sum((row.amount for row in posted), D(0)) + cost) <= D("0.01")


def test_what_is_drawn_is_in_the_account_of_its_grant():
    drawn = LateGrantUse.objects.get(source="credit", quantity__gt=0)
    uses = GrantUse.objects.filter(grant=drawn.grant).order_by("pk")
    gone = sum((use.consumed + use.expired + use.rolled_over for use in uses), D(0))

    assert drawn.grant.quantity == gone + drawn.quantity + uses.last().remaining
