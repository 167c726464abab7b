"""Late usage and corrections of periods that stopped before their boundary."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import BillingPeriod, Charge, CreditGrant, LateSettlement, Subscription
from billing.services.late_usage import settle_late_usage
from billing.services.reservations import reserve
from billing.services.subscriptions import end
from clients.models import UsageEvent
from clients.services.corrections import correct_event

from .lifecycles import balance, close_all, report
from .plan_samples import NEW_YORK_2026, allowance, starter
from .story import periods_of, subscribe, utc, whole
from .test_plan_changes import growth, move_to

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("proved")]

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
ELEVENTH, SIXTEENTH = utc("2026-01-11T05:00"), utc("2026-01-16T05:00")
DAY = dt.timedelta(days=1)
LATER = SIXTEENTH + 4 * DAY


def correct(quantity: int, now: dt.datetime = LATER) -> None:
    """The first event counts so much after all."""
    event = UsageEvent.objects.order_by("pk")[0]
    correct_event(
        workspace=event.workspace,
        event_id=event.external_id,
        quantity=Decimal(quantity),
        reason="Counted twice",
        key=f"to {quantity}",
        now=now,
    )


def settle(now: dt.datetime = LATER) -> tuple[int, ...]:
    """quantity, from the period, from grants, overage of what a sweep settles, each an hour after
    the one before"""
    now += LateSettlement.objects.count() * dt.timedelta(hours=1)
    settled, failed = settle_late_usage(now=now)
    assert (settled, failed) == (1, [])
    row = LateSettlement.objects.order_by("pk").last()
    return whole(row.quantity, row.from_period, row.from_grants, row.overage)


def _usage(period: BillingPeriod) -> tuple[Decimal, Decimal]:
    (row,) = period.usage.all()
    return row.used, row.overage


class TestAnEarlyEnd:
    """January ends after the 10th: 10 of 31 days of 1,000 are 323."""

    @pytest.fixture
    def used(self, acme_support, conversation):
        def use(quantity: int) -> None:
            subscription = subscribe(acme_support, starter(), JANUARY)
            report(acme_support, conversation, JANUARY + DAY, quantity)
            end(subscription=subscription, end=ELEVENTH, now=JANUARY + 2 * DAY)
            close_all(ELEVENTH + DAY)

        return use

    def late(self, workspace, unit, quantity: int) -> None:
        report(workspace, unit, JANUARY + 5 * DAY, quantity, now=LATER)

    def test_what_comes_late_makes_the_allowance_grow_up_to_a_full_one(
        self, acme_support, conversation, used
    ):
        used(200)
        self.late(acme_support, conversation, 100)
        assert settle() == (100, 100, 0, 0)
        assert not CreditGrant.objects.filter(key__startswith="allowance-late").exists()
        self.late(acme_support, conversation, 400)
        assert settle() == (400, 400, 0, 0)
        self.late(acme_support, conversation, 350)
        assert settle() == (350, 300, 0, 50)

        grown = CreditGrant.objects.filter(key__startswith="allowance-late").order_by("pk")
        assert [int(grant.quantity) for grant in grown] == [377, 300]
        assert {grant.period.end for grant in grown} == {ELEVENTH}
        assert Charge.objects.get(kind="late_usage").amount == 5

    def test_beyond_what_closing_gave(self, acme_support, conversation, used):
        used(700)
        self.late(acme_support, conversation, 400)

        assert settle() == (400, 300, 0, 100)

    def test_a_reduction_and_what_comes_after_it(self, acme_support, conversation, used):
        used(700)
        correct(500)
        assert settle() == (-200, -200, 0, 0)
        self.late(acme_support, conversation, 300)

        assert settle() == (300, 300, 0, 0)
        (grown,) = CreditGrant.objects.filter(key__startswith="allowance-late")
        assert grown.quantity == 100

    def test_one_that_is_not_prorated_is_full_as_it_is(self, acme_support, conversation):
        plan = starter(allowances=[allowance(prorate=False)])
        subscription = subscribe(acme_support, plan, JANUARY)
        report(acme_support, conversation, JANUARY + DAY, 900)
        end(subscription=subscription, end=ELEVENTH, now=JANUARY + 2 * DAY)
        close_all(ELEVENTH + DAY)
        self.late(acme_support, conversation, 150)

        assert settle() == (150, 100, 0, 50)


class TestAChangeOfPlan:
    """1,000 -> 5,000 on the 16th, 900 used: 416 ahead of 484, so the new part gives 2,165."""

    @pytest.fixture(autouse=True)
    def closed(self, acme_support, conversation):
        subscription = subscribe(acme_support, starter(), JANUARY)
        report(acme_support, conversation, JANUARY + 3 * DAY, 900)
        move_to(subscription, growth(), SIXTEENTH + DAY / 2)
        close_all(SIXTEENTH + DAY)
        assert balance(acme_support, LATER).remaining == 2165

    def test_what_was_not_used_ahead_after_all_comes_back(self, acme_support):
        correct(700)

        assert settle() == (-200, -200, 0, 0)

        assert balance(acme_support, LATER).remaining == 2365
        back = CreditGrant.objects.get(kind="adjustment")
        assert (back.quantity, back.expires_at) == (200, FEBRUARY)

    def test_no_more_than_was_taken_for_it(self, acme_support):
        """484 were the old part's own: they are gone."""
        correct(300)

        assert settle() == (-600, -600, 0, 0)

        assert balance(acme_support, LATER).remaining == 2165 + 416

    def test_in_steps_it_comes_to_the_same(self, acme_support):
        for quantity in (800, 450, 300):
            correct(quantity)
            settle()

        assert balance(acme_support, LATER).remaining == 2165 + 416

    def test_what_came_back_covers_later_late_usage_of_its_time(self, acme_support, conversation):
        correct(700)
        settle()
        report(acme_support, conversation, JANUARY + 5 * DAY, 150, now=LATER)

        assert settle() == (150, 0, 150, 0)
        assert balance(acme_support, LATER).remaining == 2215

    def test_once_the_next_part_is_over_nothing_comes_back(self, acme_support):
        close_all(FEBRUARY + DAY)
        correct(700, FEBRUARY + 2 * DAY)

        assert settle(FEBRUARY + 2 * DAY) == (-200, -200, 0, 0)

        assert not CreditGrant.objects.filter(kind="adjustment").exists()

    def late(self, workspace, unit, quantity: int, now: dt.datetime = LATER) -> None:
        report(workspace, unit, JANUARY + 5 * DAY, quantity, now=now)

    def test_what_comes_late_for_the_old_part_is_taken_from_the_next_allowance(
        self, acme_support, conversation
    ):
        """As if it had come in time: 950 used are 466 ahead of 484, so 2,115 are left. All there
        was is 1,000; beyond that it is overage of the old part."""
        self.late(acme_support, conversation, 50)
        assert settle() == (50, 50, 0, 0)
        assert balance(acme_support, LATER).remaining == 2115
        self.late(acme_support, conversation, 150)

        assert settle() == (150, 50, 0, 100)

        assert balance(acme_support, LATER).remaining == 2065
        close_all(FEBRUARY + DAY)
        assert Charge.objects.get(kind="late_usage").amount == 10

    def test_it_comes_to_the_same_as_what_came_in_time(self, acme_support, conversation):
        """The new part uses all that is left, and 10 more: 2,115 and 10, however it came."""
        self.late(acme_support, conversation, 50)
        settle()
        report(acme_support, conversation, LATER, 2125)
        close_all(FEBRUARY + DAY)

        old, new = periods_of(acme_support)[:2]
        assert whole(*_usage(old)) == (900, 0)
        assert whole(*_usage(new)) == (2125, 10)

    def test_what_is_used_or_held_of_the_next_allowance_is_not_taken(
        self, acme_support, conversation
    ):
        """2,165 less 2,100 used and 40 held: 25 are left."""
        report(acme_support, conversation, LATER - DAY, 2100)
        reserve(
            workspace=acme_support, unit=conversation, quantity=Decimal(40), ttl=DAY / 24, now=LATER
        )
        self.late(acme_support, conversation, 60)

        assert settle() == (60, 25, 0, 35)

    def test_what_it_took_comes_back_when_it_is_corrected(self, acme_support, conversation):
        """950 used; corrected to 750: 266 ahead instead of 466, so 200 come back."""
        self.late(acme_support, conversation, 50)
        settle()
        correct(700)

        assert settle() == (-200, -200, 0, 0)

        assert balance(acme_support, LATER + 3 * DAY / 24).remaining == 2115 + 200

    def test_once_the_next_part_is_over_it_is_overage(self, acme_support, conversation):
        close_all(FEBRUARY + DAY)
        self.late(acme_support, conversation, 50, FEBRUARY + 2 * DAY)

        assert settle(FEBRUARY + 2 * DAY) == (50, 0, 0, 50)

    def test_another_change_goes_by_what_is_left(self, acme_support, conversation):
        """Shares of 484, 1,452 for nine days and 1,130 for seven are 3,066; 950 and 1,500 used."""
        self.late(acme_support, conversation, 50)
        settle()
        (second,) = Subscription.objects.filter(end=None)
        report(acme_support, conversation, LATER, 1500)
        move_to(second, growth(name="Growth 2"), SIXTEENTH + 9 * DAY + DAY / 2)
        close_all(SIXTEENTH + 11 * DAY)

        assert balance(acme_support, SIXTEENTH + 11 * DAY).remaining == 616

    def test_usage_beyond_the_change_is_of_the_new_part(self, acme_support, conversation):
        """It fell out of the window that was cut short, and counts in the open one."""
        report(acme_support, conversation, SIXTEENTH + DAY, 65, now=LATER)

        assert settle_late_usage(now=LATER) == (0, [])
        assert balance(acme_support, LATER).remaining == 2100
        assert [period.state for period in periods_of(acme_support)][:2] == ["closed", "open"]
