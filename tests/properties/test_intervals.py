"""Fees that are asked for longer than a period lasts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.periods import (
    Period,
    add_months,
    interval_from,
    local_day_start,
    quarter_floor,
)
from billing.lifecycle import FeeRule, fee_due, fee_lines
from billing.plan_documents import FeeDocument
from billing.simulation_result import instant_text
from tests.billing.scenario_samples import scenario

from .test_simulation import run, scenarios

ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]
YEAR = [{"name": "Year", "kind": "base", "amount": "1234.56", "when": "period"}]
USAGE_KINDS = {"overage", "minimum", "top_up"}
days = st.dates(dt.date(2024, 1, 1), dt.date(2027, 12, 31))
zones = st.sampled_from(ZONES)


@given(scenarios())
def test_an_interval_that_is_the_plans_changes_nothing(document):
    before = run(document).as_json()
    document["plan"]["allowances"][0]["interval"] = document["plan"]["interval"]
    assert run(document).as_json() == before


@given(days, zones, st.sampled_from(["calendar", "day"]))
def test_twelve_months_from_the_anchor_are_one_fee_and_twelve_allowances(day, zone, anchored):
    if anchored == "calendar":
        day = day.replace(month=1, day=1)
    start, until = (local_day_start(at, zone) for at in (day, add_months(day, 12)))
    document = scenario(
        fees=YEAR,
        plan={
            "interval": "year",
            "timezone": zone,
            "anchor": anchored if anchored == "calendar" else day.isoformat(),
        },
        allowance={"interval": "month"},
        start=instant_text(start),
        until=instant_text(until),
    )

    result = run(document)

    lines = [line for period in result.periods for line in period.lines]
    assert [(line.kind, line.amount) for line in lines] == [("base", Decimal("1234.56"))]
    grants = [each.units[0].waterfall.grants[0].grant for each in result.periods]
    assert [grant.quantity for grant in grants] == [100] * 12
    assert (grants[0].effective_at, grants[-1].expires_at) == (start, until)


@given(scenarios())
def test_usage_is_what_it_is_where_fees_are_asked_by_the_month(document):
    """Fees alone go by the longer interval: units, overage, top-ups and minima are the same."""
    document["plan"]["discounts"] = []
    by_month = run(document)
    document["plan"]["interval"] = "year"
    document["plan"]["allowances"][0]["interval"] = "month"
    by_year = run(document)

    for month, same in zip(by_month.periods, by_year.periods, strict=True):
        assert (same.period, same.units) == (month.period, month.units)
        usage = [[x for x in each.lines if x.kind in USAGE_KINDS] for each in (month, same)]
        assert usage[0] == usage[1]


@given(
    days,
    st.integers(0, 400),
    zones,
    st.lists(
        st.tuples(st.integers(1, 400 * 96), st.sampled_from(["anew", "rest"]), st.booleans()),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["0", "0.01", "1234.56", "999999.99"]),
)
def test_credits_never_exceed_what_was_charged(anchor, offset, zone, moves, amount):
    """However often an end moves, what is asked is never below nothing or above the whole fee, and
    a credit never more than what stands on invoices."""
    start = quarter_floor(local_day_start(anchor + dt.timedelta(days=offset), zone))
    time = interval_from(start, "year", anchor, zone)
    fee = FeeDocument("Year", "base", Decimal(amount), "period")
    whole = fee_due(
        fee,
        FeeRule.ANEW,
        charged=Decimal(0),
        before=Period(start, start + dt.timedelta(minutes=15), time.full_start, time.full_end),
        after=time,
        timezone=zone,
        currency="USD",
    )
    charged = invoiced = whole
    for quarters, rule, is_sent in moves:
        end = min(time.full_end, start + dt.timedelta(minutes=15 * quarters))
        if end == time.end or (rule == "rest" and end > time.end):
            continue  # a change of plan only ever shortens
        after = Period(start, end, time.full_start, time.full_end)
        due = fee_due(
            fee,
            FeeRule(rule),
            charged=charged,
            before=time,
            after=after,
            timezone=zone,
            currency="USD",
        )
        lines = fee_lines(due=due, rule=FeeRule(rule), invoiced=invoiced, voided=not is_sent)
        assert -invoiced <= lines.credit <= 0 <= lines.charge
        assert 0 <= due <= whole
        assert invoiced + lines.credit + lines.charge == due
        if end < time.end:
            assert due <= charged
        charged, time = due, after
        invoiced = due if is_sent else invoiced
