"""A workspace moves to another plan: now, or with its next period."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Charge, ChargeVoid, CreditGrant, Subscription, SubscriptionChange
from billing.refusals import RefusedError
from billing.services import subscriptions
from billing.services.plan_changes import change_plan
from billing.services.plans import import_plan
from billing.services.purchases import buy_on_account
from billing.services.reservations import commit_reservation, reserve
from clients.services.recording import SubmittedEvent

from .lifecycles import (
    asked,
    balance,
    check_timeline,
    close_all,
    invoice,
    report,
    standing,
)
from .plan_samples import NEW_YORK_2026, allowance, starter
from .story import lines_of, periods_of, subscribe, utc

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("proved")]

JANUARY, FEBRUARY, MARCH, APRIL = (NEW_YORK_2026[month] for month in range(1, 5))
SIXTEENTH = utc("2026-01-16T05:00")
NOON = SIXTEENTH + dt.timedelta(hours=7)
DAY = dt.timedelta(days=1)


def growth(**changes):
    """999.00 a month, 5,000 conversations."""
    plan = starter(name="Growth", allowances=[allowance(included="5000")])
    plan["fees"] = [{"name": "Growth", "kind": "base", "amount": "999", "when": "period"}]
    return plan | changes


def move_to(subscription, plan, now, *, when="now"):
    version = import_plan(agency=subscription.workspace.agency, document=plan, now=now)
    return change_plan(subscription=subscription, plan_version=version, when=when, now=now)


class TestNow:
    def test_the_engines_example(self, acme_support, conversation):
        """1,000 -> 5,000 on day 16 of 31, 900 used: shares 484 and 2,581; 2,165 left."""
        subscription = subscribe(acme_support, starter(), JANUARY)
        report(acme_support, conversation, JANUARY + 3 * DAY, 900)

        following = move_to(subscription, growth(), NOON)

        found = balance(acme_support, NOON)
        assert (found.remaining, found.overage) == (2165, 0)
        before, after, february = periods_of(acme_support)
        assert (before.end, before.full_end) == (SIXTEENTH, FEBRUARY)
        assert (after.start, after.end) == (SIXTEENTH, FEBRUARY)
        assert (after.subscription, february.subscription) == (following, following)
        check_timeline(acme_support)

        close_all(SIXTEENTH + DAY)

        assert balance(acme_support, SIXTEENTH + DAY).remaining == 2165
        (frozen,) = before.usage.all()
        assert (frozen.used, frozen.included, frozen.overage) == (900, 900, 0)

    def test_the_old_fee_is_credited_and_the_new_one_asked_for_the_rest(
        self, acme_support, conversation, platform
    ):
        """499 x 16/31 = 257.548..., 999 x 16/31 = 515.612..."""
        subscription = subscribe(acme_support, starter(), JANUARY)
        invoice(JANUARY)

        move_to(subscription, growth(), NOON)

        before, after, february = periods_of(acme_support)
        assert standing(before) == [
            ("implementation", "2500.00"),
            ("base", "499.00"),
            ("credit", "-257.55"),
        ]
        assert standing(after) == [("base", "515.61")]
        assert standing(february) == [("base", "999.00")]
        credit = before.charges.get(kind="credit")
        assert (credit.bill_at, credit.description) == (SIXTEENTH, "Credit: Base package")
        assert after.charges.get().description == "Growth (16 of 31 days)"

    def test_credit_new_fee_and_usage_meet_on_one_invoice(
        self, acme_support, conversation, platform
    ):
        subscription = subscribe(acme_support, starter(), JANUARY)
        invoice(JANUARY)
        report(acme_support, conversation, JANUARY + 3 * DAY, 1010)
        move_to(subscription, growth(), NOON)

        close_all(SIXTEENTH + DAY)
        invoice(SIXTEENTH + DAY)

        _first, second = acme_support.client.invoices.order_by("bill_at")
        assert second.bill_at == SIXTEENTH
        assert sorted(str(line.net) for line in second.lines.all()) == sorted(
            ["-257.5500", "515.6100", "1.0000"]
        )

    def test_what_is_on_no_invoice_yet_is_taken_back_instead(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), JANUARY)

        move_to(subscription, growth(), NOON)

        before, after, _february = periods_of(acme_support)
        assert standing(before) == [("implementation", "2500.00"), ("base", "241.45")]
        assert before.charges.filter(kind="base").order_by("pk").last().bill_at == JANUARY
        assert standing(after) == [("base", "515.61")]
        withdrawn = Charge.objects.get(period__state="withdrawn")
        assert withdrawn.void.move.fees == "withdrawn"
        assert withdrawn not in Charge.objects.waiting()

    def test_usage_of_the_day_belongs_to_the_new_plan(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), JANUARY)
        report(acme_support, conversation, SIXTEENTH - dt.timedelta(minutes=1), 3)
        report(acme_support, conversation, SIXTEENTH, 4)

        move_to(subscription, growth(), NOON)

        assert balance(acme_support, NOON).used == 4
        close_all(SIXTEENTH + DAY)
        assert periods_of(acme_support)[0].usage.get().used == 3

    def test_late_usage_of_the_old_part_counts_before_it_closes(self, acme_support, conversation):
        """900 used when the plan changes, 50 more of the day before come in after it."""
        subscription = subscribe(acme_support, starter(), JANUARY)
        report(acme_support, conversation, JANUARY + 3 * DAY, 900)
        move_to(subscription, growth(), NOON)

        report(acme_support, conversation, SIXTEENTH - DAY, 50, now=NOON)

        assert balance(acme_support, NOON).remaining == 2115
        close_all(SIXTEENTH + DAY)
        assert balance(acme_support, SIXTEENTH + DAY).remaining == 2115
        grant = CreditGrant.objects.get(period=periods_of(acme_support)[1])
        assert grant.revocations.get().quantity == 466
        assert grant.revocations.get().reason == "Used ahead under the plan before"

    def test_what_was_not_used_of_the_old_share_is_not_carried(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), JANUARY)
        report(acme_support, conversation, JANUARY + 3 * DAY, 100)

        move_to(subscription, growth(), NOON)

        assert balance(acme_support, NOON).remaining == 2581

    def test_what_rolls_over_does_so_at_a_change_too(self, acme_support, conversation):
        """484 of the old share less 100 used are 384, of which 200 roll over."""
        subscription = subscribe(
            acme_support, starter(allowances=[allowance(rollover_max="200")]), JANUARY
        )
        report(acme_support, conversation, JANUARY + 3 * DAY, 100)

        move_to(subscription, growth(), NOON)

        assert balance(acme_support, NOON).remaining == 2781
        close_all(SIXTEENTH + DAY)
        assert balance(acme_support, SIXTEENTH + DAY).remaining == 2781
        rollover = CreditGrant.objects.get(kind="rollover")
        assert (rollover.quantity, rollover.expires_at) == (200, FEBRUARY)
        assert periods_of(acme_support)[0].usage.get().expired_unused == 184

    def test_rollover_that_was_burned_is_not_used_ahead(self, acme_support, conversation):
        """In February 200 rolled over burn first: of 900 used 700 are of the allowance, 200 ahead
        of the 500 that 14 of 28 days come to."""
        subscription = subscribe(
            acme_support, starter(allowances=[allowance(rollover_max="200")]), JANUARY
        )
        close_all(FEBRUARY + DAY)
        report(acme_support, conversation, FEBRUARY + 3 * DAY, 900)
        subscriptions.ensure_periods(subscription=subscription, now=FEBRUARY + DAY)

        move_to(subscription, growth(), utc("2026-02-15T12:00"))

        assert balance(acme_support, utc("2026-02-15T12:00")).remaining == 2500 - 200

    def test_top_ups_are_carried(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), JANUARY)
        bought = subscription.plan_version.top_ups.get()
        buy_on_account(workspace=acme_support, band=bought, now=JANUARY + DAY, key="one")
        report(acme_support, conversation, JANUARY + 3 * DAY, 1100)

        move_to(subscription, growth(), NOON)

        # 1,000 of the allowance are 516 ahead of its share; 400 of the top-up are left.
        assert balance(acme_support, NOON).remaining == 2581 - 516 + 400

    def test_changed_twice_what_the_first_change_left_counts(self, acme_support, conversation):
        """2,165 are left for 16 days. Of 700 used, 4 of 31 days' share is 646 less 416: 230."""
        subscription = subscribe(acme_support, starter(), JANUARY)
        report(acme_support, conversation, JANUARY + 3 * DAY, 900)
        following = move_to(subscription, growth(), NOON)
        report(acme_support, conversation, NOON, 700)

        move_to(following, growth(name="Other"), NOON + 4 * DAY)

        left = 1936 - (700 - 230)  # 12 of 31 days of 5,000 are 1,935.48
        assert balance(acme_support, NOON + 4 * DAY).remaining == left
        close_all(NOON + 6 * DAY)
        assert balance(acme_support, NOON + 6 * DAY).remaining == left
        assert not Charge.objects.filter(kind="overage").exists()
        check_timeline(acme_support)

    def test_on_the_first_day_the_old_plan_never_came_to_be(
        self, acme_support, conversation, platform
    ):
        subscription = subscribe(acme_support, starter(), utc("2026-01-16T14:00"))
        invoice(utc("2026-01-16T14:00"))
        report(acme_support, conversation, utc("2026-01-16T15:00"), 5)

        move_to(subscription, growth(), utc("2026-01-16T20:00"))

        subscription.refresh_from_db()
        assert subscription.end == subscription.start
        check_timeline(acme_support)
        assert balance(acme_support, utc("2026-01-16T20:00")).used == 5
        assert balance(acme_support, utc("2026-01-16T20:00")).remaining == 2581 - 5
        # What is asked once stays asked; 257.55 of the base package are given back.
        assert asked(acme_support) == Decimal("2500.00") + Decimal("515.61") + Decimal("999.00")

    def test_what_is_held_is_held_in_the_new_period(self, acme_support, conversation):
        block = {"policy": "block"}
        subscription = subscribe(
            acme_support, starter(allowances=[allowance(overage=block)]), JANUARY
        )
        held = reserve(workspace=acme_support, unit=conversation, quantity=Decimal(3), now=NOON)

        move_to(subscription, growth(allowances=[allowance(included="5000", overage=block)]), NOON)

        held.refresh_from_db()
        assert (held.window.start, held.window.reserved) == (SIXTEENTH, 3)
        commit_reservation(
            reservation=held,
            event=SubmittedEvent(id="held", unit="conversation", quantity=Decimal(2)),
            now=NOON,
        )
        found = balance(acme_support, NOON)
        assert (found.used, found.period.start) == (2, SIXTEENTH)

    def test_held_in_a_period_that_never_came_to_be_is_held_on(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), NOON)
        held = reserve(workspace=acme_support, unit=conversation, quantity=Decimal(3), now=NOON)

        move_to(subscription, growth(), NOON)

        held.refresh_from_db()
        assert (held.window.start, held.window.reserved, held.window.end) == (NOON, 3, FEBRUARY)
        check_timeline(acme_support)

    def test_another_interval_counts_from_the_change(self, acme_support, conversation):
        yearly = growth(interval="year")
        del yearly["anchor"]
        subscription = subscribe(acme_support, starter(), JANUARY)

        following = move_to(subscription, yearly, NOON)

        assert following.anchor_date == dt.date(2026, 1, 16)
        assert [p.end for p in periods_of(acme_support)[1:2]] == [utc("2027-01-16T05:00")]
        assert standing(periods_of(acme_support)[1]) == [("base", "999.00")]
        check_timeline(acme_support)

    def test_an_anchor_stays_where_the_interval_does(self, acme_support, conversation):
        plan = starter()
        del plan["anchor"]
        subscription = subscribe(acme_support, plan, utc("2026-01-31T12:00"))
        change_at = utc("2026-02-10T12:00")

        move_to(subscription, growth(), change_at)
        subscriptions.ensure_due_periods(now=utc("2026-03-20"))

        assert [period.start for period in periods_of(acme_support)] == [
            utc("2026-01-31T12:00"),
            utc("2026-02-10T05:00"),
            utc("2026-02-28T05:00"),
            utc("2026-03-31T04:00"),
        ]

    def test_a_minimum_is_asked_for_each_part_by_its_days(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(minimum_commitment="310"), JANUARY)
        move_to(subscription, growth(minimum_commitment="620"), NOON)

        close_all(FEBRUARY + DAY)

        minimums = Charge.objects.filter(kind="minimum").order_by("bill_at")
        assert [row.amount for row in minimums] == [Decimal(150), Decimal(320)]


