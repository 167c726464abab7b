"""A client moves to another time zone: no gap, no overlap, nothing prorated."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import SubscriptionChange
from billing.refusals import RefusedError
from billing.services.pauses import pause
from billing.services.plan_changes import change_plan
from billing.services.plans import import_plan
from billing.services.subscriptions import end, ensure_due_periods
from billing.services.time_zones import change_timezone
from clients.models import UsageDay

from .lifecycles import asked, balance, check_timeline, close_all, invoice, report, standing
from .plan_samples import NEW_YORK_2026, allowance, starter
from .story import periods_of, subscribe, utc

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("proved")]

JANUARY, FEBRUARY, MARCH, APRIL = (NEW_YORK_2026[month] for month in range(1, 5))
DAY = dt.timedelta(days=1)
TENTH = utc("2026-01-10T12:00")
LOS_ANGELES, TOKYO = "America/Los_Angeles", "Asia/Tokyo"


@pytest.mark.parametrize(
    ("zone", "february", "march"),
    [
        (LOS_ANGELES, utc("2026-02-01T08:00"), utc("2026-03-01T08:00")),
        (TOKYO, utc("2026-01-31T15:00"), utc("2026-02-28T15:00")),
        ("America/St_Johns", utc("2026-02-01T03:30"), utc("2026-03-01T03:30")),
        ("Pacific/Apia", utc("2026-01-31T11:00"), utc("2026-02-28T11:00")),
        ("Australia/Lord_Howe", utc("2026-01-31T13:00"), utc("2026-02-28T13:00")),
    ],
)
def test_the_period_in_progress_runs_to_the_next_boundary_in_the_new_zone(
    acme_support, conversation, platform, zone, february, march
):
    subscribe(acme_support, starter(), JANUARY)
    invoice(JANUARY)

    change_timezone(client=acme_support.client, timezone=zone, now=TENTH)

    one, other = periods_of(acme_support)
    assert (one.start, one.end, one.full_end) == (JANUARY, february, february)
    assert (other.start, other.end) == (february, march)
    assert (one.timezone, other.timezone) == ("America/New_York", zone)
    assert standing(one)[1:] == [("base", "499.00")]
    assert standing(other) == [("base", "499.00")]
    check_timeline(acme_support)
    ensure_due_periods(now=march)
    check_timeline(acme_support)
    close_all(march + DAY)
    assert asked(acme_support) == Decimal(2500 + 4 * 499)


def test_the_allowance_lasts_as_long_as_the_period(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    change_timezone(client=acme_support.client, timezone=LOS_ANGELES, now=TENTH)
    report(acme_support, conversation, FEBRUARY + dt.timedelta(hours=1), 7)

    found = balance(acme_support, FEBRUARY + dt.timedelta(hours=1))
    assert (found.used, found.remaining, found.overage) == (7, 993, 0)


def test_usage_at_the_old_boundary_is_counted_once(acme_support, conversation):
    """Reported before the move: some of February's first hours are January's now."""
    subscribe(acme_support, starter(), JANUARY)
    late = FEBRUARY - dt.timedelta(hours=1)
    for hours in range(6):
        report(acme_support, conversation, late + dt.timedelta(hours=hours), 1)

    change_timezone(
        client=acme_support.client, timezone=TOKYO, now=JANUARY + 20 * DAY
    )  # February began at 15:00 the day before
    one, _ = periods_of(acme_support)
    windows = acme_support.windows.order_by("start").values_list("used", flat=True)
    assert (list(windows), one.end) == ([0, 6], utc("2026-01-31T15:00"))

    change_timezone(client=acme_support.client, timezone=LOS_ANGELES, now=JANUARY + 21 * DAY)
    windows = acme_support.windows.order_by("start").values_list("used", flat=True)
    assert list(windows) == [4, 2]
    check_timeline(acme_support)


def test_days_are_counted_in_the_zone_of_their_period(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    report(acme_support, conversation, utc("2026-01-05T06:30"))
    change_timezone(client=acme_support.client, timezone=LOS_ANGELES, now=TENTH)

    report(acme_support, conversation, utc("2026-01-12T06:30"))
    report(acme_support, conversation, utc("2026-02-12T06:30"))

    days = UsageDay.objects.order_by("day").values_list("day", flat=True)
    assert [str(day) for day in days] == ["2026-01-05", "2026-01-12", "2026-02-11"]


def test_a_partial_first_period_keeps_its_share(acme_support, conversation):
    subscribe(acme_support, starter(), utc("2026-01-15T20:00"))

    change_timezone(client=acme_support.client, timezone=LOS_ANGELES, now=utc("2026-01-20"))

    first, _ = periods_of(acme_support)
    assert standing(first)[1:] == [("base", "273.65")]
    assert first.grants.get().quantity == 549
    close_all(FEBRUARY + 2 * DAY)


def test_an_anchor_on_the_31st_stays_one(acme_support, conversation):
    plan = starter()
    del plan["anchor"]
    subscribe(acme_support, plan, utc("2026-01-31T12:00"))

    change_timezone(client=acme_support.client, timezone=LOS_ANGELES, now=utc("2026-02-10"))
    ensure_due_periods(now=utc("2026-04-15"))

    assert [period.start for period in periods_of(acme_support)] == [
        utc("2026-01-31T12:00"),
        utc("2026-02-28T08:00"),
        utc("2026-03-31T07:00"),
        utc("2026-04-30T07:00"),
    ]
    check_timeline(acme_support)


def test_ended_after_the_move_it_is_by_the_days_of_its_own_zone(
    acme_support, conversation, platform
):
    subscription = subscribe(acme_support, starter(), JANUARY)
    invoice(JANUARY)
    change_timezone(client=acme_support.client, timezone=TOKYO, now=TENTH)

    end(subscription=subscription, end=utc("2026-01-16T05:00"), now=TENTH)

    # 15 days of the 31 that January to its new end touches in New York.
    assert standing(periods_of(acme_support)[0])[-1] == ("base", "241.45")
    close_all(FEBRUARY)


def test_a_planned_change_moves_with_the_boundary(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    version = import_plan(
        agency=acme_support.agency,
        document=starter(name="Growth", allowances=[allowance(included="5000")]),
        now=JANUARY,
    )
    planned = change_plan(
        subscription=subscription, plan_version=version, when="period_end", now=TENTH
    )

    change_timezone(client=acme_support.client, timezone=LOS_ANGELES, now=TENTH)

    subscription.refresh_from_db()
    planned.refresh_from_db()
    boundary = utc("2026-02-01T08:00")
    assert (subscription.end, planned.start, planned.timezone) == (boundary, boundary, LOS_ANGELES)
    assert [p.start for p in periods_of(acme_support)] == [JANUARY, boundary]
    assert asked(acme_support) == Decimal(2500 + 499 + 499)
    check_timeline(acme_support)


def test_what_has_ended_or_rests_stays(acme_support, acme_docs, conversation):
    ended = subscribe(acme_docs, starter(), JANUARY, end=FEBRUARY)
    paused = subscribe(acme_support, starter(), JANUARY)
    pause(subscription=paused, at=FEBRUARY, now=TENTH, until=utc("2026-03-05T05:00"))
    before = [(p.start, p.end) for p in periods_of(acme_docs)]

    change_timezone(client=acme_support.client, timezone=LOS_ANGELES, now=FEBRUARY + DAY)

    ended.refresh_from_db()
    assert ended.timezone == "America/New_York"
    assert [(p.start, p.end) for p in periods_of(acme_docs)] == before
    resumed = periods_of(acme_support)[-1]
    assert (resumed.start, resumed.end) == (utc("2026-03-05T05:00"), utc("2026-04-01T07:00"))
    check_timeline(acme_support)


def test_it_is_kept_who_moved_them(acme_support, acme_docs, conversation, operator, row_counts):
    subscribe(acme_support, starter(), JANUARY)
    subscribe(acme_docs, starter(), JANUARY)
    client = acme_support.client

    moved = change_timezone(client=client, timezone=TOKYO, now=TENTH, changed_by=operator)
    before = row_counts()
    change_timezone(client=client, timezone=TOKYO, now=TENTH)

    assert row_counts() == before
    assert moved.timezone == TOKYO
    for change in SubscriptionChange.objects.filter(kind="timezone_changed"):
        assert (change.from_timezone, change.to_timezone) == ("America/New_York", TOKYO)
        assert (change.made_by, change.effective_at) == (operator, TENTH)
    assert SubscriptionChange.objects.filter(kind="timezone_changed").count() == 2


def test_a_zone_that_there_is_none_of_is_refused(acme_support, conversation):
    with pytest.raises(RefusedError) as refusal:
        change_timezone(client=acme_support.client, timezone="Mars/Olympus", now=TENTH)
    assert refusal.value.field == "timezone"
