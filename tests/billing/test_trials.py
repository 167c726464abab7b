"""A subscription that begins with days that nobody pays for."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Charge, Invoice, Mail, Subscription, SubscriptionChange
from billing.plan_documents import dump_plan, parse_plan
from billing.refusals import NotAdmittedError, RefusedError
from billing.services.pauses import pause, resume
from billing.services.plan_changes import change_plan
from billing.services.plans import import_plan
from billing.services.purchases import buy_on_account
from billing.services.reservations import reserve
from billing.services.subscriptions import activate, end, keep
from billing.services.time_zones import change_timezone
from billing.services.trial_mail import announce_trial_ends
from billing.services.trials import convert_trial, move_trial_end
from billing.strict_json import DocumentError
from billing.trials import trial_end, trial_end_in_zone

from .lifecycles import balance, check_timeline, close_all, invoice, report, standing
from .plan_samples import NEW_YORK_2026, allowance, starter
from .story import periods_of, subscribe, utc

pytestmark = [pytest.mark.django_db]

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in range(1, 4))
DAY = dt.timedelta(days=1)
FIFTEENTH = utc("2026-01-15T05:00")
"""Where fourteen days from 1 January end in New York."""


def trial(**changes):
    """The starter, the first 14 days on trial, counted from where it is paid."""
    return starter(trial_days=14, anchor=None, **changes)


@pytest.fixture
def tried(acme_support, conversation) -> Subscription:
    """Acme's workspace on trial from 1 to 14 January."""
    return subscribe(acme_support, trial(), JANUARY)


@pytest.mark.usefixtures("proved")
class TestATrial:
    def test_is_a_period_of_its_own_and_the_first_paid_one_begins_where_it_ends(
        self, tried, acme_support
    ):
        first, paid = periods_of(acme_support)

        assert (first.is_trial, first.start, first.end) == (True, JANUARY, FIFTEENTH)
        assert (paid.is_trial, paid.start) == (False, FIFTEENTH)
        assert (paid.end, paid.full_start) == (utc("2026-02-15T05:00"), FIFTEENTH)
        assert standing(first) == []
        assert standing(paid) == [("implementation", "2500.00"), ("base", "499.00")]
        assert tried.trial_until == FIFTEENTH
        check_timeline(acme_support)

    def test_on_the_calendar_the_first_paid_period_is_what_is_left_of_the_month(
        self, acme_support, conversation
    ):
        """17 of 31 days: 499 x 17/31 = 273.645..."""
        subscribe(acme_support, trial() | {"anchor": "calendar"}, JANUARY)

        _first, paid = periods_of(acme_support)
        assert (paid.start, paid.end) == (FIFTEENTH, FEBRUARY)
        assert standing(paid)[1] == ("base", "273.65")

    def test_gives_the_whole_allowance_and_charges_nothing(
        self, tried, acme_support, conversation, platform
    ):
        """1,000 included for 14 days; 1,100 used. Nothing of it rolls over or is charged."""
        report(acme_support, conversation, JANUARY + DAY, 1100)
        found = balance(acme_support, JANUARY + DAY)
        assert (found.granted, found.remaining, found.overage) == (1000, 0, 100)

        close_all(FIFTEENTH + DAY)
        invoice(FIFTEENTH + DAY)

        first, paid = periods_of(acme_support)[:2]
        frozen = first.usage.get()
        assert (frozen.policy, frozen.overage, frozen.overage_amount) == ("block", 100, 0)
        assert standing(first) == []
        only = Invoice.objects.get()
        assert (only.bill_at, only.total) == (paid.start, 2999)

    def test_what_is_unused_ends_with_it(self, acme_support, conversation):
        rolling = trial(allowances=[allowance(rollover_max="1000")], minimum_commitment="50")
        subscribe(acme_support, rolling, JANUARY)
        report(acme_support, conversation, JANUARY + DAY, 300)

        close_all(FIFTEENTH + DAY)

        frozen = periods_of(acme_support)[0].usage.get()
        assert (frozen.included, frozen.expired_unused, frozen.rolled_over) == (300, 700, 0)
        assert balance(acme_support, FIFTEENTH + DAY).remaining == 1000

    def test_admits_no_more_than_its_allowance_whatever_the_policy(
        self, tried, acme_support, conversation
    ):
        at = JANUARY + DAY
        reserve(
            workspace=acme_support, unit=conversation, quantity=Decimal(1000), now=at, key="all"
        )

        with pytest.raises(NotAdmittedError):
            reserve(
                workspace=acme_support, unit=conversation, quantity=Decimal(1), now=at, key="more"
            )

    def test_a_top_up_that_is_bought_is_paid(self, tried, acme_support, platform):
        band = tried.plan_version.top_ups.get()
        buy_on_account(workspace=acme_support, band=band, now=JANUARY + DAY, key="one")

        end(subscription=tried, end=FIFTEENTH, now=JANUARY + 2 * DAY)
        close_all(FIFTEENTH + DAY)
        invoice(FIFTEENTH + DAY)

        assert [str(row.total) for row in Invoice.objects.all()] == ["60.0000"]

    def test_cancelled_in_it_nothing_is_charged(self, tried, acme_support, conversation, platform):
        report(acme_support, conversation, JANUARY + DAY, 400)

        end(subscription=tried, end=JANUARY + 5 * DAY, now=JANUARY + 4 * DAY)
        close_all(JANUARY + 6 * DAY)
        invoice(MARCH)

        (only,) = periods_of(acme_support)
        assert (only.is_trial, only.end) == (True, JANUARY + 5 * DAY)
        assert only.usage.get().included == 400
        assert not Invoice.objects.exists()
        check_timeline(acme_support)

    def test_an_end_that_is_called_off_leaves_it_as_it_was(self, tried, acme_support):
        end(subscription=tried, end=JANUARY + 5 * DAY, now=JANUARY + DAY)

        keep(subscription=tried, now=JANUARY + 2 * DAY)

        first, paid = periods_of(acme_support)
        assert (first.end, paid.start) == (FIFTEENTH, FIFTEENTH)
        assert standing(paid) == [("implementation", "2500.00"), ("base", "499.00")]
        check_timeline(acme_support)

    def test_a_discount_for_a_number_of_periods_counts_the_paid_ones(
        self, acme_support, conversation
    ):
        """499.00 less 10 % in the first two paid periods."""
        launch = {"name": "Launch", "on": "fees", "percent": "10", "periods": 2}
        subscribe(acme_support, trial(discounts=[launch]), JANUARY, now=utc("2026-03-20"))

        discounts = [
            [line for line in standing(period) if line[0] == "discount"]
            for period in periods_of(acme_support)
        ]
        assert discounts == [[], [("discount", "-49.90")], [("discount", "-49.90")], [], []]


