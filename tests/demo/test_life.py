"""The sample data: what a newcomer is to find in it. Runs are told twenty at a time, for speed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import ExtractIsoWeekDay
from django.test import override_settings

from agencyportal.demo.cast import AGENCIES
from agencyportal.demo.replay import story_of
from agencyportal.demo.seeding import Stage
from agencyportal.demo.telling import tell
from agencyportal.demo.trace import read_trace
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    Invoice,
    PeriodUsage,
    TopUpRequest,
)
from clients.models import UsageDay, UsageEvent, UsageWindow
from payouts.models import Payout
from tests.demo.rows import rows

NOW = dt.datetime(2026, 11, 22, 17, 30, tzinfo=dt.UTC)
FAST: dict[str, Any] = {"units_per_event": 20, "days_per_batch": 31}
TRACE = read_trace(
    b"TIMESTAMP,ContextTokens,GeneratedTokens\n"
    b"2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.9799600,3180,8"
)


@pytest.fixture(scope="module", autouse=True)
def stage(django_db_setup: None, django_db_blocker: Any) -> Iterator[Stage]:
    """Told once for this module, in a transaction that is rolled back after it."""
    quickly = override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
    with django_db_blocker.unblock(), transaction.atomic(), quickly:
        yield tell(now=NOW, trace=TRACE, **FAST)
        transaction.set_rollback(True)


def closed(slug: str) -> list[PeriodUsage]:
    usage = PeriodUsage.objects.filter(period__workspace__slug=slug)
    return list(usage.order_by("period__start"))


def window_now(slug: str) -> UsageWindow:
    return UsageWindow.objects.get(workspace__slug=slug, start__lte=NOW, end__gt=NOW)


def included_now(slug: str) -> Decimal:
    grants = CreditGrant.objects.filter(
        workspace__slug=slug, effective_at__lte=NOW, expires_at__gt=NOW
    )
    return grants.aggregate(total=Sum("quantity"))["total"] or Decimal(0)


def test_every_workspace_has_three_closed_months_but_the_one_that_came_later(stage: Stage) -> None:
    counts = {slug: len(closed(slug)) for slug in stage.workspaces}

    assert counts.pop("elm-south") == 2
    assert set(counts.values()) == {3}
    assert {"acme-support", "acme-docs", "birch-leads", "cedar-support"} <= set(counts)


def test_one_client_is_comfortably_inside_its_allowance() -> None:
    assert all(month.used < 1000 * Decimal("0.6") for month in closed("fern-support"))
    assert not Charge.objects.filter(client__slug="fern", kind="overage").exists()


def test_one_client_tops_up_and_is_near_its_limit_now() -> None:
    months = closed("acme-support")
    share = window_now("acme-support").used / included_now("acme-support")

    assert [month.top_up for month in months] == [0, 184, 392]
    assert [month.overage for month in months] == [0, 0, 0]
    assert Decimal("0.85") <= share <= Decimal("0.95")


def test_one_client_is_in_overage() -> None:
    last = closed("birch-leads")[-1]

    assert (last.used, last.overage, last.overage_amount) == (188, 38, Decimal(220))


def test_one_client_exceeds_its_allowance_every_month_and_should_move_up() -> None:
    """Of 671 conversations 271 are overage: 260.00 + 121.95, where the larger package is 330.00."""
    months = closed("maple-frontdesk")

    assert [month.overage for month in months] == [166, 222, 271]
    assert 260 + months[-1].overage_amount > 330


def test_one_workflow_costs_more_than_its_units_bring() -> None:
    """A page brings 210.00 / 1,500 = 0.14 at best, and as much beyond the allowance."""
    review = UsageDay.objects.filter(
        workspace__slug="juniper-contracts", label="contract-review"
    ).aggregate(cost=Sum("platform_cost"), pages=Sum("quantity"))

    assert review["cost"] > review["pages"] * Decimal("0.14")
    assert all(month.platform_cost > 210 for month in closed("juniper-contracts"))


def test_cedar_is_blocked_at_its_limit_and_has_something_left() -> None:
    assert {month.policy for month in closed("cedar-support")} == {"block"}
    assert 0 < window_now("cedar-support").used < included_now("cedar-support") - 300


def test_weekdays_are_busier_than_weekends() -> None:
    days = UsageDay.objects.filter(workspace__slug="acme-support")
    by_weekday = dict(
        days.annotate(weekday=ExtractIsoWeekDay("day"))
        .values_list("weekday")
        .annotate(total=Sum("quantity"))
        .order_by()
    )

    assert min(by_weekday[day] for day in range(1, 6)) > 3 * max(by_weekday[6], by_weekday[7])


def test_there_are_retries_errors_and_many_models_and_every_cost_is_known() -> None:
    events = UsageEvent.objects.filter(workspace__slug="acme-support")

    assert events.filter(status="error").exists()
    assert events.filter(attempts__gt=1).exists()
    assert events.values("model").distinct().count() >= 3
    assert not UsageEvent.objects.exclude(cost_flag="").exists()
    assert set(UsageEvent.objects.values_list("standing", flat=True)) == {"counted"}


def test_numbers_of_invoices_and_payouts_ascend_with_their_dates() -> None:
    issued = [i.issued_at or NOW for i in Invoice.objects.issued().order_by("sequence")]
    built = list(Payout.objects.order_by("sequence").values_list("built_at", flat=True))

    assert len(issued) == 34
    assert issued == sorted(issued)
    assert built == sorted(built)


def test_invoices_are_mostly_paid_one_is_overdue_and_one_is_half_paid() -> None:
    states = list(Invoice.objects.values_list("state", flat=True))
    overdue = Invoice.objects.outstanding().filter(due_date__lt=NOW.date())
    half = Invoice.objects.get(state="partially_paid")

    assert states.count("paid") == 31
    assert [invoice.client.slug for invoice in overdue] == ["maple"]
    assert (half.client.slug, half.amount_paid * 2) == ("birch", half.total)


def test_german_clients_pay_value_added_tax() -> None:
    """390.00 for the package, and 19 %."""
    invoices = Invoice.objects.filter(client__slug="cedar")

    assert {(i.net, i.tax, i.total) for i in invoices} == {
        (Decimal("390"), Decimal("74.10"), Decimal("464.10"))
    }


def test_finished_months_are_made_up_for_both_agencies_and_the_trace_is_among_them() -> None:
    payouts = Payout.objects.order_by("month").values_list("agency__slug", "month__month")
    drift = Payout.objects.get(
        items__earning__client__slug__startswith="drift",
        month__month=10,
        items__earning__kind="routed_cost",
    )

    assert sorted(payouts) == [(a, m) for a in ("harbor", "northwind") for m in (8, 9, 10)]
    assert drift.agency.slug == "northwind"


def test_a_request_for_a_top_up_waits() -> None:
    request = TopUpRequest.objects.pending().get()

    assert request.workspace.slug == "acme-support"
    assert request.requested_by.email == "viewer@acme.example"


def test_the_month_in_progress_is_open_for_what_comes() -> None:
    opened = BillingPeriod.objects.open().filter(start__lte=NOW, end__gt=NOW)

    assert opened.count() == sum(len(c.workspaces) for a in AGENCIES for c in a.clients)
    assert not BillingPeriod.objects.due(NOW).exists()


def test_all_of_it_is_proved() -> None:
    out = StringIO()

    call_command("reconcile", stdout=out)

    assert "differ" not in out.getvalue()


def test_told_again_days_later_it_is_the_same_story() -> None:
    before = rows()

    tell(now=NOW + dt.timedelta(days=3), trace=TRACE, **FAST)

    assert rows() == before


def test_a_trace_that_comes_later_is_invoiced_after_the_others_and_waits_for_a_payout() -> None:
    late = read_trace(
        b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10"
    )
    out = StringIO()
    with transaction.atomic():
        tell(now=NOW, trace=late, **FAST)
        story = story_of(late)
        issued = [i.issued_at or NOW for i in Invoice.objects.issued().order_by("sequence")]
        call_command("reconcile", stdout=out)
        transaction.set_rollback(True)

    assert [invoice.total for invoice in story.invoices] == [Decimal(1499)]
    assert issued == sorted(issued)
    assert story.payout is None
