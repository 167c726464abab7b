"""Whole scenarios, to the cent: the worked examples that `manage.py simulate` must answer."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from billing.scenario import parse_scenario
from billing.simulation import simulate
from tests.billing.scenario_samples import example, scenario


def run(document: dict) -> dict:
    return simulate(parse_scenario(document)).as_json()


def totals(document: dict) -> list[str]:
    return [period["total"] for period in run(document)["periods"]]


def lines(result: dict, *kinds: str) -> list[tuple[str, str]]:
    """Kind and amount of the lines of all periods, or of some kinds of lines."""
    return [
        (line["kind"], line["amount"])
        for period in result["periods"]
        for line in period["lines"]
        if not kinds or line["kind"] in kinds
    ]


def unit(result: dict, period: int, *keys: str) -> tuple[str, ...]:
    return tuple(result["periods"][period]["units"][0][key] for key in keys)


def fates(result: dict, period: int) -> list[tuple[str, str, str, str]]:
    return [
        (grant["kind"], grant["consumed"], grant["expired"], grant["remaining"])
        for grant in result["periods"][period]["units"][0]["grants"]
    ]


BASE = {"name": "Base", "kind": "base", "amount": "310.00", "when": "period"}
SETUP = {"name": "Build", "kind": "implementation", "amount": "1000", "when": "once"}
DAYS_31: dict[str, Any] = {"until": "2026-02-01T00:00:00Z"}


def test_the_example_of_the_rules():
    result = run(example())
    january, february, march = result["periods"]
    assert january == {
        "start": "2026-01-01T05:00:00Z",
        "end": "2026-02-01T05:00:00Z",
        "units": [
            {
                "unit": "conversation",
                "used": "1200",
                "included": "1000",
                "top_up": "0",
                "overage": "200",
                "expired_unused": "500",
                "rolled_over": "0",
                "grants": [
                    {
                        "id": "allowance:conversation:2026-01-01T05:00:00Z",
                        "kind": "allowance",
                        "consumed": "1000",
                        "expired": "0",
                        "remaining": "0",
                    },
                    {
                        "id": "top_up:1",
                        "kind": "top_up",
                        "consumed": "0",
                        "expired": "500",
                        "remaining": "0",
                    },
                ],
            }
        ],
        "lines": [
            {
                "kind": "implementation",
                "description": "Implementation",
                "unit": None,
                "quantity": "1",
                "amount": "2500.00",
            },
            {
                "kind": "base",
                "description": "Base package",
                "unit": None,
                "quantity": "1",
                "amount": "499.00",
            },
            {
                "kind": "top_up",
                "description": "Growth 500",
                "unit": "conversation",
                "quantity": "500",
                "amount": "60.00",
            },
            {
                "kind": "overage",
                "description": "Overage: conversation",
                "unit": "conversation",
                "quantity": "200",
                "amount": "20.00",
            },
        ],
        "total": "3079.00",
    }
    assert [february["total"], march["total"], result["total"]] == ["499.00", "499.00", "4077.00"]
    assert march["end"] == "2026-04-01T04:00:00Z"
    assert ("adjustment", "0", "0", "50") in fates(result, 2)


class TestPeriodsAndUntil:
    def test_a_period_begun_before_until_is_reported_in_full(self):
        document = scenario(fees=[BASE], usage={"2026-02-01": "130"}, until="2026-02-01T12:15:00Z")
        result = run(document)
        february = result["periods"][1]
        assert february["end"] == "2026-03-01T00:00:00Z"
        assert lines(result) == [("base", "310.00"), ("base", "310.00"), ("overage", "3.00")]

    def test_nothing_that_begins_at_until(self):
        assert len(run(scenario(until="2026-02-01T00:00:00Z"))["periods"]) == 1
        assert run(scenario(until="2026-01-01T00:00:00Z")) == {"periods": [], "total": "0.00"}

    def test_usage_from_until_on_is_not_looked_at(self):
        usage = {"2026-01-10T11:59:59Z": "1", "2026-01-10T12:00:00Z": "2"}
        assert unit(run(scenario(usage=usage, until="2026-01-10T12:00:00Z")), 0, "used") == ("1",)

    def test_until_is_compared_by_the_quarter_hour(self):
        usage = {
            "2026-01-10T12:04:00Z": "1",
            "2026-01-10T12:10:00Z": "2",
            "2026-01-10T12:15:00Z": "4",
        }
        result = run(
            scenario(
                usage=usage,
                until="2026-01-10T12:05:00Z",
                top_up={"expires": "PT15M"},
                purchases=[{"top_up": "50 pages", "at": "2026-01-10T12:00:00Z"}],
            )
        )
        assert unit(result, 0, "used") == ("3",)
        assert fates(result, 0)[1] == ("top_up", "0", "0", "50")

    def test_expiry_and_rollover_wait_until_they_are_reached(self):
        allowance = {"rollover_max": "10"}
        before = run(scenario(allowance=allowance, until="2026-01-31T23:45:00Z"))
        assert fates(before, 0) == [("allowance", "0", "0", "100")]
        assert unit(before, 0, "expired_unused", "rolled_over") == ("0", "0")
        reached = run(scenario(allowance=allowance, until="2026-02-01T00:00:00Z"))
        assert fates(reached, 0) == [("allowance", "0", "90", "0")]
        assert unit(reached, 0, "expired_unused", "rolled_over") == ("90", "10")

    def test_usage_outside_the_subscription_is_not_counted(self):
        usage = {"2025-12-31T23:59:59Z": "500", "2026-02-10T00:00:00Z": "500"}
        result = run(scenario(usage=usage, end="2026-02-10T00:00:00Z"))
        assert [unit(result, period, "used") for period in (0, 1)] == [("0",), ("0",)]

    def test_the_start_moves_back_to_its_quarter_hour(self):
        result = run(scenario(start="2026-01-01T00:14:00Z", usage={"2026-01-01T00:01:00Z": "1"}))
        assert result["periods"][0]["start"] == "2026-01-01T00:00:00Z"
        assert unit(result, 0, "used") == ("1",)

    def test_the_month_of_an_hour_less_counts_what_falls_into_it(self):
        """New York, March 2026: the period ends at 04:00 UTC, not 05:00."""
        usage = {"2026-04-01T03:59:00Z": "1", "2026-04-01T04:00:00Z": "2"}
        result = run(
            scenario(
                plan={"timezone": "America/New_York"},
                start="2026-03-01T05:00:00Z",
                until="2026-05-01T04:00:00Z",
                usage=usage,
            )
        )
        assert [unit(result, period, "used") for period in (0, 1)] == [("1",), ("2",)]

    def test_a_month_from_the_31st(self):
        result = run(
            scenario(
                plan={"anchor": None},
                start="2026-01-31T00:00:00Z",
                until="2026-04-30T00:00:00Z",
                usage={"2026-02-27T23:59:00Z": "1", "2026-02-28T00:00:00Z": "2"},
            )
        )
        ends = [period["end"][:10] for period in result["periods"]]
        assert ends == ["2026-02-28", "2026-03-31", "2026-04-30"]
        assert [unit(result, period, "used") for period in (0, 1)] == [("1",), ("2",)]

    def test_a_leap_years_29_february(self):
        result = run(
            scenario(
                plan={"anchor": None, "interval": "year"},
                start="2024-02-29T00:00:00Z",
                until="2028-03-01T00:00:00Z",
            )
        )
        starts = [period["start"][:10] for period in result["periods"]]
        assert starts == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


class TestFees:
    def test_once_on_activation_and_in_each_period(self):
        assert lines(run(scenario(fees=[SETUP, BASE]))) == [
            ("implementation", "1000.00"),
            ("base", "310.00"),
            ("base", "310.00"),
            ("base", "310.00"),
        ]

    def test_a_partial_first_period_is_prorated_by_days(self):
        """Started on the 16th of a month of 31 days, in the afternoon: 16 days."""
        document = scenario(fees=[SETUP, BASE], start="2026-01-16T15:00:00Z")
        assert lines(run(document))[:3] == [
            ("implementation", "1000.00"),
            ("base", "160.00"),
            ("base", "310.00"),
        ]

    def test_unless_the_fee_says_not(self):
        document = scenario(fees=[BASE | {"prorate": False}], start="2026-01-16T00:00:00Z")
        assert totals(document) == ["310.00", "310.00", "310.00"]

    def test_a_known_end_prorates_the_last_period(self):
        """Cancelled on 10 February: until the first instant of the 11th, 10 of 28 days."""
        document = scenario(fees=[BASE], end="2026-02-11T00:00:00Z")
        assert totals(document) == ["310.00", "110.71"]

    def test_an_end_inside_a_day_charges_that_day(self):
        document = scenario(fees=[BASE], end="2026-01-10T00:01:00Z")
        (period,) = run(document)["periods"]
        assert (period["end"], period["total"]) == ("2026-01-10T00:15:00Z", "100.00")

    def test_a_date_that_the_zone_skipped_is_not_charged(self):
        """December 2011 had 30 days in Samoa; from the 21st it had 10."""
        document = scenario(
            plan={"timezone": "Pacific/Apia"},
            fees=[BASE | {"amount": "300"}],
            start="2011-12-21T10:00:00Z",
            until="2011-12-31T10:00:00Z",
        )
        assert totals(document) == ["100.00"]

    def test_start_and_end_in_one_period(self):
        document = scenario(
            fees=[BASE], start="2026-01-10T09:00:00Z", end="2026-01-12T00:15:00Z", **DAYS_31
        )
        assert totals(document) == ["30.00"]

    @pytest.mark.parametrize(
        ("currency", "amount", "expected"),
        [
            ("USD", "100.00", "51.61"),
            ("JPY", "10000", "5161"),
            ("KWD", "100.000", "51.613"),
            ("USD", "99.9999", "51.61"),
        ],
    )
    def test_rounded_to_the_digits_of_the_currency(self, currency, amount, expected):
        document = scenario(
            plan={"currency": currency},
            fees=[BASE | {"amount": amount}],
            start="2026-01-16T00:00:00Z",
            **DAYS_31,
        )
        assert totals(document) == [expected]

    def test_what_the_agency_collects_is_shown_and_in_no_total(self):
        care = {"name": "Care", "kind": "support", "amount": "90", "when": "period"}
        result = run(scenario(fees=[BASE, care | {"collected_by": "agency"}], **DAYS_31))
        platforms, agencys = result["periods"][0]["lines"]
        assert "collected_by" not in platforms
        assert (agencys["amount"], agencys["collected_by"]) == ("90.00", "agency")
        assert result["total"] == "310.00"


class TestAllowances:
    def test_a_partial_first_period_is_rounded_up(self):
        """16 of 31 days of 100: 51.6, so 52."""
        result = run(scenario(start="2026-01-16T00:00:00Z", usage={"2026-01-20": "53"}, **DAYS_31))
        assert unit(result, 0, "included", "overage") == ("52", "1")

    def test_unless_it_says_not(self):
        document = scenario(
            start="2026-01-16T00:00:00Z",
            usage={"2026-01-20": "101"},
            allowance={"prorate": False},
            **DAYS_31,
        )
        assert unit(run(document), 0, "included", "overage") == ("100", "1")

    @pytest.mark.parametrize(
        ("used", "included", "expired", "overage"),
        [("0", "0", "36", "0"), ("20", "20", "16", "0"), ("80", "80", "0", "0"),
         ("100", "100", "0", "0"), ("130", "100", "0", "30")],
    )  # fmt: skip
    def test_an_early_end_turns_no_included_usage_into_overage(
        self, used, included, expired, overage
    ):
        """10 of 28 days of 100 are 36; used beyond that, up to 100, is included all the same."""
        result = run(scenario(end="2026-02-11T00:00:00Z", usage={"2026-02-05": used}))
        keys = ("included", "expired_unused", "overage")
        assert unit(result, 1, *keys) == (included, expired, overage)

    def test_so_it_does_where_the_first_period_is_the_last(self):
        """16 January to the 20th, 80 used: the share is 17, the full allowance 100."""
        document = scenario(
            start="2026-01-16T00:00:00Z",
            end="2026-01-21T00:00:00Z",
            usage={"2026-01-18": "80"},
        )
        assert unit(run(document), 0, "included", "overage") == ("80", "0")

    def test_rollover_burns_first_and_expires_a_period_later(self):
        document = scenario(
            allowance={"rollover_max": "30"},
            usage={"2026-01-05": "40", "2026-02-05": "20", "2026-03-05": "200"},
        )
        result = run(document)
        assert unit(result, 0, "included", "expired_unused", "rolled_over") == ("40", "30", "30")
        assert fates(result, 1) == [("rollover", "20", "10", "0"), ("allowance", "0", "70", "0")]
        assert unit(result, 1, "rolled_over") == ("30",)
        assert unit(result, 2, "included", "overage") == ("130", "70")

    def test_unused_rollover_rolls_on_within_the_same_maximum(self):
        document = scenario(allowance={"rollover_max": "150"}, usage={"2026-03-05": "300"})
        result = run(document)
        rolled = [unit(result, period, "rolled_over")[0] for period in range(3)]
        assert rolled == ["100", "150", "0"]
        assert unit(result, 2, "included", "overage") == ("250", "50")

    def test_nothing_rolls_out_of_the_last_period(self):
        result = run(scenario(allowance={"rollover_max": "50"}, end="2026-02-01T00:00:00Z"))
        assert unit(result, 0, "expired_unused", "rolled_over") == ("100", "0")


class TestGrantsAndTopUps:
    def grant(self, **members: Any) -> dict[str, Any]:
        grant = {
            "id": "sorry",
            "unit": "page",
            "quantity": "50",
            "effective_at": "2026-01-01T00:00:00Z",
        }
        return {"grants": [grant | members]}

    def test_what_is_left_is_carried_until_it_expires(self):
        document = scenario(
            usage={"2026-01-05": "110", "2026-02-05": "115", "2026-03-05": "200"},
            **self.grant(expires_at="2026-03-01T00:00:00Z"),
        )
        result = run(document)
        assert fates(result, 0)[1] == ("adjustment", "10", "0", "40")
        assert fates(result, 1)[0] == ("adjustment", "15", "25", "0")
        assert unit(result, 2, "overage") == ("100",)

    def test_a_grant_used_up_is_not_shown_again(self):
        result = run(scenario(usage={"2026-01-05": "150"}, **self.grant()))
        assert [len(fates(result, period)) for period in range(3)] == [2, 1, 1]

    def test_instants_move_in_the_clients_favour(self):
        document = scenario(
            allowance={"included": "0"},
            usage={"2026-01-05T12:01:00Z": "1", "2026-01-05T13:14:00Z": "2"},
            **self.grant(effective_at="2026-01-05T12:14:00Z", expires_at="2026-01-05T13:01:00Z"),
        )
        assert unit(run(document), 0, "included", "overage") == ("3", "0")

    def test_a_grant_from_before_the_start_counts_unless_it_has_lapsed(self):
        early = self.grant(effective_at="2025-06-01T00:00:00Z")
        assert len(fates(run(scenario(**early)), 0)) == 2
        lapsed = self.grant(effective_at="2025-06-01T00:00:00Z", expires_at="2026-01-01T00:00:00Z")
        assert len(fates(run(scenario(**lapsed)), 0)) == 1

    def test_a_grant_not_yet_effective_is_left_out(self):
        late = self.grant(effective_at="2026-01-10T00:00:00Z")
        assert len(fates(run(scenario(until="2026-01-10T00:00:00Z", **late)), 0)) == 1
        assert len(fates(run(scenario(until="2026-01-10T00:15:00Z", **late)), 0)) == 2

    def test_where_all_else_is_equal_the_first_made_burns_first(self):
        first, second = (self.grant(id=name)["grants"][0] for name in ("first", "second"))
        document = scenario(usage={"2026-01-05": "110"}, grants=[first, second])
        grants = run(document)["periods"][0]["units"][0]["grants"]
        assert {grant["id"]: grant["consumed"] for grant in grants[1:]} == {
            "first": "10",
            "second": "0",
        }

    def test_a_promotion_counts_as_a_top_up(self):
        document = scenario(
            usage={"2026-01-05": "130"}, **self.grant(kind="promotional", quantity="20")
        )
        keys = ("included", "top_up", "overage")
        assert unit(run(document), 0, *keys) == ("100", "20", "10")

    def test_paid_credit_burns_last(self):
        document = scenario(
            usage={"2026-01-20": "120"},
            purchases=[{"top_up": "50 pages", "at": "2026-01-10T09:07:00Z"}],
            **self.grant(quantity="5"),
        )
        result = run(document)
        assert unit(result, 0, "used", "included", "top_up", "overage") == ("120", "105", "15", "0")
        assert lines(result) == [("top_up", "4.00")]
        assert fates(result, 1)[0] == ("top_up", "0", "0", "35")

    def test_a_top_up_covers_its_own_quarter_hour_and_nothing_before(self):
        document = scenario(
            usage={
                "2026-01-10T09:44:00Z": "110",
                "2026-01-10T09:46:00Z": "7",
            },
            purchases=[{"top_up": "50 pages", "at": "2026-01-10T09:59:00Z"}],
        )
        assert unit(run(document), 0, "top_up", "overage") == ("7", "10")

    @pytest.mark.parametrize(
        ("expires", "fate"),
        [
            ("never", ("top_up", "0", "0", "50")),
            ("period_end", ("top_up", "0", "50", "0")),
            ("P10D", ("top_up", "0", "50", "0")),
            ("P22D", ("top_up", "0", "0", "50")),
        ],
    )
    def test_a_top_up_expires_as_its_band_says(self, expires, fate):
        document = scenario(
            top_up={"expires": expires},
            purchases=[{"top_up": "50 pages", "at": "2026-01-10T09:00:00Z"}],
            **DAYS_31,
        )
        assert fates(run(document), 0)[1] == fate

    def test_the_line_is_in_the_period_of_the_purchase(self):
        document = scenario(
            purchases=[
                {"top_up": "50 pages", "at": "2026-02-01T00:00:00Z"},
                {"top_up": "50 pages", "at": "2026-01-31T23:59:00Z"},
                {"top_up": "50 pages", "at": "2026-04-01T00:00:00Z"},
            ],
        )
        assert totals(document) == ["4.00", "4.00", "0.00"]

    def test_a_unit_that_is_only_on_sale_has_no_overage_price(self):
        document = scenario(
            top_up={"unit": "lead"},
            purchases=[{"top_up": "50 pages", "at": "2026-01-02T00:00:00Z"}],
        )
        document["usage"] = [{"unit": "lead", "time": "2026-01-03T00:00:00Z", "quantity": "60"}]
        page, lead = run(document)["periods"][0]["units"]
        assert (page["unit"], page["used"]) == ("page", "0")
        assert (lead["unit"], lead["top_up"], lead["overage"]) == ("lead", "50", "10")
        assert totals(document)[0] == "4.00"


class TestOverage:
    @pytest.mark.parametrize("policy", ["block", "notify"])
    def test_reported_and_not_charged_unless_billed(self, policy):
        overage = {"policy": policy, "pricing": {"model": "per_unit", "unit_amount": "1"}}
        result = run(scenario(overage=overage, usage={"2026-01-05": "130"}, **DAYS_31))
        assert unit(result, 0, "overage") == ("30",)
        assert (lines(result), result["total"]) == ([], "0.00")

    def test_rated_once_on_the_periods_total(self):
        """Three days with 0.5 each beyond the allowance start two packages, not three."""
        overage = {
            "policy": "bill",
            "pricing": {"model": "package", "package_size": "1", "package_amount": "2.50"},
        }
        usage = {"2026-01-05": "100.5", "2026-01-06": "0.5", "2026-01-07": "0.5"}
        assert totals(scenario(overage=overage, usage=usage, **DAYS_31)) == ["5.00"]

    @pytest.mark.parametrize(
        ("used", "expected"), [("100", "0.00"), ("101", "5.50"), ("110", "10.00"), ("111", "20.10")]
    )
    def test_tiers_count_overage_not_usage(self, used, expected):
        tiers = [
            {"up_to": "10", "unit_amount": "0.50", "flat_amount": "5.00"},
            {"up_to": None, "unit_amount": "0.10", "flat_amount": "10.00"},
        ]
        overage = {"policy": "bill", "pricing": {"model": "graduated", "tiers": tiers}}
        document = scenario(overage=overage, usage={"2026-01-05": used}, **DAYS_31)
        assert totals(document) == [expected]

    def test_cost_plus(self):
        """60 of 160 units are overage: 60 x 16 / 160 = 6.00 of cost, +25%, +0.01 a unit."""
        pricing = {"model": "cost_plus", "margin_percent": "25", "surcharge_per_unit": "0.01"}
        document = scenario(overage={"policy": "bill", "pricing": pricing}, **DAYS_31)
        document["usage"] = [
            {"unit": "page", "time": "2026-01-05T00:00:00Z", "quantity": "160", "cost": "10"},
            {"unit": "page", "time": "2026-01-06T00:00:00Z", "quantity": "0", "cost": "6"},
            {"unit": "page", "time": "2026-02-06T00:00:00Z", "quantity": "9", "cost": "900"},
        ]
        assert totals(document) == ["8.10"]

    def test_the_cap_limits_the_price_and_not_the_usage(self):
        overage = {
            "policy": "bill",
            "cap_amount": "2.00",
            "pricing": {"model": "per_unit", "unit_amount": "0.10"},
        }
        result = run(scenario(overage=overage, usage={"2026-01-05": "150"}, **DAYS_31))
        assert unit(result, 0, "overage") == ("50",)
        assert result["total"] == "2.00"


class TestMinimumCommitment:
    PLAN: dict[str, Any] = {"plan": {"minimum_commitment": "50.00"}}

    def test_asks_for_what_overage_and_top_ups_leave_missing(self):
        document = scenario(
            fees=[BASE],
            usage={"2026-01-05": "200", "2026-02-05": "900"},
            purchases=[{"top_up": "50 pages", "at": "2026-01-06T00:00:00Z"}],
            **self.PLAN,
        )
        assert lines(run(document), "top_up", "overage", "minimum") == [
            ("top_up", "4.00"),
            ("overage", "10.00"),
            ("minimum", "36.00"),
            ("overage", "75.00"),
            ("minimum", "50.00"),
        ]

    def test_is_prorated_like_a_fee(self):
        document = scenario(start="2026-01-16T00:00:00Z", **DAYS_31, **self.PLAN)
        assert totals(document) == ["25.81"]

    def test_waits_for_the_end_of_the_period(self):
        assert totals(scenario(until="2026-01-31T23:45:00Z", **self.PLAN)) == ["0.00"]


class TestAutomaticTopUp:
    def document(self, usage: dict[str, str], top_up: dict | None = None, **policy) -> dict:
        overage = {
            "policy": "top_up",
            "top_up": "50 pages",
            "at": "10",
            "max_count": 3,
            "then": "bill",
            "pricing": {"model": "per_unit", "unit_amount": "0.10"},
        }
        return scenario(overage=overage | policy, usage=usage, top_up=top_up)

    @pytest.mark.parametrize(
        ("used", "bought"),
        [("0", 0), ("89", 0), ("90", 1), ("100", 1), ("139", 1), ("140", 2), ("190", 3)],
    )
    def test_buys_when_what_remains_falls_to_the_threshold(self, used, bought):
        result = run(self.document({"2026-01-05": used}))
        assert lines(result, "top_up") == [("top_up", "4.00")] * bought
        assert unit(result, 0, "overage") == ("0",)

    def test_usage_buys_and_time_does_not(self):
        document = self.document({"2026-02-05": "1"})
        document["plan"]["allowances"][0]["included"] = "10"
        result = run(document)
        bought = [len(lines({"periods": [p]}, "top_up")) for p in result["periods"]]
        assert bought == [0, 1, 0]

    def test_at_the_maximum_the_last_resort_applies(self):
        usage = {"2026-01-05": "300"}
        billed = run(self.document(usage))
        assert lines(billed, "overage") == [("overage", "5.00")]
        notified = run(self.document(usage, then="notify"))
        assert (unit(notified, 0, "overage"), lines(notified, "overage")) == (("50",), [])

    def test_money_is_a_maximum_too_and_counts_anew_each_period(self):
        usage = {"2026-01-05": "300", "2026-02-05": "300"}
        result = run(self.document(usage, max_amount="8.00"))
        assert [len(lines({"periods": [p]}, "top_up")) for p in result["periods"]] == [2, 2, 0]

    def test_what_was_bought_is_carried_like_any_top_up(self):
        result = run(self.document({"2026-01-05": "95", "2026-02-05": "120"}))
        assert fates(result, 1)[0] == ("top_up", "20", "0", "30")
        assert lines(result, "top_up") == [("top_up", "4.00")]

    def test_a_top_up_that_expires_makes_room_for_the_next(self):
        usage = {"2026-01-05": "95", "2026-01-20": "1"}
        result = run(self.document(usage, top_up={"expires": "P10D"}))
        assert lines(result, "top_up") == [("top_up", "4.00")] * 2


def test_quantities_and_amounts_are_plain_strings():
    document = scenario(
        plan={"currency": "KWD"},
        allowance={"included": "1000.500"},
        usage={"2026-01-05": "2000.25"},
        **DAYS_31,
    )
    result = run(document)
    assert unit(result, 0, "included", "overage") == ("1000.5", "999.75")
    assert result["total"] == "99.975"
    assert json.loads(json.dumps(result)) == result


def test_totals_are_sums_of_lines():
    result = simulate(parse_scenario(example()))
    for period in result.periods:
        assert period.total == sum(line.amount for line in period.lines)
    assert result.total == Decimal("4077.00")


ASK = {
    "policy": "ask",
    "up_to": "20",
    "answer_within": "P2D",
    "pricing": {"model": "per_unit", "unit_amount": "0.10"},
}
ASKED_ON_THE_5TH = {"2026-01-05": "110", "2026-01-06": "30", "2026-01-09": "7"}


@pytest.mark.parametrize(
    ("answers", "billed"),
    [
        ([], "2.00"),  # timed out: the 20 that are let in meanwhile
        ([("2026-01-05T18:00:00Z", "refused")], "1.00"),
        ([("2026-01-05T18:00:00Z", "approved")], "4.70"),
        ([("2026-01-07T12:00:00Z", "approved")], "2.70"),  # 40 before, 20 of them; then 7
        ([("2026-01-07T12:15:00Z", "approved")], "2.00"),  # too late
        ([("2026-01-04T12:00:00Z", "approved")], "2.00"),  # nobody had asked
        ([("2026-01-06T18:00:00Z", "refused"), ("2026-01-06T19:00:00Z", "approved")], "2.00"),
    ],
)
def test_a_scenario_says_what_is_answered_when_the_client_is_asked(answers, billed):
    result = run(
        scenario(
            overage=ASK,
            usage=ASKED_ON_THE_5TH,
            answers=[{"unit": "page", "at": at, "answer": said} for at, said in answers],
            **DAYS_31,
        )
    )

    assert lines(result, "overage") == [("overage", billed)]
    assert unit(result, 0, "used", "included", "overage") == ("147", "100", "47")