class TestOnActivation:
    def test_its_length_can_be_another_than_the_packages(self, acme_support, conversation):
        version = import_plan(agency=acme_support.agency, document=trial(), now=JANUARY)
        start = JANUARY + dt.timedelta(hours=10)

        made = activate(
            workspace=acme_support, plan_version=version, start=start, trial_days=3, now=start
        )

        assert made.trial_until == JANUARY + 3 * DAY  # the day it starts on is the first
        assert (
            activate(
                workspace=acme_support, plan_version=version, start=start, trial_days=3, now=start
            )
            == made
        )

    def test_or_none_at_all(self, acme_support, conversation):
        version = import_plan(agency=acme_support.agency, document=trial(), now=JANUARY)

        activate(
            workspace=acme_support, plan_version=version, start=JANUARY, trial_days=0, now=JANUARY
        )

        assert [period.is_trial for period in periods_of(acme_support)] == [False, False]

    @pytest.mark.parametrize("days", [-1, 367])
    def test_what_nobody_is_given_is_refused(self, acme_support, conversation, days):
        version = import_plan(agency=acme_support.agency, document=trial(), now=JANUARY)

        with pytest.raises(RefusedError, match="at most 366"):
            activate(
                workspace=acme_support,
                plan_version=version,
                start=JANUARY,
                trial_days=days,
                now=JANUARY,
            )

    def test_the_document_says_it(self):
        plan = parse_plan(trial())

        assert plan.trial_days == 14
        assert parse_plan(dump_plan(plan)) == plan
        with pytest.raises(DocumentError, match="at most 366"):
            parse_plan(trial() | {"trial_days": 400})