class TestWithTheNextPeriod:
    def test_the_running_period_stays_and_the_next_is_of_the_new_plan(
        self, acme_support, conversation, platform
    ):
        subscription = subscribe(acme_support, starter(), JANUARY)
        invoice(JANUARY)

        move_to(subscription, growth(), NOON, when="period_end")

        january, february = periods_of(acme_support)
        assert (january.end, lines_of(january)[1:]) == (FEBRUARY, [("base", "1", "499.00")])
        assert standing(february) == [("base", "999.00")]
        assert february.grants.get().quantity == 5000
        check_timeline(acme_support)
        close_all(FEBRUARY + DAY)
        invoice(FEBRUARY + DAY)
        assert {line.net for line in acme_support.client.invoices.latest("pk").lines.all()} == {
            Decimal(999)
        }

    def test_what_rolls_over_crosses_to_the_new_plan(self, acme_support, conversation):
        subscription = subscribe(
            acme_support, starter(allowances=[allowance(rollover_max="200")]), JANUARY
        )
        move_to(subscription, growth(), NOON, when="period_end")

        close_all(FEBRUARY + DAY)

        assert balance(acme_support, FEBRUARY + DAY).remaining == 5200

    def test_a_planned_change_gives_way_to_another(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), JANUARY)
        planned = move_to(subscription, growth(), NOON, when="period_end")

        other = move_to(subscription, growth(name="Other"), NOON, when="period_end")

        planned.refresh_from_db()
        assert planned.end == planned.start
        assert [p.subscription for p in periods_of(acme_support)] == [subscription, other]
        assert asked(acme_support) == Decimal(2500 + 499 + 999)
        check_timeline(acme_support)

    def test_a_planned_change_can_be_called_off(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), JANUARY)
        move_to(subscription, growth(), NOON, when="period_end")

        kept = subscriptions.keep(subscription=subscription, now=NOON)

        assert (kept.end, kept.goes_on) == (None, False)
        assert standing(periods_of(acme_support)[1]) == [("base", "499.00")]
        assert asked(acme_support) == Decimal(2500 + 499 + 499)
        check_timeline(acme_support)

    def test_a_planned_end_stays_planned_under_the_new_plan(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), JANUARY, end=MARCH)

        assert move_to(subscription, growth(), NOON, when="period_end").end == MARCH


