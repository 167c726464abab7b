"""Closing a period burns its grants, freezes the result, charges it and settles its windows."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agencyportal.core.append_only import AppendOnlyError
from billing.models import BillingPeriod, CreditGrant, GrantUse, PeriodUsage
from billing.services import closing, settlements
from billing.services.closing import CannotCloseError, close_due_periods, close_period
from billing.services.grants import adjust
from billing.services.purchases import buy_on_account
from clients.models import Workspace

from .plan_samples import NEW_YORK_2026, allowance, band, bill, starter
from .story import close, lines_of, periods_of, subscribe, use, utc, whole

JANUARY, FEBRUARY, MARCH, APRIL = (NEW_YORK_2026[month] for month in range(1, 5))
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def usage_row(period: BillingPeriod) -> tuple[int, ...]:
    """used, included, top_up, overage, expired, rolled over"""
    row = PeriodUsage.objects.get(period=period)
    return whole(
        row.used, row.included, row.top_up, row.overage, row.expired_unused, row.rolled_over
    )


def test_overage_is_charged_and_the_result_is_frozen(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    use(acme_support, conversation, JANUARY + 9 * HOUR, 900, cost="18.2")
    use(acme_support, conversation, JANUARY + 20 * DAY, 300, cost="13", agency_cost="0.000000001")

    january = close(periods_of(acme_support)[0])

    assert (january.state, january.closed_at) == ("closed", january.due_at)
    assert usage_row(january) == (1200, 1000, 0, 200, 0, 0)
    row = january.usage.get()
    assert (row.policy, row.currency, row.overage_amount) == ("bill", "USD", Decimal(20))
    assert (row.platform_cost, row.agency_cost) == (Decimal("31.2"), Decimal("0.000000001"))
    overage = january.charges.get(kind="overage")
    assert (*whole(overage.amount, overage.quantity), overage.unit_amount) == (20, 200, "0.1")
    assert (overage.unit, overage.bill_at) == (conversation, FEBRUARY)
    assert overage.key == f"overage:{january.pk}:{conversation.pk}"
    assert overage.details == {
        "pricing": {"model": "per_unit", "unit_amount": "0.1"},
        "used": "1200",
        "overage": "200",
    }


def test_every_grant_is_accounted_for(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    use(acme_support, conversation, JANUARY + HOUR, 400)

    january = close(periods_of(acme_support)[0])

    use_row = GrantUse.objects.get(period_usage__period=january)
    assert use_row.grant == january.grants.get()
    assert whole(use_row.opening, use_row.consumed, use_row.expired) == (1000, 400, 600)
    assert whole(use_row.rolled_over, use_row.remaining) == (0, 0)


def test_what_is_frozen_cannot_be_changed(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    january = close(periods_of(acme_support)[0])

    with pytest.raises(AppendOnlyError):
        PeriodUsage.objects.filter(period=january).update(used=1)


def test_closing_settles_the_workspace_up_to_the_periods_end(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)

    close(periods_of(acme_support)[0])

    acme_support.refresh_from_db()
    assert acme_support.settled_until == FEBRUARY


def test_closing_twice_is_closing_once(acme_support, conversation, row_counts):
    subscribe(acme_support, starter(), JANUARY)
    use(acme_support, conversation, JANUARY, 1200)
    january = close(periods_of(acme_support)[0])
    before = row_counts()

    again = close_period(period_id=january.pk, now=APRIL)

    assert (again.closed_at, row_counts()) == (january.closed_at, before)


def test_a_period_stays_open_for_late_usage_until_its_grace_is_over(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    january = periods_of(acme_support)[0]

    with pytest.raises(CannotCloseError, match="open for late usage until 2026-02-02 05:00 UTC"):
        close_period(period_id=january.pk, now=FEBRUARY + DAY - HOUR)
    assert close_period(period_id=january.pk, now=FEBRUARY + DAY).closed_at == FEBRUARY + DAY


def test_periods_of_a_workspace_close_in_order(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    february = periods_of(acme_support)[1]

    with pytest.raises(CannotCloseError, match="close it first"):
        close_period(period_id=february.pk, now=APRIL)


def test_the_next_period_is_there_when_one_is_closed(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)

    close(periods_of(acme_support)[0])

    assert [period.start for period in periods_of(acme_support)] == [JANUARY, FEBRUARY, MARCH]


def test_a_top_up_burns_after_the_allowance_and_is_carried_on(acme_support, conversation):
    subscription = subscribe(acme_support, starter(top_ups=[band(expires="never")]), JANUARY)
    growth = subscription.plan_version.top_ups.get()
    use(acme_support, conversation, JANUARY + DAY, 1100)
    buy_on_account(workspace=acme_support, band=growth, key="a", now=JANUARY)

    january = close(periods_of(acme_support)[0])
    use(acme_support, conversation, FEBRUARY, 1450)
    february = close(periods_of(acme_support)[1])

    assert usage_row(january) == (1100, 1000, 100, 0, 0, 0)
    assert usage_row(february) == (1450, 1000, 400, 50, 0, 0)
    uses = GrantUse.objects.filter(grant__kind="top_up").order_by("pk")
    assert [whole(u.opening, u.consumed, u.remaining) for u in uses] == [
        (500, 100, 400),
        (400, 400, 0),
    ]
    assert lines_of(january)[-1] == ("top_up", "500", "60.00")
    assert lines_of(february) == [("base", "1", "499.00"), ("overage", "50", "5.00")]


def test_an_empty_grant_is_not_opened_again(acme_support, conversation):
    subscription = subscribe(acme_support, starter(top_ups=[band(expires="never")]), JANUARY)
    growth = subscription.plan_version.top_ups.get()
    buy_on_account(workspace=acme_support, band=growth, key="a", now=JANUARY)
    use(acme_support, conversation, JANUARY + DAY, 1500)
    for _ in range(3):
        close(BillingPeriod.objects.open().order_by("start")[0])

    assert GrantUse.objects.filter(grant__kind="top_up").count() == 1


def test_a_later_grant_does_not_absorb_earlier_overage(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    use(acme_support, conversation, JANUARY + DAY, 1200)
    growth = subscription.plan_version.top_ups.get()
    buy_on_account(workspace=acme_support, band=growth, key="a", now=JANUARY + 2 * DAY)

    january = close(periods_of(acme_support)[0])

    assert usage_row(january) == (1200, 1000, 0, 200, 500, 0)


def test_unused_allowance_rolls_over_into_the_next_period_and_no_further(
    acme_support, conversation
):
    """As ENGINE 3: what rolled over burns first, expires with its period, and may roll again
    within the maximum."""
    subscribe(acme_support, starter(allowances=[allowance(rollover_max="300")]), JANUARY)
    use(acme_support, conversation, JANUARY, 400)
    january, february, march = (
        close(BillingPeriod.objects.open().order_by("start")[0]) for _ in range(3)
    )

    assert usage_row(january) == (400, 400, 0, 0, 300, 300)
    assert usage_row(february) == (0, 0, 0, 0, 1000, 300)
    assert usage_row(march) == (0, 0, 0, 0, 1000, 300)
    rolled = CreditGrant.objects.filter(kind="rollover").order_by("pk")[0]
    assert (*whole(rolled.quantity), rolled.period, rolled.priority) == (300, february, 10)
    assert (rolled.effective_at, rolled.expires_at) == (FEBRUARY, MARCH)
    assert rolled.key == f"rollover:{january.pk}:{conversation.pk}"


def test_nothing_rolls_over_out_of_the_last_period(acme_support, conversation):
    plan = starter(allowances=[allowance(rollover_max="300")])
    subscribe(acme_support, plan, JANUARY, end=FEBRUARY)

    january = close(periods_of(acme_support)[0])

    assert usage_row(january) == (0, 0, 0, 0, 1000, 0)
    assert not CreditGrant.objects.filter(kind="rollover").exists()


def test_an_early_end_turns_no_included_usage_into_overage(acme_support, conversation):
    """10 of 31 days include 323; 700 were used, within the whole month's 1,000."""
    subscribe(acme_support, starter(), JANUARY, end=JANUARY + 10 * DAY)
    use(acme_support, conversation, JANUARY, 700)

    january = close(periods_of(acme_support)[0])

    assert usage_row(january) == (700, 700, 0, 0, 0, 0)
    grants = january.grants.order_by("pk")
    assert [(*whole(grant.quantity), grant.key.partition(":")[0]) for grant in grants] == [
        (323, "allowance"),
        (377, "allowance-end"),
    ]
    assert "overage" not in [kind for kind, _, _ in lines_of(january)]


