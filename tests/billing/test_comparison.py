"""One history under several plans: exact bills, the cheapest, and what a plan refuses."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.comparison import Candidate, compare
from billing.comparison_table import comparison_json, comparison_table
from billing.models import MarginRule
from billing.plan_documents import parse_plan
from billing.scenario import parse_scenario
from billing.selectors.history import history_of
from billing.services.margins import add_margin_rule
from billing.services.plans import import_plan
from billing.services.purchases import buy_on_account

from .plan_samples import NEW_YORK_2026, allowance, starter
from .story import close, periods_of, subscribe, use

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
HOUR = dt.timedelta(hours=1)


def document(included: str, *, policy: str = "bill", fee: str = "0", **more) -> dict:
    """A plan of pages: so many included, 0.10 for each further one."""
    overage: dict[str, Any] = {"policy": policy}
    if policy == "bill":
        overage["pricing"] = {"model": "per_unit", "unit_amount": "0.10"}
    base = {"name": "Base", "kind": "base", "amount": fee, "when": "period"}
    return {
        "name": f"{included} {policy}",
        "currency": "USD",
        "timezone": "UTC",
        "interval": "month",
        "anchor": "calendar",
        "fees": [base] if fee != "0" else [],
        "allowances": [{"unit": "page", "included": included, "overage": overage}],
        **more,
    }


def candidates(*documents: dict) -> list[Candidate]:
    return [Candidate(found["name"], parse_plan(found)) for found in documents]


@pytest.fixture
def history():
    """Two months of 1,000 pages each, which cost 20.00 each."""
    return parse_scenario(
        {
            "plan": document("100"),
            "start": "2026-01-01T00:00:00Z",
            "until": "2026-03-01T00:00:00Z",
            "usage": [
                {
                    "unit": "page",
                    "time": f"2026-0{month}-10T12:00:00Z",
                    "quantity": "1000",
                    "cost": "20.00",
                }
                for month in (1, 2)
            ],
        }
    )


def test_each_plan_has_its_bill_its_cost_and_its_margin(history):
    small, large = compare(history, candidates(document("100"), document("1000", fee="70.00"))).rows

    assert (small.bill, small.for_usage, small.cost, small.margin) == tuple(
        map(Decimal, ("180.00", "180.00", "40.00", "140.00"))
    )
    assert (large.bill, large.for_usage, large.margin) == tuple(
        map(Decimal, ("140.00", "0", "100.00"))
    )
    assert large.margin_percent is not None
    assert round(large.margin_percent, 2) == Decimal("71.43")


def test_the_cheapest_serves_everything(history):
    """100 included that block the rest cost nothing, and would have refused 1,800 pages."""
    found = compare(
        history,
        candidates(document("100"), document("100", policy="block"), document("900", fee="70.00")),
    )

    assert [row.refused for row in found.rows] == [0, 1800, 0]
    assert found.cheapest.name == "900 bill"
    assert found.cheapest.bill == Decimal("160.00")


def test_no_plan_is_cheapest_where_none_serves(history):
    assert compare(history, candidates(document("100", policy="block"))).cheapest is None


def test_what_is_not_charged_is_told(history):
    (row,) = compare(history, candidates(document("100", policy="notify"))).rows
    assert (row.free, row.refused, row.bill) == (1800, 0, 0)


def test_fees_asked_once_are_told_apart(history):
    setup = {"name": "Setup", "kind": "implementation", "amount": "500.00", "when": "once"}
    (row,) = compare(history, candidates(document("1000", fees=[setup]))).rows

    assert (row.bill, row.once) == (0, Decimal("500.00"))


def test_a_year_paid_in_advance_is_compared_by_the_months_that_were_looked_at(history):
    """Of 365.00 for 2026, 59 days are for January and February; 10 % are off."""
    off = {"name": "Loyal", "on": "fees", "percent": "10"}
    plan = document("900", fee="365.00", interval="year", discounts=[off])
    plan["allowances"][0]["interval"] = "month"

    comparison = compare(history, candidates(document("900", fee="40.00"), plan))

    month, year = comparison.rows
    assert (month.bill, month.ahead) == (Decimal("100.00"), 0)
    assert (year.bill, year.ahead) == (Decimal("73.10"), Decimal("275.40"))
    assert comparison.cheapest == year
    said = comparison_table(comparison)
    assert "asks $275.40 in advance for the time after: left out." in said
    assert comparison_json(comparison)["plans"][1]["ahead"] == "275.40"


def test_purchases_go_along_where_the_band_is_on_sale():
    sold = {"unit": "page", "name": "More", "quantity": "50", "price": "4.00", "expires": "never"}
    found = parse_scenario(
        {
            "plan": document("100", top_ups=[sold]),
            "start": "2026-01-01T00:00:00Z",
            "until": "2026-02-01T00:00:00Z",
            "purchases": [{"top_up": "More", "at": "2026-01-02T00:00:00Z"}],
            "usage": [{"unit": "page", "time": "2026-01-10T00:00:00Z", "quantity": "150"}],
        }
    )
    with_band, without = compare(
        found, candidates(document("100", top_ups=[sold]), document("100"))
    ).rows

    assert (with_band.bill, with_band.dropped) == (Decimal("4.00"), 0)
    assert (without.bill, without.dropped) == (Decimal("5.00"), 1)


def test_a_unit_the_plan_does_not_have_is_named(history):
    other = document("100")
    other["allowances"][0]["unit"] = "lead"
    (row,) = compare(history, candidates(other)).rows

    assert row.unserved == ("page",)
    assert not row.serves_all


def test_plans_of_another_currency_are_refused(history):
    with pytest.raises(ValueError, match="sold in EUR, and this usage costs USD"):
        compare(history, candidates(document("100", currency="EUR")))


# --- A workspace's history ---------------------------------------------------------------------


@pytest.fixture
def told(acme_support, conversation):
    """Support Starter in January: 1,600 used, one band bought, 31.20 of cost; closed."""
    subscription = subscribe(acme_support, starter(), JANUARY)
    growth = subscription.plan_version.top_ups.get()
    buy_on_account(workspace=acme_support, band=growth, now=JANUARY + HOUR, key="one")
    use(acme_support, conversation, JANUARY + HOUR, 1600, cost="31.20")
    use(acme_support, conversation, FEBRUARY + HOUR, 10)
    close(periods_of(acme_support)[0])
    return acme_support


def test_a_history_prices_to_what_was_billed(told):
    found, periods = history_of(workspace=told, periods=3, now=FEBRUARY + 48 * HOUR)
    (row,) = compare(found, [Candidate("now", found.plan)]).rows

    january = periods_of(told)[0]
    assert [period.pk for period in periods] == [january.pk]
    billed = sum(c.amount for c in january.charges.exclude(kind="implementation"))
    assert row.bill == billed
    assert row.cost == Decimal("31.20")


def test_in_its_first_period_it_is_priced_so_far(told):
    found, periods = history_of(workspace=told, periods=3, now=FEBRUARY - HOUR)

    assert found.until == FEBRUARY - HOUR
    assert len(periods) == 1


def test_cost_plus_takes_the_rule_in_force(acme_support, conversation, northwind):
    rule = MarginRule(agency=northwind, name="M", percent=50, effective_from=JANUARY - HOUR)
    add_margin_rule(rule=rule, now=JANUARY - HOUR)
    pricing = {"policy": "bill", "pricing": {"model": "cost_plus"}}
    subscribe(
        acme_support,
        starter(fees=[], allowances=[allowance(included="0", overage=pricing)], top_ups=[]),
        JANUARY,
    )
    use(acme_support, conversation, JANUARY + HOUR, 10, cost="8.00")

    found, _ = history_of(workspace=acme_support, periods=1, now=FEBRUARY + HOUR)

    assert compare(found, [Candidate("now", found.plan)]).rows[0].bill == Decimal("12.00")


# --- The command -------------------------------------------------------------------------------


def test_the_command_compares_a_scenario_with_plans(tmp_path, capsys, history):
    path, plan = tmp_path / "scenario.json", tmp_path / "plan.json"
    path.write_text(
        json.dumps(
            {
                "plan": document("100"),
                "start": "2026-01-01T00:00:00Z",
                "until": "2026-02-01T00:00:00Z",
                "usage": [
                    {
                        "unit": "page",
                        "time": "2026-01-10T00:00:00Z",
                        "quantity": "1000",
                        "cost": "20.00",
                    }
                ],
            }
        )
    )
    plan.write_text(json.dumps(document("1000", fee="70.00")))

    call_command("simulate", str(path), "--compare", str(plan))

    assert capsys.readouterr().out == (
        "  plan         bill  for usage   once  routed cost  margin  margin %\n"
        "  100 bill   $90.00     $90.00  $0.00       $20.00  $70.00      77.8\n"
        "  1000 bill  $70.00      $0.00  $0.00       $20.00  $50.00      71.4\n"
        "\n"
        "Cheapest for the client: 1000 bill, $70.00. Fees asked once are left out.\n"
    )


def test_the_command_compares_a_workspaces_history(told, northwind, capsys, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: FEBRUARY + 48 * HOUR)
    larger = starter(name="Support Growth", allowances=[allowance(included="5000")])
    import_plan(agency=northwind, document=larger, now=JANUARY)

    call_command("simulate", "--workspace", "acme-support", "--json")

    found = json.loads(capsys.readouterr().out)
    assert [row["plan"] for row in found["plans"]] == ["support-starter (now)", "support-growth"]
    assert found["cheapest"] in {"support-starter (now)", "support-growth"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name a scenario's file, or --workspace"),
        (["--workspace", "nobody"], "no workspace 'nobody'"),
        (["--workspace", "acme-support", "--compare", "gone"], "no published plan gone"),
        (["--workspace", "acme-docs"], "has not been on a package yet"),
        (["--workspace", "acme-support", "--periods", "0"], "at least 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(told, acme_docs, arguments, words):
    with pytest.raises(CommandError, match=words):
        call_command("simulate", *arguments)