class TestRefusals:
    def test_the_version_that_it_is_on(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), JANUARY)
        with pytest.raises(RefusedError, match="is on Support Starter v1 already"):
            move_to(subscription, starter(), NOON)

    def test_another_currency_and_another_agencys_plan(
        self, acme_support, conversation, harbor, harbor_conversation
    ):
        subscription = subscribe(acme_support, starter(), JANUARY)
        with pytest.raises(RefusedError, match="pays in USD"):
            move_to(subscription, growth(currency="EUR"), NOON)
        foreign = import_plan(agency=harbor, document=growth(), now=JANUARY)
        with pytest.raises(RefusedError, match="is not a plan of Northwind"):
            change_plan(subscription=subscription, plan_version=foreign, when="now", now=NOON)

    def test_one_that_is_not_running(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), JANUARY)
        following = move_to(subscription, growth(), NOON)

        with pytest.raises(RefusedError, match="is not running"):
            move_to(subscription, starter(name="Third"), NOON + DAY)
        assert Subscription.objects.filter(end=None).get() == following

    def test_refused_it_changes_nothing(self, acme_support, conversation, row_counts):
        subscription = subscribe(acme_support, starter(), JANUARY)
        version = import_plan(
            agency=acme_support.agency, document=growth(currency="EUR"), now=JANUARY
        )
        before = row_counts()

        with pytest.raises(RefusedError):
            change_plan(subscription=subscription, plan_version=version, when="now", now=NOON)
        assert row_counts() == before


def test_who_did_what_is_kept(acme_support, conversation, operator):
    subscription = subscribe(acme_support, starter(), JANUARY)
    version = import_plan(agency=acme_support.agency, document=growth(), now=JANUARY)

    change_plan(
        subscription=subscription,
        plan_version=version,
        when="now",
        now=NOON,
        changed_by=operator,
        reason="They grow",
    )

    activated, changed = SubscriptionChange.objects.order_by("pk")
    assert (activated.kind, activated.to_version) == ("activated", subscription.plan_version)
    assert (changed.kind, changed.made_by, changed.reason) == (
        "plan_changed",
        operator,
        "They grow",
    )
    assert (changed.effective_at, changed.made_at) == (SIXTEENTH, NOON)
    assert (changed.from_version, changed.to_version) == (subscription.plan_version, version)
    moves = {(m.period.start, m.end_before, m.end_after) for m in changed.moves.all()}
    assert moves == {(JANUARY, FEBRUARY, SIXTEENTH), (FEBRUARY, MARCH, None)}
    assert ChargeVoid.objects.count() == 2