def test_an_early_end_includes_the_whole_allowance_at_most(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY, end=JANUARY + 10 * DAY)
    use(acme_support, conversation, JANUARY, 1001)

    assert usage_row(close(periods_of(acme_support)[0])) == (1001, 1000, 0, 1, 0, 0)


@pytest.mark.parametrize("policy", ["block", "notify"])
def test_overage_under_other_policies_is_reported_and_not_charged(
    acme_support, conversation, policy
):
    plan = starter(allowances=[allowance(overage={"policy": policy})])
    subscribe(acme_support, plan, JANUARY)
    use(acme_support, conversation, JANUARY, 1200)

    january = close(periods_of(acme_support)[0])

    assert usage_row(january) == (1200, 1000, 0, 200, 0, 0)
    assert january.usage.get().overage_amount == 0
    assert [kind for kind, _, _ in lines_of(january)] == ["implementation", "base"]


def test_a_unit_that_is_only_on_sale_is_reported(acme_support, conversation, page):
    subscription = subscribe(acme_support, starter(top_ups=[band("Pages", unit="page")]), JANUARY)
    pages = subscription.plan_version.top_ups.get()
    buy_on_account(workspace=acme_support, band=pages, key="a", now=JANUARY)
    use(acme_support, page, JANUARY, 600)

    january = close(periods_of(acme_support)[0])

    row = january.usage.get(unit=page)
    assert row.policy == "notify"
    assert whole(row.top_up, row.overage, row.overage_amount) == (500, 100, 0)


