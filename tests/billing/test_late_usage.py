"""Late usage of closed periods: what it costs, what it draws, and where it is charged."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from agencyportal.core.append_only import AppendOnlyError
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    GrantUse,
    LateEntry,
    LateGrantUse,
    LateSettlement,
    MarginRule,
)
from billing.selectors import unit_balances
from billing.services import late_settlements, late_usage
from billing.services.grants import adjust
from billing.services.late_usage import settle_late_usage
from billing.services.purchases import buy_on_account
from billing.services.subscriptions import end
from clients.services.corrections import correct_event
from clients.services.recording import SubmittedEvent, record_events
from clients.services.units import create_unit

from .plan_samples import NEW_YORK_2026, allowance, band, bill, starter
from .story import close, periods_of, subscribe, utc, whole

JANUARY, FEBRUARY, MARCH, APRIL = (NEW_YORK_2026[month] for month in range(1, 5))
DAY = dt.timedelta(days=1)
MID_JANUARY = JANUARY + 14 * DAY
MID_FEBRUARY = FEBRUARY + 14 * DAY


def report(workspace, event_id: str, at: dt.datetime, quantity: int | str, **fields: Any) -> None:
    """An event of conversations, in time unless ``now`` says otherwise."""
    now = fields.pop("now", at)
    submitted = SubmittedEvent(
        id=event_id, unit="conversation", time=at, quantity=Decimal(quantity), **fields
    )
    record_events(workspace=workspace, events=[submitted], now=now)


def correct(workspace, event_id: str, quantity: int | str, now: dt.datetime = MID_FEBRUARY):
    return correct_event(
        workspace=workspace,
        event_id=event_id,
        quantity=Decimal(quantity),
        reason="Counted twice",
        key=f"{event_id} to {quantity}",
        now=now,
    )


def settle(now: dt.datetime = MID_FEBRUARY) -> list[LateSettlement]:
    """What a sweep writes."""
    known = set(LateSettlement.objects.values_list("pk", flat=True))
    settled, failed = settle_late_usage(now=now)
    assert failed == []
    made = list(LateSettlement.objects.exclude(pk__in=known).order_by("pk"))
    assert len(made) == settled
    return made


def units(row: LateSettlement) -> tuple[int, ...]:
    """quantity, from the period, from grants, overage"""
    return whole(row.quantity, row.from_period, row.from_grants, row.overage)


def late_lines(period: BillingPeriod) -> list[tuple[str, str, str]]:
    """Late charges that were written when a period closed: description, quantity, amount."""
    rows = Charge.objects.filter(kind="late_usage", key__startswith=f"late:{period.pk}:")
    return [
        (row.description, f"{row.quantity.normalize():f}", f"{row.amount:.2f}")
        for row in rows.order_by("pk")
    ]


@pytest.fixture
def january(acme_support, conversation):
    """Closes January with ``used`` of it, under a plan; returns its period."""

    def closed(used: int | str, plan: dict[str, Any] | None = None, **steps: Any) -> BillingPeriod:
        subscription = subscribe(acme_support, plan or starter(), JANUARY)
        for do in steps.get("before_use", ()):
            do(subscription)
        if Decimal(used):
            report(acme_support, "in time", MID_JANUARY, used)
        return close(periods_of(acme_support)[0])

    return closed


class TestWithinWhatExpired:
    def test_it_costs_nothing(self, acme_support, january):
        frozen = january(900).usage.get()
        report(acme_support, "late", MID_JANUARY, 60, now=MID_FEBRUARY)

        (settled,) = settle()

        assert units(settled) == (60, 60, 0, 0)
        assert settled.amount == 0
        assert settled.settled_in == periods_of(acme_support)[1]
        assert not late_lines(close(periods_of(acme_support)[1]))
        assert frozen.expired_unused == 100  # what is frozen stays

    def test_what_expired_is_used_once(self, acme_support, january):
        january(900)
        for number, quantity in enumerate((60, 30, 30)):
            report(acme_support, f"late {number}", MID_JANUARY, quantity, now=MID_FEBRUARY)
            settle()

        rows = LateSettlement.objects.order_by("number")
        assert [units(row) for row in rows] == [(60, 60, 0, 0), (30, 30, 0, 0), (30, 10, 0, 20)]

    def test_a_sweep_that_finds_nothing_writes_nothing(self, acme_support, january, row_counts):
        january(900)
        report(acme_support, "late", MID_JANUARY, 60, now=MID_FEBRUARY)
        settle()
        before = row_counts()

        assert settle() == []
        assert row_counts() == before

    def test_what_is_settled_cannot_be_changed(self, acme_support, january):
        january(900)
        report(acme_support, "late", MID_JANUARY, 60, now=MID_FEBRUARY)
        settle()

        for model in (LateSettlement, LateEntry, LateGrantUse):
            with pytest.raises(AppendOnlyError):
                model.objects.all().delete()
        with pytest.raises(AppendOnlyError):
            LateSettlement.objects.update(overage_amount=1)


class TestBeyondIt:
    def test_the_rest_is_charged_with_the_open_period(self, acme_support, january):
        january(900)
        report(acme_support, "late", MID_JANUARY, 150, now=MID_FEBRUARY)

        (settled,) = settle()
        assert units(settled) == (150, 100, 0, 50)
        assert settled.amount == Decimal("5.00")
        assert settled.charge is None

        february = close(periods_of(acme_support)[1])
        assert late_lines(february) == [
            ("Late usage: conversations, 2026-01-01 to 2026-01-31", "50", "5.00")
        ]
        charge = Charge.objects.get(kind="late_usage")
        assert (charge.period, charge.bill_at) == (settled.period, february.end)
        settled.refresh_from_db()
        assert settled.charge == charge

    def test_it_goes_on_in_the_tiers_of_its_period(self, acme_support, january):
        """50 of 100 in the first tier are billed; 80 more are 50 there and 30 in the next."""
        tiers = [{"up_to": "100", "unit_amount": "0.10"}, {"up_to": None, "unit_amount": "0.05"}]
        plan = starter(allowances=[allowance(overage=bill({"model": "graduated", "tiers": tiers}))])
        assert january(1050, plan).usage.get().overage_amount == Decimal("5.00")
        report(acme_support, "late", MID_JANUARY, 80, now=MID_FEBRUARY)

        (settled,) = settle()

        assert settled.amount == Decimal("6.50")  # 11.50 - 5.00

    def test_under_volume_a_lower_tier_of_all_may_give_money_back(self, acme_support, january):
        tiers = [{"up_to": "100", "unit_amount": "0.10"}, {"up_to": None, "unit_amount": "0.05"}]
        plan = starter(allowances=[allowance(overage=bill({"model": "volume", "tiers": tiers}))])
        january(1100, plan)
        report(acme_support, "late", MID_JANUARY, 1, now=MID_FEBRUARY)

        (settled,) = settle()

        assert settled.amount == Decimal("-4.95")  # 5.05 - 10.00

    def test_only_the_total_is_rounded(self, acme_support, january):
        """Three times one unit at 0.0335 is 0.10, not three times 0.03."""
        pricing = {"model": "per_unit", "unit_amount": "0.0335"}
        january(1000, starter(allowances=[allowance(overage=bill(pricing))]))
        for number in range(3):
            report(acme_support, f"late {number}", MID_JANUARY, 1, now=MID_FEBRUARY)
            settle()

        amounts = [row.amount for row in LateSettlement.objects.order_by("number")]
        assert amounts == [Decimal("0.03"), Decimal("0.04"), Decimal("0.03")]
        february = close(periods_of(acme_support)[1])
        assert late_lines(february)[0][1:] == ("3", "0.10")  # one line, whatever trickled in

    def test_the_cap_of_the_period_holds(self, acme_support, january):
        pricing = {"model": "per_unit", "unit_amount": "0.10"}
        plan = starter(allowances=[allowance(overage=bill(pricing, cap_amount="8.00"))])
        january(1050, plan)
        report(acme_support, "late", MID_JANUARY, 100, now=MID_FEBRUARY)

        (settled,) = settle()

        assert units(settled) == (100, 0, 0, 100)
        assert settled.amount == Decimal("3.00")  # 8.00 - 5.00

    def test_what_the_minimum_has_charged_already_is_not_charged_again(self, acme_support, january):
        """Minimum 20.00: 5.00 of overage and 15.00. 120 more are 12.00 of it: nothing new; then
        80 more are 8.00, of which 5.00 are beyond it."""
        period = january(1050, starter(minimum_commitment="20.00"))
        assert [row.amount for row in period.charges.filter(kind="minimum")] == [Decimal(15)]
        report(acme_support, "late", MID_JANUARY, 120, now=MID_FEBRUARY)
        (first,) = settle()
        report(acme_support, "later", MID_JANUARY, 80, now=MID_FEBRUARY)
        (second,) = settle()

        assert (first.overage_amount, first.minimum_amount, first.amount) == (12, -12, 0)
        assert (second.overage_amount, second.minimum_amount, second.amount) == (8, -3, 5)
        assert late_lines(close(periods_of(acme_support)[1]))[0][1:] == ("200", "5.00")

    def test_cost_plus_takes_the_late_cost_into_the_periods(self, acme_support, january):
        """cost 20 x 100 / 1100 before; 25 x 150 / 1150 with 50 more that cost 5."""
        pricing = {"model": "cost_plus", "margin_percent": "10"}
        plan = starter(allowances=[allowance(overage=bill(pricing))])
        acme_support.cost_payer = "agency"
        acme_support.save()
        subscribe(acme_support, plan, JANUARY)
        report(acme_support, "in time", MID_JANUARY, 1100, cost=Decimal(20), cost_currency="USD")
        frozen = close(periods_of(acme_support)[0]).usage.get()
        report(
            acme_support,
            "late",
            MID_JANUARY,
            50,
            cost=Decimal(5),
            cost_currency="USD",
            now=MID_FEBRUARY,
        )

        (settled,) = settle()

        assert frozen.overage_amount == Decimal("2.00")
        assert settled.amount == Decimal("1.59")  # 3.59 - 2.00
        assert (settled.platform_cost, settled.agency_cost) == (0, 5)

    def test_margin_rules_by_model_take_their_share_of_it(self, acme_support, january):
        """20 at 10 % and, late, 5 at 100 %: 22 + 10 over 150 of 150."""
        for model, percent in (("", 10), ("dear-model", 100)):
            MarginRule.objects.create(
                agency=acme_support.agency,
                name=model or "Standard",
                scope_key=model,
                effective_from=utc("2025-01-01"),
                model=model,
                percent=Decimal(percent),
            )
        acme_support.cost_payer = "agency"
        acme_support.save()
        plan = starter(allowances=[allowance(included="0", overage=bill({"model": "cost_plus"}))])
        subscribe(acme_support, plan, JANUARY)
        paid = {"cost_currency": "USD"}
        report(acme_support, "in time", MID_JANUARY, 100, cost=Decimal(20), **paid)
        close(periods_of(acme_support)[0])
        late = {"cost": Decimal(5), "model": "dear-model", "now": MID_FEBRUARY}
        report(acme_support, "late", MID_JANUARY, 50, **paid, **late)

        (settled,) = settle()

        assert settled.amount == Decimal("10.00")  # 32.00 - 22.00
        assert settled.details["cost_by_model"] == {"": "20", "dear-model": "5"}

    @pytest.mark.parametrize("policy", ["block", "notify"])
    def test_what_is_not_billed_stays_unbilled(self, acme_support, january, policy):
        january(1000, starter(allowances=[allowance(overage={"policy": policy})]))
        report(acme_support, "late", MID_JANUARY, 50, now=MID_FEBRUARY)

        (settled,) = settle()

        assert units(settled) == (50, 0, 0, 50)
        assert settled.amount == 0

    def test_a_client_who_has_left_is_charged_at_once(self, acme_support, conversation):
        subscribe(acme_support, starter(), JANUARY, end=FEBRUARY)
        report(acme_support, "in time", MID_JANUARY, 1000)
        january = close(periods_of(acme_support)[0])
        report(acme_support, "late", MID_JANUARY, 50, now=MID_FEBRUARY)

        (settled,) = settle()

        assert settled.settled_in is None
        charge = Charge.objects.get(kind="late_usage")
        assert (charge.amount, charge.bill_at) == (5, january.end)
        settled.refresh_from_db()
        assert settled.charge == charge


class TestCreditThatGoesOn:
    """A top-up that never expires, bought in January; 100 of its 500 are used then."""

    @pytest.fixture
    def topped_up(self, acme_support, january):
        def buy(subscription) -> None:
            growth = subscription.plan_version.top_ups.get()
            buy_on_account(workspace=acme_support, band=growth, key="a", now=JANUARY + DAY)

        plan = starter(top_ups=[band(expires="never")])
        january(1100, plan, before_use=[buy])
        return CreditGrant.objects.get(kind="top_up")

    def test_it_pays_for_what_expired_units_do_not(self, acme_support, topped_up):
        report(acme_support, "late", MID_JANUARY, 50, now=MID_FEBRUARY)

        (settled,) = settle()

        assert units(settled) == (50, 0, 50, 0)
        used = settled.uses.get()
        assert (used.grant, used.source, used.quantity) == (topped_up, "credit", 50)

    def test_it_did_not_pay_for_usage_before_it_was_bought(self, acme_support, topped_up):
        report(acme_support, "late", JANUARY, 50, now=MID_FEBRUARY)

        (settled,) = settle()

        assert units(settled) == (50, 0, 0, 50)

    def test_what_the_open_period_has_used_is_not_there_any_more(self, acme_support, topped_up):
        report(acme_support, "february", FEBRUARY + DAY, 1380)
        report(acme_support, "late", MID_JANUARY, 50, now=MID_FEBRUARY)

        (settled,) = settle()

        assert units(settled) == (50, 0, 20, 30)

    def test_the_balance_and_the_next_close_have_less(self, acme_support, topped_up):
        report(acme_support, "late", MID_JANUARY, 150, now=MID_FEBRUARY)
        settle()

        (balance,) = unit_balances(workspace=acme_support, now=MID_FEBRUARY)
        assert whole(balance.granted, balance.remaining) == (1250, 1250)

        report(acme_support, "february", MID_FEBRUARY, 1300)
        february = close(periods_of(acme_support)[1])
        uses = GrantUse.objects.filter(grant=topped_up).order_by("pk")
        assert [whole(u.opening, u.consumed, u.remaining) for u in uses] == [
            (500, 100, 400),
            (250, 250, 0),
        ]
        assert february.usage.get().overage == 50

    def test_a_grant_that_is_drawn_empty_stays_empty(self, acme_support, topped_up):
        report(acme_support, "late", MID_JANUARY, 450, now=MID_FEBRUARY)
        (settled,) = settle()
        assert units(settled) == (450, 0, 400, 50)

        close(periods_of(acme_support)[1])
        report(acme_support, "march", MARCH + 2 * DAY, 1100)

        assert close(periods_of(acme_support)[2]).usage.get().overage == 100

    def test_it_has_to_be_there_when_the_usage_is_reported(self, acme_support, january):
        def give(subscription) -> None:
            adjust(
                workspace=acme_support,
                unit=subscription.plan_version.allowances.get().unit,
                quantity=Decimal(100),
                reason="Sorry",
                created_by=None,
                now=JANUARY,
                key="sorry",
                expires_at=FEBRUARY + 5 * DAY,
            )

        january(1000, before_use=[give])
        report(acme_support, "early", MID_JANUARY, 30, now=FEBRUARY + 4 * DAY)
        report(acme_support, "too late", MID_JANUARY, 40, now=FEBRUARY + 6 * DAY)

        (settled,) = settle()

        assert units(settled) == (70, 0, 30, 40)

    def test_closing_settles_first_what_came_before(self, acme_support, topped_up):
        report(acme_support, "late", MID_JANUARY, 500, now=MID_FEBRUARY)

        february = close(periods_of(acme_support)[1])

        settled = LateSettlement.objects.get()
        assert units(settled) == (500, 0, 400, 100)
        assert settled.settled_in == february
        assert late_lines(february)[0][1:] == ("100", "10.00")
        use = GrantUse.objects.get(period_usage__period=february, grant=topped_up)
        assert whole(use.opening, use.remaining) == (0, 0)


class TestAPeriodThatIsWithdrawn:
    """January closes, late usage settles in February, and then the client leaves with January."""

    def test_is_charged_all_the_same_and_what_was_drawn_stays_drawn(self, acme_support, january):
        def buy(subscription) -> None:
            growth = subscription.plan_version.top_ups.get()
            buy_on_account(workspace=acme_support, band=growth, key="a", now=JANUARY + DAY)

        period = january(1400, starter(top_ups=[band(expires="never")]), before_use=[buy])
        report(acme_support, "late", MID_JANUARY, 70, now=FEBRUARY + 2 * DAY)
        report(acme_support, "early", JANUARY, 30, now=FEBRUARY + 2 * DAY)
        (settled,) = settle(FEBRUARY + 2 * DAY)
        assert units(settled) == (100, 0, 70, 30)
        end(subscription=period.subscription, end=FEBRUARY, now=FEBRUARY + 3 * DAY)

        settle(FEBRUARY + 4 * DAY)

        charge = Charge.objects.get(kind="late_usage")
        assert (charge.amount, charge.bill_at) == (3, period.end)
        settle(FEBRUARY + 5 * DAY)
        assert Charge.objects.filter(kind="late_usage").count() == 1

        # They come back in March with what is left of the top-up: 100 - 70.
        subscribe(acme_support, starter(name="Again", top_ups=[]), MARCH, now=MARCH)
        report(acme_support, "march", MARCH + DAY, 1040)
        march, april = (acme_support.periods.get(start=start) for start in (MARCH, APRIL))
        assert close(march).usage.get().overage == 10
        report(acme_support, "april", APRIL + DAY, 1040)
        assert close(april).usage.get().overage == 40


class TestReductions:
    def test_money_comes_back_as_a_negative_line(self, acme_support, january):
        january(1050)
        correct(acme_support, "in time", 1020)

        (settled,) = settle()

        assert units(settled) == (-30, 0, 0, -30)
        assert settled.amount == Decimal("-3.00")
        assert late_lines(close(periods_of(acme_support)[1]))[0][1:] == ("-30", "-3.00")

    def test_units_of_the_period_are_gone(self, acme_support, january):
        january(1050)
        correct(acme_support, "in time", 900)

        (settled,) = settle()

        assert units(settled) == (-150, -100, 0, -50)
        assert settled.amount == Decimal("-5.00")
        assert CreditGrant.objects.filter(kind="adjustment").count() == 0

    def test_but_late_usage_of_that_period_finds_them(self, acme_support, january):
        january(1050)
        correct(acme_support, "in time", 900)
        settle()
        report(acme_support, "late", MID_JANUARY, 120, now=MID_FEBRUARY)

        (settled,) = settle()

        assert units(settled) == (120, 100, 0, 20)
        assert settled.amount == Decimal("2.00")

    def test_units_of_credit_that_goes_on_come_back(self, acme_support, january):
        def give(subscription) -> None:
            adjust(
                workspace=acme_support,
                unit=subscription.plan_version.allowances.get().unit,
                quantity=Decimal(100),
                reason="Sorry",
                created_by=None,
                now=JANUARY,
                key="sorry",
                expires_at=MARCH + DAY,
            )

        january(1050, before_use=[give])
        given = CreditGrant.objects.get(kind="adjustment")
        correct(acme_support, "in time", 1010)

        (settled,) = settle()

        assert units(settled) == (-40, -40, 0, 0)
        back = settled.uses.get().returned_as
        assert (back.kind, back.quantity, back.expires_at) == ("adjustment", 40, given.expires_at)
        (balance,) = unit_balances(workspace=acme_support, now=MID_FEBRUARY)
        assert whole(balance.granted, balance.remaining) == (1090, 1090)

    def test_unless_it_has_expired_by_now(self, acme_support, january):
        def give(subscription) -> None:
            adjust(
                workspace=acme_support,
                unit=subscription.plan_version.allowances.get().unit,
                quantity=Decimal(100),
                reason="Sorry",
                created_by=None,
                now=JANUARY,
                key="sorry",
                expires_at=FEBRUARY + DAY,
            )

        january(1050, before_use=[give])
        correct(acme_support, "in time", 1010)

        (settled,) = settle()

        assert units(settled) == (-40, -40, 0, 0)
        assert settled.uses.get().returned_as is None

    def test_a_void_of_late_usage_undoes_it(self, acme_support, january):
        def buy(subscription) -> None:
            growth = subscription.plan_version.top_ups.get()
            buy_on_account(workspace=acme_support, band=growth, key="a", now=JANUARY + DAY)

        january(1400, starter(top_ups=[band(expires="never")]), before_use=[buy])
        report(acme_support, "late", MID_JANUARY, 130, now=MID_FEBRUARY)
        (first,) = settle()
        correct(acme_support, "late", 0)

        (second,) = settle()

        assert units(first) == (130, 0, 100, 30)
        assert units(second) == (-130, 0, -100, -30)
        assert (first.amount, second.amount) == (3, -3)
        assert second.uses.get().returned_as.quantity == 100
        february = close(periods_of(acme_support)[1])
        assert late_lines(february) == []  # 3.00 - 3.00

    def test_a_void_before_anybody_looked_changes_nothing(self, acme_support, january):
        january(1000)
        report(acme_support, "late", MID_JANUARY, 130, now=MID_FEBRUARY)
        correct(acme_support, "late", 0)

        (settled,) = settle()

        assert units(settled) == (0, 0, 0, 0)
        assert settled.entries.count() == 2

    def test_what_is_voided_and_reported_anew_comes_to_the_same(self, acme_support, january):
        january(1050)
        report(acme_support, "again", MID_JANUARY + DAY, 1050, now=MID_FEBRUARY)
        correct(acme_support, "in time", 0)

        (settled,) = settle()

        assert units(settled) == (0, 0, 0, 0)
        assert settled.amount == 0


class TestUniqueSubjects:
    """Qualified leads count once per subject and period."""

    def lead(self, workspace, event_id: str, subject: str, at: dt.datetime, now: dt.datetime):
        submitted = SubmittedEvent(id=event_id, unit="qualified-lead", time=at, subject=subject)
        record_events(workspace=workspace, events=[submitted], now=now)

    @pytest.fixture
    def leads(self, acme_docs, northwind):
        create_unit(
            agency=northwind,
            slug="qualified-lead",
            name="qualified lead",
            plural="qualified leads",
            aggregation="unique",
            effective_from=utc("2020-01-01"),
        )
        plan = starter(allowances=[allowance("qualified-lead", "1")], top_ups=[])
        subscribe(acme_docs, plan, JANUARY)
        self.lead(acme_docs, "ann", "Ann", MID_JANUARY, MID_JANUARY)
        self.lead(acme_docs, "ann again", "Ann", MID_JANUARY + DAY, MID_JANUARY + DAY)
        close(periods_of(acme_docs)[0])
        return acme_docs

    def test_a_subject_that_was_counted_is_not_counted_again(self, leads):
        self.lead(leads, "ann late", "Ann", MID_JANUARY - DAY, MID_FEBRUARY)
        self.lead(leads, "bob", "Bob", MID_JANUARY, MID_FEBRUARY)
        self.lead(leads, "bob again", "Bob", MID_JANUARY, MID_FEBRUARY)

        (settled,) = settle()

        assert units(settled) == (1, 0, 0, 1)
        assert sum(map(Decimal, settled.buckets.values())) == 1

    def test_a_void_moves_the_count_to_the_next_event(self, leads):
        correct(leads, "ann", 0)
        (first,) = settle()
        correct(leads, "ann again", 0)
        (second,) = settle()

        assert units(first) == (0, 0, 0, 0)
        assert len(first.buckets) == 2  # from one day to the next
        assert units(second) == (-1, -1, 0, 0)


class TestOutside:
    def test_a_unit_outside_the_package_costs_the_platform_all_the_same(
        self, acme_support, january, page
    ):
        january(900)
        late = SubmittedEvent(id="late", unit="page", time=MID_JANUARY, quantity=Decimal(3))
        record_events(workspace=acme_support, events=[late], now=MID_FEBRUARY)

        (settled,) = settle()

        assert (settled.unit, units(settled)) == (page, (0, 0, 0, 0))

    def test_a_time_before_the_subscription_is_looked_at_once(self, acme_support, january):
        january(900)
        report(acme_support, "late", utc("2025-11-01"), 60, now=MID_FEBRUARY)

        assert settle() == []
        entry = LateEntry.objects.get()
        assert (entry.event.external_id, entry.settlement) == ("late", None)


def test_a_sweep_that_dies_leaves_nothing(acme_support, january, row_counts, monkeypatch):
    january(1000)
    report(acme_support, "late", MID_JANUARY, 60, now=MID_FEBRUARY)
    before = row_counts()
    original = late_settlements.settle_unit

    def die(**kwargs: Any) -> None:
        original(**kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(late_usage, "settle_unit", die)
        with pytest.raises(KeyboardInterrupt):
            settle_late_usage(now=MID_FEBRUARY)

    assert row_counts() == before
    (settled,) = settle()
    assert units(settled) == (60, 0, 0, 60)


def test_what_fails_holds_up_nobody_else(acme_support, acme_docs, conversation, monkeypatch):
    for workspace in (acme_support, acme_docs):
        subscribe(workspace, starter(), JANUARY)
        close(periods_of(workspace)[0])
        report(workspace, "late", MID_JANUARY, 10, now=MID_FEBRUARY)
    original = late_usage.settle_pending

    def fail(workspaces: Any, **kwargs: Any) -> Any:
        if workspaces == [acme_support]:
            raise RuntimeError("no")
        return original(workspaces, **kwargs)

    monkeypatch.setattr(late_usage, "settle_pending", fail)

    assert settle_late_usage(now=MID_FEBRUARY) == (1, ["Late usage of acme-support: no"])
    assert LateSettlement.objects.get().workspace == acme_docs


class TestDiscounts:
    """Half of the overage is taken off: 200 beyond at 0.10 are 20.00 less 10.00."""

    @pytest.fixture
    def halved(self, january):
        half = {"name": "Half", "on": "overage", "percent": "50"}
        return january(1200, starter(discounts=[half], top_ups=[], fees=[]))

    def charged(self, period) -> list[tuple[str, str]]:
        rows = Charge.objects.filter(period=period).order_by("pk")
        return [(row.kind, f"{row.amount:.2f}") for row in rows]

    def test_late_usage_is_discounted_as_the_overage_it_is(self, acme_support, halved):
        report(acme_support, "late", MID_JANUARY, 100, now=MID_FEBRUARY)
        settle()
        close(periods_of(acme_support)[1])

        assert self.charged(halved) == [
            ("overage", "20.00"),
            ("discount", "-10.00"),
            ("late_usage", "10.00"),
            ("discount", "-5.00"),
        ]
        call_command("reconcile")

    def test_a_reduction_gives_back_what_was_paid_and_no_more(self, acme_support, halved):
        correct(acme_support, "in time", 0)
        settle()
        close(periods_of(acme_support)[1])

        assert self.charged(halved) == [
            ("overage", "20.00"),
            ("discount", "-10.00"),
            ("late_usage", "-20.00"),
            ("discount", "10.00"),
        ]
        call_command("reconcile")
