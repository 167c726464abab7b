"""The scenario document is read strictly and written back the same (ENGINE 14)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.durations import Duration
from billing.scenario import (
    DocumentError,
    dump_plan,
    load_scenarios,
    parse_plan,
    parse_scenario,
)
from billing.waterfall import GrantKind
from tests.billing.scenario_samples import example, scenario


def changed(path: str, value: object) -> dict:
    """The example with one member replaced; ``...`` removes it."""
    document = example()
    *parents, last = [int(p) if p.isdigit() else p for p in path.split("/")]
    target: Any = document
    for parent in parents:
        target = target[parent]
    if value is ...:
        del target[last]
    elif isinstance(target, list) and last == len(target):
        target.append(value)
    else:
        target[last] = value
    return document


class TestReading:
    def test_the_example(self):
        document = parse_scenario(example())
        assert document.plan.anchor == "calendar"
        assert document.plan.allowances[0].included == 1000
        assert document.purchases[0].top_up is document.plan.top_ups[0]
        assert document.grants[0].kind is GrantKind.ADJUSTMENT
        assert document.end is None
        assert document.usage[0].cost == Decimal("31.20")

    def test_times_are_read_in_utc(self):
        document = parse_scenario(changed("start", "2026-01-01T00:00:00-05:00"))
        assert document.start == datetime(2026, 1, 1, 5, tzinfo=UTC)
        assert document.start.tzinfo is UTC

    def test_defaults(self):
        document = parse_scenario(
            scenario(
                until="2026-02-01T00:00:00Z",
                grants=[
                    {
                        "id": "gift",
                        "unit": "page",
                        "kind": "promotional",
                        "quantity": 5,
                        "effective_at": "2026-01-01T00:00:00Z",
                    }
                ],
                usage=None,
            )
            | {"usage": [{"unit": "page", "time": "2026-01-02T00:00:00Z"}]}
        )
        allowance = document.plan.allowances[0]
        assert (allowance.rollover_max, allowance.prorate) == (Decimal(0), True)
        assert (document.grants[0].priority, document.grants[0].expires_at) == (40, None)
        assert (document.usage[0].quantity, document.usage[0].cost) == (Decimal(1), None)

    def test_until_may_be_left_out_when_there_is_an_end(self):
        document = example() | {"end": "2026-03-01T05:00:00Z"}
        del document["until"]
        assert parse_scenario(document).until == datetime(2026, 3, 1, 5, tzinfo=UTC)

    def test_the_file_may_hold_a_list(self):
        one, other = load_scenarios(json.dumps([example(), scenario()])).scenarios
        assert (one.plan.name, other.plan.name) == ("Support Starter", "Pages")

    def test_an_anchor_may_be_a_date_or_left_out(self):
        assert parse_scenario(changed("plan/anchor", "2026-01-31")).plan.anchor == date(2026, 1, 31)
        assert parse_scenario(changed("plan/anchor", ...)).plan.anchor is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("plan/curency", "USD", "plan.curency: unknown key; known here: name, currency"),
        ("extra", 1, "extra: unknown key"),
        ("plan", [], "plan: an object is needed, not a list"),
        ("plan/name", "", "plan.name: must not be empty"),
        ("plan/name", "A\x1b[2J", "plan.name: must not hold control characters: 'A\\x1b[2J'"),
        ("plan/name", "\ud800", "plan.name: must not hold control characters"),
        ("plan/interval", [[]], "plan.interval: must be one of month, quarter, year; it is a list"),
        ("plan/currency", "usd", 'plan.currency: an ISO 4217 code such as "USD" is needed, not'),
        ("plan/currency", "XAU", "plan.currency: an ISO 4217 code"),
        ("plan/timezone", "Mars/Olympus", "plan.timezone: a time zone such as"),
        ("plan/timezone", ..., "plan.timezone: missing"),
        ("plan/interval", "week", "plan.interval: must be one of month, quarter, year; it is"),
        ("plan/anchor", "31", 'plan.anchor: a date such as "2026-01-31" is needed'),
        ("plan/anchor", "2026-02-30", "plan.anchor: no such date"),
        ("plan/minimum_commitment", "-5", "plan.minimum_commitment: must not be negative"),
        ("plan/fees", {}, "plan.fees: a list is needed, not an object"),
        ("plan/fees/0/kind", "setup", "plan.fees[0].kind: must be one of implementation, base"),
        ("plan/fees/1/amount", 499.0, 'plan.fees[1].amount: write the number as a string: "499.0"'),
        ("plan/fees/1/amount", "499.00001", "plan.fees[1].amount: more than 4 decimal places"),
        ("plan/fees/1/amount", "499,00", "plan.fees[1].amount: a decimal number such as"),
        ("plan/fees/1/prorate", "yes", "plan.fees[1].prorate: true or false is needed"),
        ("plan/fees/1/collected_by", "bank", "plan.fees[1].collected_by: must be one of platform"),
        ("plan/allowances/0/unit", ..., "plan.allowances[0].unit: missing"),
        ("plan/allowances/0/included", "-1", "plan.allowances[0].included: must not be negative"),
        ("plan/allowances/0/overage", ..., "plan.allowances[0].overage: missing"),
        ("plan/allowances/0/overage/policy", "ask", "plan.allowances[0].overage.up_to: missing"),
        (
            "plan/allowances/0/overage",
            {"policy": "ask", "up_to": "5", "answer_within": "soon"},
            "plan.allowances[0].overage.answer_within: must be a duration",
        ),
        (
            "plan/allowances/0/overage",
            {"policy": "ask", "up_to": "5"},
            "plan.allowances[0].overage.pricing: missing: what is billed",
        ),
        (
            "answers",
            [{"unit": "conversation", "at": "2026-01-03T12:00:00Z", "answer": "maybe"}],
            "answers[0].answer: must be one of approved, refused",
        ),
        ("plan/allowances/0/overage/policy", "stop", "overage.policy: must be one of block, bill"),
        ("plan/allowances/0/overage/pricing", ..., "overage.pricing: missing: what is billed"),
        ("plan/allowances/0/overage/at", "5", "plan.allowances[0].overage.at: unknown key"),
        (
            "plan/allowances/0/overage/pricing",
            {"model": "graduated", "tiers": [{"up_to": "1", "unit_amount": "1"}, {"up_to": "x"}]},
            "plan.allowances[0].overage.pricing.tiers[1]: a tier needs",
        ),
        (
            "plan/allowances/0/overage/pricing",
            {"model": "cost_plus"},
            "plan.allowances[0].overage.pricing.margin_percent: missing: a scenario has no margin",
        ),
        (
            "plan/allowances/1",
            {"unit": "conversation", "included": "1", "overage": {"policy": "block"}},
            "plan.allowances[1].unit: comes twice: 'conversation'",
        ),
        ("plan/top_ups/0/quantity", "0", "plan.top_ups[0].quantity: must be above zero"),
        ("plan/top_ups/0/expires", "90 days", "plan.top_ups[0].expires: must be period_end, never"),
        ("plan/top_ups/0/expires", "P0D", "plan.top_ups[0].expires: must be period_end, never"),
        ("start", ..., "start: missing"),
        ("start", "2026-01-01", 'start: a time such as "2026-01-31T09:00:00Z" is needed'),
        ("start", "2026-01-01T05:00:00", "start: a time such as"),
        ("start", "2026-02-30T05:00:00Z", "start: no such time"),
        ("start", "0206-01-01T05:00:00Z", "start: the year must be from 1980 to 2199: 206"),
        ("plan/anchor", "9999-12-31", "plan.anchor: the year must be from 1980 to 2199: 9999"),
        ("end", "2026-01-01T05:00:00Z", "end: must be after start"),
        ("until", "2026-01-01T04:59:59Z", "until: must not be before start"),
        ("until", None, "until: missing, and there is no end either"),
        ("purchases/0/top_up", "Big", "purchases[0].top_up: the plan has no top-up 'Big'; it has"),
        ("purchases/0/at", "2025-12-31T00:00:00Z", "purchases[0].at: nothing can be bought outsid"),
        ("end", "2026-01-20T15:00:00Z", "purchases[0].at: nothing can be bought outside the sub"),
        ("grants/0/unit", "page", "grants[0].unit: the plan has no unit 'page'; it has 'conversat"),
        ("grants/0/quantity", "0", "grants[0].quantity: must be above zero"),
        ("grants/0/expires_at", "2026-02-01T05:00:00Z", "grants[0].expires_at: must be after eff"),
        ("grants/0/priority", "30", "grants[0].priority: a whole number of zero or more"),
        ("grants/0/priority", 40000, "grants[0].priority: must not be above 32767"),
        ("grants/0/kind", "allowance", "grants[0].kind: must be one of adjustment, promotional"),
        ("grants/1", example()["grants"][0], "grants[1].id: comes twice: 'sorry'"),
        ("usage/0/unit", "page", "usage[0].unit: the plan has no unit 'page'"),
        ("usage/0/quantity", "-1", "usage[0].quantity: must not be negative"),
        ("usage/0/quantity", "1.0000001", "usage[0].quantity: more than 6 decimal places"),
        ("usage/0/cost", "0.0000000001", "usage[0].cost: more than 9 decimal places"),
        ("usage/0/when", "now", "usage[0].when: unknown key"),
    ],
)
def test_a_refusal_names_its_place(path, value, message):
    with pytest.raises(DocumentError) as refusal:
        parse_scenario(changed(path, value))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ('{"a": [{"b": 1, "c": 2, "b": 3}]}', "a[0].b: comes twice in one object"),
        ('{"a": NaN}', "a: NaN is not a number"),
        ('[{"a": 1}, {"b": [0, -Infinity]}]', "[1].b[1]: -Infinity is not a number"),
        ("[" * 100_000, "nested too deeply"),
        ("[0, " + "1" * 5000 + "]", "[1]: too large: 111"),
        ('{"a\\nb\\ud800": 1}', '"a\\nb\\ud800": unknown key'),
        ("5", "an object is needed, not the number 5"),
        (json.dumps([example(), changed("start", 5)]), "[1].start: a time such as"),
    ],
)
def test_files_that_cannot_be_read(text, message):
    with pytest.raises(DocumentError) as refusal:
        load_scenarios(text)
    assert message in str(refusal.value)


@pytest.mark.parametrize("path", ["plan/interval", "plan/currency", "start", "x" * 10_000])
def test_a_refusal_is_short_however_long_the_nonsense(path):
    with pytest.raises(DocumentError) as refusal:
        parse_scenario(changed(path, "x" * 10_000))
    assert len(str(refusal.value)) < 1000


def test_until_may_be_in_the_quarter_hour_of_the_start():
    """Both are compared by the quarter hour, so 05:05 is not before a start at 05:07."""
    document = changed("start", "2026-01-01T05:07:00Z") | {"until": "2026-01-01T05:05:00Z"}
    assert parse_scenario(document).until == datetime(2026, 1, 1, 5, 5, tzinfo=UTC)


def test_a_priority_of_null_is_the_default():
    assert parse_scenario(changed("grants/0/priority", None)).grants[0].priority == 30


class TestAutomaticTopUp:
    POLICY = {
        "policy": "top_up",
        "top_up": "50 pages",
        "at": "10",
        "max_count": 3,
        "max_amount": "100",
        "then": "block",
    }

    def test_is_read(self):
        overage = parse_scenario(scenario(overage=self.POLICY)).plan.allowances[0].overage
        assert overage.auto_top_up is not None
        assert (overage.auto_top_up.max_count, overage.auto_top_up.max_amount) == (3, Decimal(100))
        assert not overage.is_charged

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"top_up": "Big"}, "overage.top_up: the plan has no top-up 'Big'; it has '50 pages'"),
            ({"then": "bill"}, "overage.pricing: missing"),
            ({"then": "top_up"}, "overage.then: must be one of block, bill, notify"),
            ({"max_count": None, "max_amount": None}, "needs a max_count or a max_amount"),
            ({"max_count": -1}, "overage.max_count: a whole number of zero or more"),
        ],
    )
    def test_is_bounded_and_complete(self, change, message):
        with pytest.raises(DocumentError) as refusal:
            parse_scenario(scenario(overage=self.POLICY | change))
        assert message in str(refusal.value)

    def test_sells_the_same_unit(self):
        other = {"unit": "lead"}
        with pytest.raises(DocumentError, match="this top-up sells 'lead', not 'page'"):
            parse_scenario(scenario(overage=self.POLICY, top_up=other))

    def test_a_free_band_needs_a_count(self):
        policy = self.POLICY | {"max_count": None}
        with pytest.raises(DocumentError, match="without a price needs a max_count"):
            parse_scenario(scenario(overage=policy, top_up={"price": "0"}))


class TestPlansAlone:
    FULL = {
        "name": "Everything",
        "currency": "KWD",
        "timezone": "Asia/Kuwait",
        "interval": "quarter",
        "anchor": "2026-01-31",
        "minimum_commitment": "50",
        "fees": [
            {"name": "Care", "kind": "support", "amount": "10.125", "when": "period",
             "prorate": False, "collected_by": "agency"},
        ],
        "allowances": [
            {"unit": "page", "included": "100.5", "rollover_max": "20", "prorate": False,
             "overage": TestAutomaticTopUp.POLICY},
            {"unit": "lead", "included": "0", "rollover_max": "0", "prorate": True,
             "overage": {"policy": "bill", "cap_amount": "99",
                         "pricing": {"model": "package", "package_size": "10",
                                     "package_amount": "3.5"}}},
            {"unit": "answer", "included": "5", "rollover_max": "0", "prorate": True,
             "overage": {"policy": "ask", "up_to": "20", "answer_within": "P2D",
                         "pricing": {"model": "per_unit", "unit_amount": "0.1"}}},
        ],
        "top_ups": [
            {"unit": "page", "name": "50 pages", "quantity": "50", "price": "4",
             "expires": "P90D", "buyer": "agency"},
        ],
    }  # fmt: skip

    def test_what_is_written_is_what_was_read(self):
        assert dump_plan(parse_plan(self.FULL)) == self.FULL

    def test_what_is_read_back_is_the_same_plan(self):
        plan = parse_plan(example()["plan"])
        assert parse_plan(json.loads(json.dumps(dump_plan(plan)))) == plan

    def test_a_plan_alone_may_leave_time_zone_and_anchor_to_the_client(self):
        plan = parse_plan({"name": "Bare", "currency": "EUR", "interval": "year"})
        assert (plan.timezone, plan.anchor, plan.units) == (None, None, ())
        assert parse_plan(dump_plan(plan)) == plan

    def test_a_plan_may_leave_its_margin_to_the_rule_in_force(self):
        document = scenario(overage={"policy": "bill", "pricing": {"model": "cost_plus"}})["plan"]
        plan = parse_plan(document)
        assert parse_plan(dump_plan(plan)) == plan


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "instant", "expected"),
        [
            ("P90D", "2026-01-01T15:00:00Z", "2026-04-01T14:00:00Z"),
            ("P2W", "2026-03-01T17:00:00Z", "2026-03-15T16:00:00Z"),
            ("P1M", "2026-01-31T17:00:00Z", "2026-02-28T17:00:00Z"),
            ("P1Y", "2024-02-29T17:00:00Z", "2025-02-28T17:00:00Z"),
            ("P1M1D", "2026-01-31T17:00:00Z", "2026-03-01T17:00:00Z"),
            ("PT36H", "2026-03-07T17:00:00Z", "2026-03-09T05:00:00Z"),
            ("P1DT90M", "2026-03-07T17:00:00Z", "2026-03-08T17:30:00Z"),
        ],
    )
    def test_days_and_months_keep_the_local_time_of_day(self, text, instant, expected):
        """New York's clocks go forward on 8 March 2026."""
        after = Duration.parse(text).after(datetime.fromisoformat(instant), "America/New_York")
        assert after == datetime.fromisoformat(expected)
        assert after.utcoffset() == timedelta(0)

    @pytest.mark.parametrize(
        "text",
        ["", "P", "PT", "P1DT", "90D", "P-1D", "P1.5D", "P0D", "PT0S", "P1H", "P101Y", "p1d"],
    )
    def test_what_is_not_a_duration(self, text):
        with pytest.raises(ValueError, match=r"duration|century"):
            Duration.parse(text)