@pytest.mark.parametrize("cap", ["15", "15.009"])
def test_a_capped_price_names_no_price_of_one(acme_support, conversation, cap):
    overage = bill({"model": "per_unit", "unit_amount": "0.1"}, cap_amount=cap)
    subscribe(acme_support, starter(allowances=[allowance(overage=overage)]), JANUARY)
    use(acme_support, conversation, JANUARY, 1200)

    charge = close(periods_of(acme_support)[0]).charges.get(kind="overage")

    assert (charge.amount, charge.unit_amount) == (Decimal(15), "")
    assert charge.details["cap_amount"] == cap


def test_the_minimum_is_compared_with_overage_and_top_ups(acme_support, conversation):
    subscription = subscribe(acme_support, starter(minimum_commitment="100"), JANUARY)
    growth = subscription.plan_version.top_ups.get()
    use(acme_support, conversation, JANUARY, 1200)
    buy_on_account(workspace=acme_support, band=growth, key="a", now=JANUARY + DAY)

    january = close(periods_of(acme_support)[0])

    minimum = january.charges.get(kind="minimum")
    assert minimum.amount == Decimal(20)
    assert (minimum.key, minimum.bill_at) == (f"minimum:{january.pk}", FEBRUARY)
    assert minimum.details == {"minimum": "100", "due": "100", "overage": "20", "top_ups": "60"}


def test_a_minimum_that_is_reached_is_no_line(acme_support, conversation):
    subscribe(acme_support, starter(minimum_commitment="20"), JANUARY)
    use(acme_support, conversation, JANUARY, 1200)

    assert not close(periods_of(acme_support)[0]).charges.filter(kind="minimum").exists()


def test_the_minimum_of_a_partial_period_is_prorated(acme_support, conversation):
    subscribe(acme_support, starter(minimum_commitment="100"), utc("2026-01-15T20:00"))

    charge = close(periods_of(acme_support)[0]).charges.get(kind="minimum")

    assert charge.amount == Decimal("54.84")  # 100 x 17/31


def test_an_adjustment_that_lapsed_between_subscriptions_is_written_off_once(
    acme_support, conversation
):
    subscribe(acme_support, starter(), JANUARY, end=FEBRUARY)
    grant = adjust(
        workspace=acme_support,
        unit=conversation,
        quantity=Decimal(50),
        reason="Sorry",
        created_by=None,
        key="sorry",
        now=JANUARY,
        expires_at=FEBRUARY + 2 * DAY,
    )
    close(periods_of(acme_support)[0])
    subscribe(acme_support, starter(), MARCH)
    for _ in range(2):
        close(BillingPeriod.objects.open().order_by("start")[0])

    uses = [whole(u.opening, u.expired, u.remaining) for u in grant.uses.order_by("pk")]
    assert uses == [(50, 0, 50), (50, 50, 0)]


def test_an_adjustment_that_no_period_saw_never_counted(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY, end=FEBRUARY)
    grant = adjust(
        workspace=acme_support,
        unit=conversation,
        quantity=Decimal(50),
        reason="Sorry",
        created_by=None,
        key="sorry",
        now=FEBRUARY + DAY,
        expires_at=MARCH,
    )
    subscribe(acme_support, starter(), MARCH)
    for _ in range(2):
        close(BillingPeriod.objects.open().order_by("start")[0])

    assert not grant.uses.exists()


