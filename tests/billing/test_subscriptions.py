"""Workspaces are put on plans; the next period is there before it starts; subscriptions end."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import BillingPeriod, Charge, CreditGrant, PlanVersion, Subscription
from billing.refusals import RefusedError
from billing.services import periods, subscriptions
from billing.services.plans import import_plan
from billing.services.subscriptions import activate, ensure_due_periods, ensure_periods
from clients.models import UsageWindow

from .plan_samples import NEW_YORK_2026, allowance, band, starter
from .story import lines_of, periods_of, subscribe, utc

JANUARY, FEBRUARY, MARCH, APRIL, MAY = (NEW_YORK_2026[month] for month in range(1, 6))
HOUR = dt.timedelta(hours=1)


def test_activation_makes_the_period_in_progress_and_the_next(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)

    january, february = periods_of(acme_support)
    assert (january.start, january.end) == (JANUARY, FEBRUARY)
    assert (february.start, february.end) == (FEBRUARY, MARCH)
    assert january.due_at == FEBRUARY + 24 * HOUR
    assert (subscription.currency, subscription.timezone) == ("USD", "America/New_York")
    assert subscription.anchor_date == dt.date(2026, 1, 1)
    windows = UsageWindow.objects.filter(workspace=acme_support).order_by("start")
    assert [(w.unit, w.start, w.end) for w in windows] == [
        (conversation, JANUARY, FEBRUARY),
        (conversation, FEBRUARY, MARCH),
    ]


def test_a_period_opens_with_its_allowance_and_its_fees(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)

    january, february = periods_of(acme_support)
    grant = january.grants.get()
    assert (grant.kind, grant.quantity, grant.priority) == ("allowance", Decimal(1000), 20)
    assert (grant.effective_at, grant.expires_at) == (JANUARY, FEBRUARY)
    assert lines_of(january) == [("implementation", "1", "2500.00"), ("base", "1", "499.00")]
    assert lines_of(february) == [("base", "1", "499.00")]
    assert [charge.bill_at for charge in february.charges.all()] == [FEBRUARY]


def test_a_start_is_moved_back_to_the_quarter_hour_and_an_end_forward(acme_support, conversation):
    subscription = subscribe(
        acme_support,
        starter(),
        JANUARY + 14 * HOUR + dt.timedelta(minutes=14, seconds=59),
        end=FEBRUARY + dt.timedelta(seconds=1),
    )

    assert subscription.start == JANUARY + 14 * HOUR
    assert subscription.end == FEBRUARY + dt.timedelta(minutes=15)


def test_a_partial_first_period_is_prorated_by_days_and_its_allowance_rounded_up(
    acme_support, conversation
):
    """17 of 31 days: 499 x 17/31 = 273.645..., and 1,000 x 17/31 = 548.4."""
    subscribe(acme_support, starter(), utc("2026-01-15T20:00"))

    partial, whole = periods_of(acme_support)
    assert (partial.full_start, partial.full_end) == (JANUARY, FEBRUARY)
    assert lines_of(partial) == [("implementation", "1", "2500.00"), ("base", "1", "273.65")]
    assert partial.grants.get().quantity == Decimal(549)
    base = partial.charges.get(kind="base")
    assert (base.description, base.unit_amount) == ("Base package (17 of 31 days)", "")
    assert (base.details["days"], base.details["full_days"]) == (17, 31)
    assert whole.grants.get().quantity == Decimal(1000)
    assert whole.charges.get().unit_amount == "499"


def test_a_prorated_allowance_is_rounded_up_to_the_units_own_precision(acme_support, conversation):
    conversation.decimals = 2
    conversation.save()

    subscribe(acme_support, starter(), utc("2026-01-15T20:00"))

    assert periods_of(acme_support)[0].grants.get().quantity == Decimal("548.39")


def test_what_is_not_prorated_is_due_in_full(acme_support, conversation):
    plan = starter(allowances=[allowance(prorate=False)])
    plan["fees"][1]["prorate"] = False

    subscribe(acme_support, plan, utc("2026-01-31T20:00"))

    partial = periods_of(acme_support)[0]
    assert lines_of(partial)[1] == ("base", "1", "499.00")
    assert partial.grants.get().quantity == Decimal(1000)


def test_a_known_end_makes_the_last_period_a_partial_one(acme_support, conversation):
    """To stop on 10 February it ends with the first instant of the 11th: 10 of 28 days."""
    subscribe(acme_support, starter(), JANUARY, end=utc("2026-02-11T05:00"))

    _, last = periods_of(acme_support)
    assert (last.end, last.full_end) == (utc("2026-02-11T05:00"), MARCH)
    assert lines_of(last) == [("base", "1", "178.21")]
    assert last.grants.get().quantity == Decimal(358)


def test_a_month_anchored_on_the_31st_returns_to_the_31st(acme_support, conversation):
    plan = starter()
    del plan["anchor"]

    subscribe(acme_support, plan, utc("2026-01-31T12:00"), now=utc("2026-04-15"))

    assert [period.start for period in periods_of(acme_support)] == [
        utc("2026-01-31T12:00"),
        utc("2026-02-28T05:00"),
        utc("2026-03-31T04:00"),
        utc("2026-04-30T04:00"),
    ]


def test_a_start_in_the_future_gets_its_first_period_ahead(acme_support, conversation):
    subscribe(acme_support, starter(), MARCH, now=JANUARY)

    assert [period.start for period in periods_of(acme_support)] == [MARCH]


def test_units_that_are_only_on_sale_have_a_window_and_no_allowance(
    acme_support, conversation, page
):
    subscribe(acme_support, starter(top_ups=[band("Pages", unit="page")]), JANUARY)

    assert UsageWindow.objects.filter(unit=page).count() == 2
    assert not CreditGrant.objects.filter(unit=page).exists()


def test_activating_twice_is_activating_once(acme_support, conversation, row_counts):
    first = subscribe(acme_support, starter(), JANUARY)
    before = row_counts()

    assert subscribe(acme_support, starter(), JANUARY) == first
    assert row_counts() == before


def test_ensuring_periods_makes_each_once_and_one_ahead(acme_support, conversation, row_counts):
    subscription = subscribe(acme_support, starter(), JANUARY)

    assert ensure_periods(subscription=subscription, now=FEBRUARY - HOUR) == []
    made = ensure_periods(subscription=subscription, now=FEBRUARY)
    before = row_counts()

    assert [period.start for period in made] == [MARCH]
    assert ensure_periods(subscription=subscription, now=FEBRUARY) == []
    assert row_counts() == before


def test_a_schedule_that_stood_still_catches_up(acme_support, acme_docs, conversation):
    subscribe(acme_support, starter(), JANUARY)
    subscribe(acme_docs, starter(), JANUARY, end=FEBRUARY)

    assert ensure_due_periods(now=APRIL) == 3
    assert ensure_due_periods(now=APRIL) == 0
    assert [period.start for period in periods_of(acme_support)][-1] == MAY
    assert len(periods_of(acme_docs)) == 1


def test_a_subscription_that_fails_holds_up_no_other(
    acme_support, acme_docs, conversation, monkeypatch, caplog
):
    broken = subscribe(acme_support, starter(), JANUARY)
    subscribe(acme_docs, starter(), JANUARY)
    make_periods = periods.make_periods

    def fail_for_one(subscriptions, *, now):
        if broken in subscriptions:
            raise RuntimeError("no disk")
        return make_periods(subscriptions, now=now)

    monkeypatch.setattr(subscriptions, "make_periods", fail_for_one)

    assert ensure_due_periods(now=FEBRUARY) == 1
    assert f"no next period for subscription {broken.pk}" in caplog.text


def test_a_draft_cannot_be_sold(acme_support, conversation):
    published = import_plan(agency=acme_support.agency, document=starter(), now=JANUARY)
    version = PlanVersion.objects.create(plan=published.plan, number=2, interval="month")

    with pytest.raises(RefusedError, match="is a draft"):
        activate(workspace=acme_support, plan_version=version, start=JANUARY, now=JANUARY)


def test_the_plan_of_another_agency_is_refused(acme_support, harbor, harbor_conversation):
    version = import_plan(agency=harbor, document=starter(), now=JANUARY)

    with pytest.raises(RefusedError, match="is not a plan of Northwind"):
        activate(workspace=acme_support, plan_version=version, start=JANUARY, now=JANUARY)


def test_a_plan_in_another_currency_is_refused(acme_support, conversation):
    with pytest.raises(RefusedError, match="is sold in EUR, and Acme pays in USD"):
        subscribe(acme_support, starter(currency="EUR"), JANUARY)


@pytest.mark.parametrize(
    ("start", "end"),
    [(JANUARY, None), (FEBRUARY, MARCH), (MARCH - HOUR, None), (JANUARY - HOUR, FEBRUARY + HOUR)],
)
def test_two_subscriptions_never_overlap(acme_support, conversation, start, end):
    subscribe(acme_support, starter(), FEBRUARY, end=MARCH, now=JANUARY)

    with pytest.raises(RefusedError, match="end that first"):
        subscribe(acme_support, starter(name="Other"), start, end=end, now=JANUARY)


def test_one_subscription_may_follow_another(acme_support, conversation):
    subscribe(acme_support, starter(), FEBRUARY, end=MARCH, now=JANUARY)

    subscribe(acme_support, starter(name="Before"), JANUARY, end=FEBRUARY, now=JANUARY)
    subscribe(acme_support, starter(name="After"), MARCH, now=JANUARY)

    assert [period.start for period in periods_of(acme_support)] == [JANUARY, FEBRUARY, MARCH]


def test_an_end_before_the_start_is_refused(acme_support, conversation):
    with pytest.raises(RefusedError, match="must end after it starts"):
        subscribe(acme_support, starter(), FEBRUARY, end=FEBRUARY)


def test_what_is_closed_cannot_be_subscribed_to(acme_support, conversation):
    acme_support.settled_until = FEBRUARY
    acme_support.save()

    with pytest.raises(RefusedError, match="is closed up to 2026-02-01 05:00 UTC"):
        subscribe(acme_support, starter(), JANUARY)
    assert subscribe(acme_support, starter(), FEBRUARY).start == FEBRUARY


def test_a_subscription_ends_where_no_period_is_made_yet(acme_support, conversation, row_counts):
    subscription = subscribe(acme_support, starter(), JANUARY)

    ended = subscriptions.end(subscription=subscription, end=utc("2026-03-11T04:00"), now=JANUARY)
    before = row_counts()
    subscriptions.end(subscription=subscription, end=utc("2026-03-11T04:00"), now=JANUARY)
    assert row_counts() == before
    ensure_due_periods(now=MAY)

    assert ended.end == utc("2026-03-11T04:00")
    periods = periods_of(acme_support)
    assert len(periods) == 3
    assert (periods[-1].end, periods[-1].full_end) == (utc("2026-03-11T04:00"), APRIL)
    assert periods[-1].charges.get().amount == Decimal("160.97")  # 499 x 10/31


def test_an_end_at_the_start_is_refused(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)

    with pytest.raises(RefusedError, match="must end after it starts"):
        subscriptions.end(subscription=subscription, end=JANUARY, now=JANUARY)


def test_an_end_that_has_come_stays(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY, end=FEBRUARY)

    with pytest.raises(RefusedError, match="start a new subscription there"):
        subscriptions.end(subscription=subscription, end=APRIL, now=FEBRUARY)


def test_running_subscriptions_are_those_that_have_started_and_not_ended(
    acme_support, acme_docs, conversation
):
    subscribe(acme_support, starter(), JANUARY, end=FEBRUARY)
    forever = subscribe(acme_docs, starter(), FEBRUARY, now=JANUARY)

    assert Subscription.objects.running(JANUARY).get().workspace == acme_support
    assert Subscription.objects.running(FEBRUARY).get() == forever
    assert BillingPeriod.objects.count() == Charge.objects.filter(kind="base").count()
