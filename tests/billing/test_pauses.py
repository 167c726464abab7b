"""Subscriptions rest and go on."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import SubscriptionChange
from billing.refusals import RefusedError
from billing.services.pauses import pause, resume
from billing.services.reservations import NotAdmittedError, reserve
from billing.services.subscriptions import end, ensure_due_periods
from clients.models import UsageEvent

from .lifecycles import asked, balance, check_timeline, close_all, invoice, report, standing
from .plan_samples import NEW_YORK_2026, starter
from .story import periods_of, subscribe, utc

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("proved")]

JANUARY, FEBRUARY, MARCH, APRIL = (NEW_YORK_2026[month] for month in range(1, 5))
ELEVENTH, TWENTY_FIRST = utc("2026-01-11T05:00"), utc("2026-01-21T05:00")
DAY = dt.timedelta(days=1)
FIFTH = JANUARY + 4 * DAY


def test_paused_inside_a_period_only_the_days_outside_are_charged_and_included(
    acme_support, conversation, platform
):
    """Days 1 to 10, and 21 to 31: 160.97 and 177.06, 323 and 355 conversations."""
    subscription = subscribe(acme_support, starter(), JANUARY)
    invoice(JANUARY)

    pause(subscription=subscription, at=ELEVENTH, now=FIFTH)
    following = resume(subscription=subscription, at=TWENTY_FIRST, now=ELEVENTH + DAY)

    ensure_due_periods(now=TWENTY_FIRST)
    before, after, february = periods_of(acme_support)
    assert standing(before)[1:] == [("base", "499.00"), ("credit", "-499.00"), ("base", "160.97")]
    assert standing(after) == [("base", "177.06")]
    assert (after.start, after.end, after.full_start) == (TWENTY_FIRST, FEBRUARY, JANUARY)
    assert after.grants.get().quantity == 355
    assert standing(february) == [("base", "499.00")]
    assert (following.continues, following.anchor_date) == (subscription, dt.date(2026, 1, 1))
    check_timeline(acme_support)


def test_meanwhile_usage_is_unbilled_and_nothing_is_admitted(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    pause(subscription=subscription, at=ELEVENTH, now=FIFTH, until=TWENTY_FIRST)

    report(acme_support, conversation, ELEVENTH + DAY, 7)
    with pytest.raises(NotAdmittedError, match="not in the package"):
        reserve(workspace=acme_support, unit=conversation, quantity=Decimal(1), now=ELEVENTH + DAY)
    report(acme_support, conversation, TWENTY_FIRST, 2)

    standings = UsageEvent.objects.order_by("occurred_at").values_list("standing", flat=True)
    assert list(standings) == ["unbilled", "counted"]
    assert balance(acme_support, TWENTY_FIRST).used == 2


def test_a_pause_over_boundaries(acme_support, conversation, platform):
    """Paused on 11 January, going on on 10 March with 22 of 31 days: 354.13."""
    subscription = subscribe(acme_support, starter(), JANUARY)
    invoice(JANUARY)
    pause(subscription=subscription, at=ELEVENTH, now=FIFTH)
    close_all(ELEVENTH + DAY)
    assert ensure_due_periods(now=MARCH) == 0

    resume(subscription=subscription, at=utc("2026-03-10T04:00"), now=MARCH)

    assert [p.start for p in periods_of(acme_support)] == [JANUARY, utc("2026-03-10T04:00")]
    assert standing(periods_of(acme_support)[1]) == [("base", "354.13")]
    assert ensure_due_periods(now=utc("2026-03-10T04:00")) == 1
    assert periods_of(acme_support)[-1].start == APRIL
    check_timeline(acme_support)
    close_all(APRIL + DAY)


def test_a_pause_at_a_boundary_takes_nothing_back_but_what_was_to_come(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)

    pause(subscription=subscription, at=FEBRUARY, now=FIFTH)

    assert asked(acme_support) == Decimal(2999)
    assert len(periods_of(acme_support)) == 1


def test_a_planned_resumption_moves(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    pause(subscription=subscription, at=ELEVENTH, now=FIFTH, until=MARCH)

    moved = resume(subscription=subscription, at=TWENTY_FIRST, now=ELEVENTH + DAY)

    assert [p.start for p in periods_of(acme_support)] == [JANUARY, TWENTY_FIRST]
    assert resume(subscription=subscription, at=TWENTY_FIRST, now=ELEVENTH + DAY) == moved
    check_timeline(acme_support)


def test_a_pause_that_has_not_come_can_be_made_an_end(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    pause(subscription=subscription, at=ELEVENTH, now=FIFTH, until=MARCH)

    ended = end(subscription=subscription, end=ELEVENTH, now=FIFTH)

    assert ended.end_reason == "ended"
    assert len(periods_of(acme_support)) == 1
    with pytest.raises(RefusedError, match="is not paused"):
        resume(subscription=subscription, at=MARCH, now=FIFTH)


@pytest.mark.parametrize(
    ("at", "message"),
    [(ELEVENTH - DAY, "let it go on then or later"), (JANUARY, "let it go on then or later")],
)
def test_it_does_not_go_on_before_it_rests(acme_support, conversation, at, message):
    subscription = subscribe(acme_support, starter(), JANUARY)
    with pytest.raises(RefusedError, match="is not paused"):
        resume(subscription=subscription, at=at, now=FIFTH)
    with pytest.raises(RefusedError, match="not before"):
        pause(subscription=subscription, at=ELEVENTH, until=at, now=FIFTH)
    pause(subscription=subscription, at=ELEVENTH, now=FIFTH)

    with pytest.raises(RefusedError, match=message):
        resume(subscription=subscription, at=at, now=FIFTH)


def test_who_paused_it_is_kept(acme_support, conversation, operator):
    subscription = subscribe(acme_support, starter(), JANUARY)

    pause(
        subscription=subscription,
        at=ELEVENTH,
        until=MARCH,
        now=FIFTH,
        paused_by=operator,
        reason="Holidays",
    )

    _, paused, resumed = SubscriptionChange.objects.order_by("pk")
    assert (paused.kind, paused.effective_at, paused.reason) == ("paused", ELEVENTH, "Holidays")
    assert (resumed.kind, resumed.effective_at, resumed.made_by) == ("resumed", MARCH, operator)