def test_due_periods_are_closed_oldest_first_and_missing_ones_made(
    acme_support, acme_docs, conversation
):
    subscribe(acme_support, starter(), JANUARY)
    subscribe(acme_docs, starter(), FEBRUARY)
    seen: list[tuple[int, int]] = []

    closed = close_due_periods(
        now=APRIL + DAY, progress=lambda done, total: seen.append((done, total))
    )

    ends = [BillingPeriod.objects.get(pk=pk).end for pk in closed]
    assert ends == [FEBRUARY, MARCH, MARCH, APRIL, APRIL]
    assert seen == [(2, 4), (4, 5), (5, 5)], "the first of each workspace, then what waited for it"
    assert close_due_periods(now=APRIL + DAY) == []


def test_closing_stops_at_the_limit(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)

    assert len(close_due_periods(now=APRIL + DAY, limit=2)) == 2
    assert len(close_due_periods(now=APRIL + DAY, limit=2)) == 1


def test_a_period_that_fails_is_named_and_holds_up_no_other_workspace(
    acme_support, acme_docs, conversation, monkeypatch, caplog, row_counts
):
    subscribe(acme_support, starter(), JANUARY)
    subscribe(acme_docs, starter(), JANUARY)
    broken = periods_of(acme_support)[0]
    settle_units = settlements.settle_units

    def fail_for_one(periods, *args, **kwargs):
        if broken in periods:
            raise RuntimeError("no such price")
        return settle_units(periods, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(closing, "settle_units", fail_for_one)
        closed = close_due_periods(now=MARCH + DAY)

    assert closed == [period.pk for period in periods_of(acme_docs)[:2]]
    broken.refresh_from_db()
    assert (broken.state, broken.close_error) == ("open", "RuntimeError: no such price")
    assert f"period {broken.pk} was not closed" in caplog.text
    assert not PeriodUsage.objects.filter(period__workspace=acme_support).exists()

    assert len(close_due_periods(now=MARCH + DAY)) == 2
    broken.refresh_from_db()
    assert (broken.state, broken.close_error) == ("closed", "")


@pytest.mark.parametrize(
    "step", ["make_periods", "settle_units", "freeze", "roll_over", "charge", "terms_by_version"]
)
def test_a_closer_that_dies_leaves_nothing(
    acme_support, conversation, monkeypatch, row_counts, step
):
    """Whatever was written before the end of its transaction is gone; the next one closes."""
    subscribe(acme_support, starter(allowances=[allowance(rollover_max="300")]), JANUARY)
    use(acme_support, conversation, JANUARY, 1200)
    january = periods_of(acme_support)[0]
    before = row_counts()
    original = getattr(closing, step)

    def die(*args, **kwargs):
        original(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(closing, step, die)
        with pytest.raises(KeyboardInterrupt):
            close(january)

    acme_support.refresh_from_db()
    assert (row_counts(), acme_support.settled_until) == (before, None)
    assert usage_row(close(january)) == (1200, 1000, 0, 200, 0, 0)


def questions_of_closing(workspaces, unit, plan, size) -> int:
    """How many queries closing January of workspaces takes, each with so many grants and
    quarter hours."""
    for workspace in workspaces:
        growth = subscribe(workspace, plan, JANUARY).plan_version.top_ups.get()
        for n in range(size):
            buy_on_account(workspace=workspace, band=growth, key=f"{n}", now=JANUARY + n * HOUR)
            use(workspace, unit, JANUARY + n * DAY / 2, 700)
    with CaptureQueriesContext(connection) as captured:
        assert len(close_due_periods(now=FEBRUARY + DAY)) == len(workspaces)
    return len(captured)


def test_closing_asks_as_many_questions_for_many_as_for_one(
    acme, acme_support, acme_docs, conversation, page
):
    """Of workspaces, units, grants and quarter hours."""
    plan = starter(minimum_commitment="100", top_ups=[band(expires="never")])
    two_units = plan | {"name": "Two units", "allowances": [allowance(), allowance("page")]}
    ten = [
        Workspace.objects.create(agency=acme.agency, client=acme, slug=f"w{n}", name=f"W {n}")
        for n in range(10)
    ]

    of_one = questions_of_closing([acme_support], conversation, plan, 1)

    assert of_one <= 40
    assert questions_of_closing([acme_docs], conversation, plan, 40) == of_one
    assert questions_of_closing(ten, conversation, two_units, 1) == of_one
