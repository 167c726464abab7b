"""Allowances by the month inside a year that is paid in advance (and every other such pair)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import BillingPeriod, Charge, Invoice, PeriodMove, Subscription
from billing.scenario import parse_scenario
from billing.selectors.usage import unit_balances
from billing.services.discounts import add_discount
from billing.services.pauses import pause, resume
from billing.services.plan_changes import change_plan
from billing.services.plans import export_plan, import_plan
from billing.services.subscriptions import end, ensure_due_periods, keep
from billing.services.time_zones import change_timezone
from billing.services.usage_summary import span_of_charge
from billing.simulation import simulate
from billing.strict_json import DocumentError

from .lifecycles import asked, check_timeline, close_all, invoice, report, standing
from .plan_samples import NEW_YORK_2026, allowance, starter
from .scenario_samples import scenario
from .story import periods_of, subscribe, utc

JANUARY, FEBRUARY, MARCH, APRIL, MAY, JUNE, JULY = (NEW_YORK_2026[month] for month in range(1, 8))
NEXT_YEAR = utc("2027-01-01T05:00")
DAY = dt.timedelta(days=1)
TOKYO = "Asia/Tokyo"
BASE = {"name": "Base package", "kind": "base", "amount": "3650", "when": "period"}


def yearly(**changes):
    """3,650.00 a year in advance, 1,000 conversations a month, 0.10 for each beyond."""
    plan = starter(interval="year", allowances=[allowance(interval="month")], top_ups=[])
    return plan | {"fees": [BASE]} | changes


def fees_of(period):
    return [(kind, amount) for kind, amount in standing(period) if kind in ("base", "credit")]


class TestSimulated:
    def run(self, **changes):
        fees = [{"name": "Year", "kind": "base", "amount": "3650", "when": "period"}]
        document = scenario(
            fees=fees,
            plan={"interval": "year", **changes.pop("plan", {})},
            allowance={"interval": "month", **changes.pop("allowance", {})},
            **changes,
        )
        return simulate(parse_scenario(document))

    def test_a_year_is_one_fee_and_twelve_allowances(self):
        result = self.run(
            usage={"2026-03-05": "130", "2026-11-05": "101"}, until="2027-01-01T00:00:00Z"
        )

        assert len(result.periods) == 12
        lines = [[(line.kind, line.amount) for line in each.lines] for each in result.periods]
        assert lines[0] == [("base", 3650)]
        assert lines[2] == [("overage", Decimal("3.00"))]
        assert lines[10] == [("overage", Decimal("0.10"))]
        assert not any(lines[month] for month in (1, 3, 4, 5, 6, 7, 8, 9, 11))
        granted = [each.units[0].waterfall.grants[0].grant.quantity for each in result.periods]
        assert granted == [100] * 12

    def test_the_second_year_is_asked_with_its_first_month(self):
        result = self.run(until="2028-02-01T00:00:00Z")
        asking = [number for number, each in enumerate(result.periods) if each.total]
        assert (asking, result.total) == ([0, 12, 24], 3 * 3650)

    def test_what_rolls_over_goes_from_month_to_month(self):
        result = self.run(allowance={"rollover_max": "40"}, until="2026-03-01T00:00:00Z")
        assert [each.units[0].waterfall.rolled_over for each in result.periods] == [40, 40]

    def test_boundaries_of_both_are_counted_from_one_anchor(self):
        """31 January: months end on 28 February, 31 March...; the year on 31 January."""
        result = self.run(plan={"anchor": "2026-01-31"}, until="2027-03-01T00:00:00Z")
        starts = [f"{each.period.start:%m-%d}" for each in result.periods]
        assert starts[:4] == ["01-01", "01-31", "02-28", "03-31"]
        assert [f"{each.period.start:%Y-%m-%d}" for each in result.periods if each.total] == [
            "2026-01-01",
            "2026-01-31",
            "2027-01-31",
        ]
        assert result.periods[0].total == Decimal("300.00")  # 30 of 365 days

    @pytest.mark.parametrize(
        ("start", "end", "amount", "first"),
        [
            ("2026-01-11T00:00:00Z", None, "3550.00", 68),  # 355 of 365 days, 21 of 31
            ("2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z", "1810.00", 100),  # 181 days
        ],
    )
    def test_each_is_prorated_by_its_own_interval(self, start, end, amount, first):
        result = self.run(start=start, end=end, until="2026-12-01T00:00:00Z")
        assert result.total == Decimal(amount)
        assert result.periods[0].units[0].waterfall.grants[0].grant.quantity == first

    def test_a_minimum_is_of_each_period(self):
        """It is compared with overage and top-ups, which are settled by the month."""
        result = self.run(plan={"minimum_commitment": "5"}, usage={"2026-02-02": "130"})
        assert [each.total for each in result.periods] == [3655, 5, 5]

    def test_a_quarter_with_monthly_allowances(self):
        result = self.run(plan={"interval": "quarter"}, until="2026-08-01T00:00:00Z")
        assert [each.total for each in result.periods] == [3650, 0, 0, 3650, 0, 0, 3650]

    def test_a_year_with_quarterly_allowances(self):
        result = self.run(allowance={"interval": "quarter"}, until="2027-02-01T00:00:00Z")
        assert [each.total for each in result.periods] == [3650, 0, 0, 0, 3650]

    def test_discounts_on_fees_count_the_intervals_of_fees(self):
        launch = {"name": "Launch", "on": "fees", "amount": "365", "periods": 1}
        result = self.run(
            plan={"discounts": [launch]},
            start="2026-01-11T00:00:00Z",
            until="2027-02-01T00:00:00Z",
        )
        assert [each.total for each in result.periods if each.total] == [
            3550 - 355,  # both are for 355 of 365 days
            3650,
        ]


class TestTheDocument:
    def test_is_read_back_as_it_was_written(self, northwind, conversation):
        version = import_plan(agency=northwind, document=yearly(), now=JANUARY)

        exported = export_plan(version)
        assert exported["plan"]["interval"] == "year"
        assert exported["plan"]["allowances"][0]["interval"] == "month"
        assert import_plan(agency=northwind, document=exported, now=FEBRUARY) == version
        assert (version.period_interval, version.fee_interval) == ("month", "year")

    def test_the_same_interval_says_nothing(self, northwind, conversation):
        version = import_plan(agency=northwind, document=starter(), now=JANUARY)
        stated = starter(allowances=[allowance(interval="month")])

        assert import_plan(agency=northwind, document=stated, now=FEBRUARY) == version
        assert "interval" not in export_plan(version)["plan"]["allowances"][0]

    def test_another_interval_is_another_version(self, northwind, conversation):
        version = import_plan(agency=northwind, document=yearly(), now=JANUARY)
        plain = yearly(allowances=[allowance()])
        assert import_plan(agency=northwind, document=plain, now=FEBRUARY).number == 2
        assert version.number == 1

    @pytest.mark.parametrize(
        ("plan", "message"),
        [
            (
                starter(allowances=[allowance(interval="year")]),
                r"^plan\.allowances\[0\]\.interval: must not be longer than the plan's interval",
            ),
            (
                yearly(allowances=[allowance(interval="month"), allowance("page")]),
                r"^plan\.allowances\[1\]\.interval: is year, and that of the first one is month",
            ),
            (yearly(allowances=[allowance(interval="week")]), "interval: "),
        ],
    )
    def test_what_does_not_fit_together_is_refused(
        self, northwind, conversation, page, plan, message
    ):
        with pytest.raises(DocumentError, match=message):
            import_plan(agency=northwind, document=plan, now=JANUARY)


@pytest.mark.django_db
@pytest.mark.usefixtures("proved")
class TestTheBooks:
    def test_fees_by_the_year_and_usage_by_the_month(self, acme_support, conversation, platform):
        subscribe(acme_support, yearly(), JANUARY)
        invoice(JANUARY)
        report(acme_support, conversation, JANUARY + 3 * DAY, 1200)

        (balance,) = unit_balances(workspace=acme_support, now=JANUARY + 4 * DAY)
        assert (balance.resets_at, balance.overage) == (FEBRUARY, 200)
        close_all(FEBRUARY + DAY)
        invoice(FEBRUARY + DAY)

        january, february, _ = periods_of(acme_support)
        assert standing(january) == [("base", "3650.00"), ("overage", "20.00")]
        assert (january.asks_fees, february.asks_fees) == (True, False)
        assert (january.end, january.fees_end) == (FEBRUARY, NEXT_YEAR)
        assert standing(february) == []
        first, second = Invoice.objects.order_by("pk")
        assert [line.net for line in first.lines.all()] == [3650]
        assert [line.net for line in second.lines.all()] == [20]
        said = first.snapshot or {}
        (fee,) = said["sections"][0]["lines"]
        assert fee["period"] == {"first": "2026-01-01", "last": "2026-12-31"}
        assert said["service_periods"] == [fee["period"]]

    def test_the_next_year_is_asked_when_it_begins(self, acme_support, conversation):
        subscribe(acme_support, yearly(), JANUARY)
        for month in (*NEW_YORK_2026.values(), NEXT_YEAR):
            ensure_due_periods(now=month)

        fees = Charge.objects.filter(kind="base").order_by("bill_at")
        assert [(row.bill_at, row.amount) for row in fees] == [(JANUARY, 3650), (NEXT_YEAR, 3650)]
        grants = [period.grants.get().quantity for period in periods_of(acme_support)]
        assert grants == [1000] * 14
        check_timeline(acme_support)

    def test_an_early_end_credits_the_rest_of_the_year(self, acme_support, conversation, platform):
        """Ended after 10 April, the 100th day: -3,650.00 and 1,000.00, on April's invoice."""
        subscription = self.until(acme_support, APRIL)
        ends = APRIL + 10 * DAY

        end(subscription=subscription, end=ends, now=APRIL + 5 * DAY)

        january, *_, april = periods_of(acme_support)
        assert january.state == BillingPeriod.State.CLOSED
        assert (january.end, january.fees_end) == (FEBRUARY, ends)
        assert fees_of(january) == [
            ("base", "3650.00"),
            ("credit", "-3650.00"),
            ("base", "1000.00"),
        ]
        assert {row.bill_at for row in january.charges.all()} == {JANUARY, ends}
        assert (april.end, april.full_end, standing(april)) == (ends, MAY, [])
        check_timeline(acme_support)
        close_all(ends + DAY)

    def test_an_end_with_a_month_moves_no_period_and_credits_all_the_same(
        self, acme_support, conversation, platform
    ):
        subscription = self.until(acme_support, APRIL)
        end(subscription=subscription, end=MAY, now=APRIL + 5 * DAY)

        april = periods_of(acme_support)[3]
        assert april.end == MAY
        assert asked(acme_support) == 1200  # 120 of 365 days
        assert PeriodMove.objects.filter(period=april).count() == 0
        close_all(MAY + DAY)

    def test_called_off_it_is_asked_whole_again(self, acme_support, conversation, platform):
        subscription = self.until(acme_support, APRIL)
        end(subscription=subscription, end=APRIL + 10 * DAY, now=APRIL + 5 * DAY)

        keep(subscription=subscription, now=APRIL + 6 * DAY)

        january, *_ = periods_of(acme_support)
        assert (january.fees_end, asked(acme_support)) == (NEXT_YEAR, 3650)
        close_all(MAY + DAY)

    def test_what_nobody_was_sent_is_taken_back(self, acme_support, conversation):
        """On no invoice yet: the fee of the year is asked anew for its 41 days."""
        subscription = subscribe(acme_support, yearly(), JANUARY)
        ensure_due_periods(now=FEBRUARY)
        end(subscription=subscription, end=FEBRUARY + 10 * DAY, now=FEBRUARY + 5 * DAY)

        january, *_ = periods_of(acme_support)
        assert standing(january) == [("base", "410.00")]
        assert january.charges.count() == 2

    def test_a_change_of_plan_credits_the_days_that_are_left_of_the_year(
        self, acme_support, conversation, platform
    ):
        """Changed on 11 April, day 101: 265 days of 10.00 back, 265 days of 20.00 asked."""
        subscription = self.until(acme_support, APRIL)
        larger = yearly(name="Growth", fees=[BASE | {"amount": "7300"}])
        version = import_plan(agency=acme_support.agency, document=larger, now=APRIL)

        following = change_plan(
            subscription=subscription, plan_version=version, when="now", now=APRIL + 10.5 * DAY
        )

        january, _, _, april, rest, may = periods_of(acme_support)
        assert fees_of(january) == [("base", "3650.00"), ("credit", "-2650.00")]
        assert following.anchor_date == dt.date(2026, 1, 1)
        assert fees_of(rest) == [("base", "5300.00")]
        assert (april.end, rest.end, rest.fees_end) == (APRIL + 10 * DAY, MAY, NEXT_YEAR)
        assert (may.asks_fees, standing(may)) == (False, [])
        check_timeline(acme_support)
        close_all(MAY + DAY)

    def test_a_change_with_the_next_period_goes_by_the_month(
        self, acme_support, conversation, platform
    ):
        """From the year to a monthly plan on 1 May: 245 days of the year are credited."""
        subscription = self.until(acme_support, APRIL)
        version = import_plan(agency=acme_support.agency, document=starter(), now=APRIL)

        change_plan(
            subscription=subscription, plan_version=version, when="period_end", now=APRIL + DAY
        )

        january, *_, may = periods_of(acme_support)
        assert fees_of(january) == [("base", "3650.00"), ("credit", "-2450.00")]
        assert fees_of(may) == [("base", "499.00")]
        close_all(MAY + DAY)

    def test_a_pause_over_months_is_not_paid(self, acme_support, conversation, platform):
        """11 April to 20 June, 71 days: 100 days of the year, then 194 to its end."""
        subscription = self.until(acme_support, APRIL)
        pause(subscription=subscription, at=APRIL + 10 * DAY, now=APRIL + DAY)
        close_all(MAY + DAY)

        again = resume(subscription=subscription, at=JUNE + 20 * DAY, now=JUNE)

        *_, first = periods_of(acme_support)
        assert fees_of(first) == [("base", "1940.00")]
        assert (first.end, first.fees_end) == (JULY, NEXT_YEAR)
        assert again.anchor_date == dt.date(2026, 1, 1)
        assert asked(acme_support) == 1000 + 1940
        ensure_due_periods(now=JULY)
        check_timeline(acme_support)

    def test_discounts_on_fees_follow_the_credit(self, acme_support, conversation, platform):
        """365.00 off the year; ended after 100 days, 100.00 of it hold."""
        off = {"name": "Launch", "on": "fees", "amount": "365", "periods": 2}
        subscription = self.until(acme_support, APRIL, discounts=[off])
        end(subscription=subscription, end=APRIL + 10 * DAY, now=APRIL + 5 * DAY)

        january, *_ = periods_of(acme_support)
        discounts = january.charges.filter(kind="discount").order_by("pk")
        assert [row.amount for row in discounts] == [-365, 265]
        assert [span_of_charge(row).last for row in discounts] == [
            dt.date(2026, 12, 31),
            dt.date(2026, 4, 10),
        ]
        assert asked(acme_support) == 900
        close_all(APRIL + 12 * DAY)

    def test_a_discount_agreed_inside_a_year_waits_for_the_next_fees(
        self, acme_support, conversation, platform
    ):
        subscription = self.until(acme_support, FEBRUARY)
        document = parse_scenario(
            scenario(discounts=[{"name": "Loyal", "on": "fees", "percent": "10", "periods": 1}])
        )
        add_discount(
            subscription=subscription,
            discount=document.discounts[0].discount,
            effective_at=MARCH,
            now=FEBRUARY + DAY,
            key="loyal",
        )
        for month in (*NEW_YORK_2026.values(), NEXT_YEAR):
            ensure_due_periods(now=max(month, FEBRUARY))

        discounts = Charge.objects.filter(kind="discount")
        assert [(row.bill_at, row.amount) for row in discounts] == [(NEXT_YEAR, -365)]

    def test_a_change_of_zone_asks_nothing_and_moves_both_boundaries(
        self, acme_support, conversation, platform
    ):
        self.until(acme_support, APRIL)
        change_timezone(client=acme_support.client, timezone=TOKYO, now=APRIL + 9 * DAY)

        january, *_, april, may = periods_of(acme_support)
        assert (april.end, may.end) == (utc("2026-04-30T15:00"), utc("2026-05-31T15:00"))
        assert (january.end, january.fees_end) == (FEBRUARY, utc("2026-12-31T15:00"))
        assert asked(acme_support) == 3650
        ensure_due_periods(now=utc("2026-12-31T16:00"))
        asking = [period.start for period in periods_of(acme_support) if period.asks_fees]
        assert asking == [JANUARY, utc("2026-12-31T15:00")]
        check_timeline(acme_support)

    def test_where_the_new_zone_is_in_the_next_year_already_its_month_is_not_asked_for_twice(
        self, acme_support, conversation
    ):
        """It is January in Tokyo when they move: December runs to February there, and what is
        asked next is the year without January, 334 of 365 days."""
        subscribe(acme_support, yearly(), JANUARY)
        ensure_due_periods(now=NEXT_YEAR - DAY)
        change_timezone(
            client=acme_support.client, timezone=TOKYO, now=NEXT_YEAR - dt.timedelta(hours=5)
        )

        february = utc("2027-01-31T15:00")
        *_, december, following = periods_of(acme_support)
        assert (december.end, following.start) == (february, february)
        assert fees_of(following) == [("base", "3340.00")]
        check_timeline(acme_support)

    def test_an_end_with_the_year_moves_with_it(self, acme_support, conversation, platform):
        subscription = subscribe(acme_support, yearly(), JANUARY, end=NEXT_YEAR)
        ensure_due_periods(now=FEBRUARY)
        change_timezone(client=acme_support.client, timezone=TOKYO, now=FEBRUARY + DAY)

        ended = Subscription.objects.get(pk=subscription.pk).end
        assert ended == utc("2026-12-31T15:00")
        ensure_due_periods(now=utc("2026-12-20T00:00"))
        assert asked(acme_support) == 3650
        check_timeline(acme_support)

    def until(self, workspace, now, **changes):
        """A year begun on 1 January, invoiced, and closed up to ``now``."""
        subscription = subscribe(workspace, yearly(**changes), JANUARY)
        invoice(JANUARY)
        ensure_due_periods(now=now)
        close_all(now + DAY)
        ensure_due_periods(now=now + DAY)
        return subscription