@pytest.mark.usefixtures("proved")
class TestAnotherEnd:
    def test_converted_early_it_is_paid_from_now_on(self, tried, acme_support, conversation):
        """At noon on 5 January: what was used before stays free, the day itself is charged."""
        noon = JANUARY + 4 * DAY + dt.timedelta(hours=12, minutes=7)
        at = noon - dt.timedelta(minutes=7)
        report(acme_support, conversation, at - dt.timedelta(hours=1), 40)
        report(acme_support, conversation, at, 2)

        convert_trial(subscription=tried, now=noon)

        first, paid, _next = periods_of(acme_support)
        assert (first.end, paid.start, paid.end) == (at, at, utc("2026-02-05T05:00"))
        assert standing(paid) == [("implementation", "2500.00"), ("base", "499.00")]
        found = balance(acme_support, noon)
        assert (found.used, found.remaining) == (2, 998)
        assert convert_trial(subscription=tried, now=noon).charged_from == at
        close_all(at + DAY)
        assert first.usage.get().used == 40
        check_timeline(acme_support)

    def test_converted_as_it_begins_there_was_none(self, tried, acme_support, conversation):
        reserve(
            workspace=acme_support, unit=conversation, quantity=Decimal(5), now=JANUARY, key="held"
        )

        made = convert_trial(subscription=tried, now=JANUARY)

        assert made.trial_until is None
        assert [period.is_trial for period in periods_of(acme_support)] == [False, False]
        check_timeline(acme_support)

    def test_extended_it_ends_with_the_day_that_is_named(self, tried, acme_support):
        moved = move_trial_end(
            subscription=tried, last_day=dt.date(2026, 1, 31), now=JANUARY + DAY, reason="Holidays"
        )

        first, paid = periods_of(acme_support)
        assert (first.end, paid.start, paid.end) == (FEBRUARY, FEBRUARY, MARCH)
        assert standing(paid) == [("implementation", "2500.00"), ("base", "499.00")]
        assert moved.trial_until == FEBRUARY
        (change,) = moved.changes.filter(kind=SubscriptionChange.Kind.TRIAL_MOVED)
        assert (change.reason, change.in_trial) == ("Holidays", True)
        check_timeline(acme_support)

    def test_what_has_passed_cannot_be_its_last_day(self, tried):
        with pytest.raises(RefusedError, match="today or later"):
            move_trial_end(subscription=tried, last_day=dt.date(2026, 1, 4), now=JANUARY + 4 * DAY)

    def test_neither_is_possible_once_it_is_over(self, tried, acme_support):
        with pytest.raises(RefusedError, match="not on trial"):
            convert_trial(subscription=tried, now=FIFTEENTH)
        with pytest.raises(RefusedError, match="not on trial"):
            move_trial_end(subscription=tried, last_day=dt.date(2026, 2, 1), now=FIFTEENTH)

    def test_nor_while_something_is_planned_for_its_end(self, tried, acme_support):
        end(subscription=tried, end=FIFTEENTH, now=JANUARY)

        with pytest.raises(RefusedError, match="call that off first"):
            convert_trial(subscription=tried, now=JANUARY + DAY)


