"""Subscriptions end inside periods that are made, and go on after all."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Charge, CreditGrant, SubscriptionChange
from billing.refusals import RefusedError
from billing.services.closing import close_period
from billing.services.purchases import buy_on_account
from billing.services.reservations import NotAdmittedError, reserve
from billing.services.subscriptions import activate, end, keep
from clients.models import UsageEvent

from .lifecycles import asked, balance, check_timeline, close_all, invoice, report, standing
from .plan_samples import NEW_YORK_2026, allowance, starter
from .story import periods_of, subscribe, utc

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("proved")]

JANUARY, FEBRUARY, MARCH, APRIL = (NEW_YORK_2026[month] for month in range(1, 5))
ELEVENTH = utc("2026-01-11T05:00")
"""The first instant after 10 January in New York: ended on day 10."""
DAY = dt.timedelta(days=1)
FIFTH = JANUARY + 4 * DAY


def test_ended_on_day_10_of_31_the_fee_is_credited_and_asked_for_10_days(
    acme_support, conversation, platform
):
    subscription = subscribe(acme_support, starter(), JANUARY)
    invoice(JANUARY)

    end(subscription=subscription, end=ELEVENTH, now=FIFTH)

    (january,) = periods_of(acme_support)
    assert standing(january) == [
        ("implementation", "2500.00"),
        ("base", "499.00"),
        ("credit", "-499.00"),
        ("base", "160.97"),
    ]
    assert (january.end, january.full_end) == (ELEVENTH, FEBRUARY)
    assert january.due_at == ELEVENTH + DAY
    assert {row.bill_at for row in january.charges.order_by("-pk")[:2]} == {ELEVENTH}
    check_timeline(acme_support)


def test_known_before_it_is_invoiced_it_is_one_line(acme_support, conversation):
    """As if the end had been known when the period was made."""
    subscription = subscribe(acme_support, starter(), JANUARY)

    end(subscription=subscription, end=ELEVENTH, now=FIFTH)

    (january,) = periods_of(acme_support)
    assert standing(january) == [("implementation", "2500.00"), ("base", "160.97")]
    assert january.charges.order_by("pk").last().description == "Base package (10 of 31 days)"
    assert january.charges.order_by("pk").last().bill_at == JANUARY


@pytest.mark.parametrize("used", [100, 323, 700, 1000, 1300])
def test_it_comes_to_what_an_end_known_from_the_start_comes_to(
    acme_support, acme_docs, conversation, used
):
    late = subscribe(acme_support, starter(), JANUARY)
    subscribe(acme_docs, starter(), JANUARY, end=ELEVENTH)
    for workspace in (acme_support, acme_docs):
        report(workspace, conversation, FIFTH, used)

    end(subscription=late, end=ELEVENTH, now=FIFTH)
    close_all(ELEVENTH + DAY)

    one, other = (periods_of(workspace)[0].usage.get() for workspace in (acme_support, acme_docs))
    for name in ("used", "included", "overage", "expired_unused", "overage_amount"):
        assert getattr(one, name) == getattr(other, name)
    assert asked(acme_support) == asked(acme_docs)


def test_usage_after_the_end_is_unbilled_and_not_admitted(acme_support, conversation):
    block = starter(allowances=[allowance(overage={"policy": "block"})])
    subscription = subscribe(acme_support, block, JANUARY)
    report(acme_support, conversation, FIFTH, 3)
    report(acme_support, conversation, FIFTH + DAY, 4)

    end(subscription=subscription, end=FIFTH + DAY, now=FIFTH + 2 * DAY)

    assert periods_of(acme_support)[0].workspace.windows.get().used == 3
    standings = UsageEvent.objects.order_by("occurred_at").values_list("standing", flat=True)
    assert list(standings) == ["counted", "unbilled"]
    with pytest.raises(NotAdmittedError, match="not in the package"):
        reserve(workspace=acme_support, unit=conversation, quantity=Decimal(1), now=FIFTH + 2 * DAY)


def test_admission_stops_at_the_share_of_the_days_that_are_left(acme_support, conversation):
    """10 of 31 days of 1,000 are 323."""
    block = starter(allowances=[allowance(overage={"policy": "block"})])
    subscription = subscribe(acme_support, block, JANUARY)
    end(subscription=subscription, end=ELEVENTH, now=FIFTH)

    reserve(workspace=acme_support, unit=conversation, quantity=Decimal(323), now=FIFTH)
    with pytest.raises(NotAdmittedError):
        reserve(workspace=acme_support, unit=conversation, quantity=Decimal(1), now=FIFTH)


def test_what_is_made_beyond_the_end_is_withdrawn(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)

    end(subscription=subscription, end=FEBRUARY, now=FIFTH)

    (january,) = periods_of(acme_support)
    assert standing(january)[1:] == [("base", "499.00")]
    february = Charge.objects.get(period__state="withdrawn")
    assert (february.amount, february.void.move.end_after) == (Decimal(499), None)
    assert not Charge.objects.waiting().filter(period__state="withdrawn").exists()
    assert not CreditGrant.objects.standing().filter(effective_at=FEBRUARY).exists()
    close_all(FEBRUARY + DAY)


def test_an_end_that_has_not_come_moves_either_way(acme_support, conversation, platform):
    subscription = subscribe(acme_support, starter(), JANUARY)
    invoice(JANUARY)

    end(subscription=subscription, end=ELEVENTH, now=FIFTH)
    end(subscription=subscription, end=ELEVENTH + 10 * DAY, now=FIFTH)
    assert asked(acme_support) == Decimal("2821.94")  # 2,500 and 20 of 31 days
    end(subscription=subscription, end=FEBRUARY + DAY, now=FIFTH)

    assert asked(acme_support) == Decimal("3016.82")  # 499 and 17.82 for a day of 28
    check_timeline(acme_support)
    keep(subscription=subscription, now=FIFTH)

    assert asked(acme_support) == Decimal("3498.00")
    assert [p.end for p in periods_of(acme_support)] == [FEBRUARY, MARCH]
    check_timeline(acme_support)
    close_all(FEBRUARY + DAY)
    assert periods_of(acme_support)[0].usage.get().expired_unused == 1000


def test_extended_again_usage_in_between_counts(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    end(subscription=subscription, end=ELEVENTH, now=FIFTH)
    report(acme_support, conversation, ELEVENTH - DAY, 2)

    keep(subscription=subscription, now=ELEVENTH - dt.timedelta(hours=1))
    report(acme_support, conversation, ELEVENTH + DAY, 3)

    assert balance(acme_support, ELEVENTH + DAY).used == 5
    check_timeline(acme_support)


def test_an_end_in_the_past_of_an_open_period(acme_support, conversation, platform):
    """They left on the 10th and say so in February, before January is closed."""
    subscription = subscribe(acme_support, starter(), JANUARY)
    invoice(JANUARY)
    report(acme_support, conversation, ELEVENTH + DAY, 5)

    end(subscription=subscription, end=ELEVENTH, now=FEBRUARY + dt.timedelta(hours=2))

    close_all(FEBRUARY + dt.timedelta(hours=2))
    assert periods_of(acme_support)[0].usage.get().used == 0
    assert asked(acme_support) == Decimal("2660.97")


def test_what_is_closed_is_not_ended(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    close_all(FEBRUARY + DAY)

    with pytest.raises(RefusedError, match="is closed up to 2026-02-01 05:00 UTC"):
        end(subscription=subscription, end=ELEVENTH, now=FEBRUARY + DAY)

    end(subscription=subscription, end=FEBRUARY, now=FEBRUARY + DAY)
    check_timeline(acme_support)
    assert len(periods_of(acme_support)) == 1


def test_an_end_that_has_come_is_final(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    end(subscription=subscription, end=ELEVENTH, now=FIFTH)

    for change in (
        lambda: keep(subscription=subscription, now=ELEVENTH),
        lambda: end(subscription=subscription, end=FEBRUARY, now=ELEVENTH),
    ):
        with pytest.raises(RefusedError, match="start a new subscription there"):
            change()


def test_another_subscription_may_start_where_one_ends(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    end(subscription=subscription, end=ELEVENTH, now=FIFTH)

    again = activate(
        workspace=acme_support,
        plan_version=subscription.plan_version,
        start=ELEVENTH,
        now=FIFTH,
    )

    assert again.continues is None
    first = periods_of(acme_support)[1]
    assert standing(first) == [("implementation", "2500.00"), ("base", "338.03")]
    with pytest.raises(RefusedError, match="end that first"):
        end(subscription=subscription, end=FEBRUARY, now=FIFTH)
    check_timeline(acme_support)


def test_asked_for_again_it_changes_nothing(acme_support, conversation, row_counts):
    subscription = subscribe(acme_support, starter(), JANUARY)
    end(subscription=subscription, end=ELEVENTH, now=FIFTH)
    before = row_counts()

    end(subscription=subscription, end=ELEVENTH, now=FIFTH)
    keep(subscription=subscription, now=FIFTH)
    kept = row_counts()
    keep(subscription=subscription, now=FIFTH)

    assert row_counts() == kept != before
    kinds = SubscriptionChange.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["activated", "ended", "kept"]


def test_a_fee_that_is_not_prorated_stays_due(acme_support, conversation, platform):
    plan = starter()
    plan["fees"][1]["prorate"] = False
    subscription = subscribe(acme_support, plan, JANUARY)
    invoice(JANUARY)

    end(subscription=subscription, end=ELEVENTH, now=FIFTH)

    assert standing(periods_of(acme_support)[0])[1:] == [("base", "499.00")]


def test_a_top_up_stays_bought(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    bought = subscription.plan_version.top_ups.get()
    buy_on_account(workspace=acme_support, band=bought, now=FIFTH, key="one")

    end(subscription=subscription, end=ELEVENTH, now=FIFTH)
    period = close_period(period_id=periods_of(acme_support)[0].pk, now=ELEVENTH + DAY)

    assert Charge.objects.standing().filter(kind="top_up").get().amount == 60
    assert period.usage.get().expired_unused == 323
    use = period.usage.get().grants.get(grant__kind="top_up")
    assert use.remaining == 500