@pytest.mark.usefixtures("proved")
class TestTogetherWithOtherChanges:
    def growth(self, workspace, **changes):
        plan = starter(name="Growth", allowances=[allowance(included="5000")], anchor=None)
        plan["fees"] = [
            {"name": "Setup", "kind": "implementation", "amount": "1000", "when": "once"},
            {"name": "Growth", "kind": "base", "amount": "999", "when": "period"},
        ]
        return import_plan(agency=workspace.agency, document=plan | changes, now=JANUARY)

    def test_another_package_in_it_goes_on_as_a_trial(self, tried, acme_support, conversation):
        report(acme_support, conversation, JANUARY + DAY, 900)
        now = JANUARY + 3 * DAY + dt.timedelta(hours=9)

        following = change_plan(
            subscription=tried, plan_version=self.growth(acme_support), when="now", now=now
        )

        before, rest, paid = periods_of(acme_support)
        assert [p.is_trial for p in (before, rest, paid)] == [True, True, False]
        assert (rest.start, rest.end) == (JANUARY + 3 * DAY, FIFTEENTH)
        assert following.trial_until == FIFTEENTH
        assert balance(acme_support, now).remaining == 5000
        assert standing(paid) == [("implementation", "1000.00"), ("base", "999.00")]
        check_timeline(acme_support)
        close_all(FIFTEENTH + DAY)

    def test_another_package_with_the_next_period_begins_as_the_paid_one(self, tried, acme_support):
        following = change_plan(
            subscription=tried,
            plan_version=self.growth(acme_support),
            when="period_end",
            now=JANUARY + DAY,
        )

        first, paid = periods_of(acme_support)
        assert (first.is_trial, paid.start, paid.subscription) == (True, FIFTEENTH, following)
        assert standing(paid) == [("implementation", "1000.00"), ("base", "999.00")]

    def test_once_it_is_over_what_was_asked_once_stays_asked(self, tried, acme_support):
        now = FIFTEENTH + dt.timedelta(hours=9)
        change_plan(subscription=tried, plan_version=self.growth(acme_support), when="now", now=now)

        once = Charge.objects.standing().filter(kind="implementation")
        assert [str(row.amount) for row in once] == ["2500.0000"]

    def test_a_pause_waits_for_its_end(self, tried, acme_support):
        with pytest.raises(RefusedError, match="on trial until"):
            pause(subscription=tried, at=JANUARY + 3 * DAY, now=JANUARY + 2 * DAY)

        paused = pause(subscription=tried, at=FIFTEENTH, now=JANUARY + 2 * DAY)
        resume(subscription=paused, at=FEBRUARY, now=JANUARY + 3 * DAY)

        _first, paid = periods_of(acme_support)
        assert paid.start == FEBRUARY
        assert ("implementation", "2500.00") in standing(paid)

    def test_in_another_zone_it_ends_with_the_same_date(self, tried, acme_support):
        now = JANUARY + 2 * DAY
        change_timezone(client=acme_support.client, timezone="Europe/Berlin", now=now)

        first, paid = periods_of(acme_support)
        assert first.end == paid.start == utc("2026-01-14T23:00")
        assert paid.end == utc("2026-02-14T23:00")
        assert standing(paid) == [("implementation", "2500.00"), ("base", "499.00")]
        check_timeline(acme_support)

    def test_a_zone_in_which_its_last_day_is_over_gives_it_one_more(self, tried, acme_support):
        """At 20:00 UTC on the 14th, Tokyo's 15th has begun."""
        now = utc("2026-01-14T20:00")
        change_timezone(client=acme_support.client, timezone="Asia/Tokyo", now=now)

        first, paid = periods_of(acme_support)
        assert first.end == utc("2026-01-15T15:00")
        assert (paid.start, paid.full_start) == (first.end, first.end)
        check_timeline(acme_support)


class TestTheMessage:
    def test_goes_to_both_sides_three_days_before_and_once(self, tried, acme_support, owner):
        early, due = FIFTEENTH - 3 * DAY - dt.timedelta(minutes=1), FIFTEENTH - 3 * DAY

        assert announce_trial_ends(now=early) == 0
        assert announce_trial_ends(now=due) == 1
        assert announce_trial_ends(now=due + DAY) == 0

        client, agency = Mail.objects.order_by("pk")
        assert (client.recipients, agency.recipients) == (
            ["billing@acme.example"],
            ["owner@northwind.example"],
        )
        assert client.subject == "Acme support chat: the trial ends on January 14, 2026"
        assert "$2,999.00 before tax are invoiced then." in client.body_text
        assert "of Acme lasts until January 14, 2026" in agency.body_text
        assert "$2,999.00" in client.body_html

    def test_comes_again_for_another_end(self, tried, owner):
        announce_trial_ends(now=FIFTEENTH - DAY)
        move_trial_end(subscription=tried, last_day=dt.date(2026, 1, 31), now=FIFTEENTH - DAY)

        assert announce_trial_ends(now=FIFTEENTH - DAY) == 0
        assert announce_trial_ends(now=FEBRUARY - DAY) == 1

    def test_stays_away_where_nothing_will_be_charged(self, tried, owner):
        end(subscription=tried, end=FIFTEENTH, now=JANUARY)

        assert announce_trial_ends(now=FIFTEENTH - DAY) == 0


def test_days_are_local_ones():
    """Three days from the afternoon before the clocks go forward: 71 hours to the third midnight,
    less the afternoon."""
    start = utc("2026-03-07T20:00")
    assert trial_end(start, 3, "America/New_York") == utc("2026-03-10T04:00")


def test_a_day_that_is_shorter_than_nothing_is_no_trial():
    """Begun at midnight in Pago Pago for a day, the same date is over in Kiritimati before that."""
    start = utc("2026-01-05T11:00")
    until = trial_end(start, 1, "Pacific/Pago_Pago")
    moved = trial_end_in_zone(
        until,
        start=start,
        now=start,
        old_timezone="Pacific/Pago_Pago",
        new_timezone="Pacific/Kiritimati",
    )
    assert moved == utc("2026-01-06T10:00")
