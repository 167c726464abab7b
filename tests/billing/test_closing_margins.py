"""Under cost_plus without figures of its own, the margin rule in force prices the overage."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import MarginRule
from clients.models import CostPayer, UsageEvent

from .plan_samples import NEW_YORK_2026, allowance, bill, starter
from .story import close, periods_of, subscribe, use

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
HOUR = dt.timedelta(hours=1)
LONG_AGO = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def cost_plus(**figures: str) -> dict:
    overage = bill({"model": "cost_plus"} | figures)
    return starter(allowances=[allowance(included="0", overage=overage)])


def rule(agency, name="Standard", *, effective_from=LONG_AGO, **fields) -> MarginRule:
    scope = ":".join(f"{key}={value}" for key, value in fields.items() if key != "percent")
    return MarginRule.objects.create(
        agency=agency, name=name, scope_key=scope, effective_from=effective_from, **fields
    )


def overage_of(workspace, unit, quantity=100, cost="40"):
    use(workspace, unit, JANUARY + HOUR, quantity, cost=cost)
    return close(periods_of(workspace)[0]).charges.get(kind="overage")


def test_the_plans_own_percentage_wins(acme_support, conversation):
    rule(acme_support.agency, percent=Decimal(99))
    subscribe(acme_support, cost_plus(margin_percent="25", surcharge_per_unit="0.01"), JANUARY)

    charge = overage_of(acme_support, conversation)

    assert charge.amount == Decimal(51)  # 40 x 1.25 + 100 x 0.01
    assert charge.margin_rule is None
    assert charge.details["cost"] == "40"


def test_the_most_specific_rule_prices_and_is_named(acme_support, acme, conversation, harbor):
    rule(acme.agency, percent=Decimal(10))
    rule(acme.agency, percent=Decimal(90), workspace=acme_support, effective_from=FEBRUARY)
    rule(harbor, percent=Decimal(80))
    for_acme = rule(acme.agency, "Acme", percent=Decimal(50), client=acme)
    subscribe(acme_support, cost_plus(), JANUARY)

    charge = overage_of(acme_support, conversation)

    assert (charge.amount, charge.margin_rule) == (Decimal(60), for_acme)
    assert charge.details["rules"] == [
        {"model": None, "rule": for_acme.pk, "percent": "50", "surcharge": "0"}
    ]


def test_a_rule_that_starts_inside_a_period_waits_for_the_next(acme_support, conversation):
    old = rule(acme_support.agency, percent=Decimal(10))
    rule(acme_support.agency, percent=Decimal(20), effective_from=JANUARY + HOUR)
    subscribe(acme_support, cost_plus(), JANUARY)

    assert overage_of(acme_support, conversation).margin_rule == old


def test_without_a_rule_cost_is_passed_on(acme_support, conversation):
    subscribe(acme_support, cost_plus(), JANUARY)

    charge = overage_of(acme_support, conversation)

    assert (charge.amount, charge.margin_rule) == (Decimal(40), None)
    assert charge.details["rules"] == [
        {"model": None, "rule": None, "percent": "0", "surcharge": "0"}
    ]


def event(workspace, unit, name, model, cost):
    return UsageEvent.objects.create(
        workspace=workspace,
        unit=unit,
        meter=unit.meters.get(),
        external_id=name,
        body_hash="0" * 32,
        standing=UsageEvent.Standing.COUNTED,
        occurred_at=JANUARY + HOUR,
        recorded_at=JANUARY + HOUR,
        quantity=50,
        model=model,
        cost_payer=CostPayer.PLATFORM,
        client_cost=cost,
    )


def test_each_model_takes_its_own_rule(acme_support, conversation):
    """60 of small x 1.1 + 30 of large x 1.5 + 10 without a name x 1.1 = 122."""
    every = rule(acme_support.agency, percent=Decimal(10))
    large = rule(acme_support.agency, percent=Decimal(50), model="large")
    subscribe(acme_support, cost_plus(), JANUARY)
    event(acme_support, conversation, "a", "small", Decimal(60))
    event(acme_support, conversation, "b", "large", Decimal(30))
    event(acme_support, conversation, "c", "", Decimal(10))

    charge = overage_of(acme_support, conversation, cost="100")

    assert charge.amount == Decimal(122)
    assert charge.margin_rule is None, "several priced it; the details name them"
    assert charge.details["cost_by_model"] == {"": "10", "large": "30", "small": "60"}
    assert {row["model"]: row["rule"] for row in charge.details["rules"]} == {
        None: every.pk,
        "large": large.pk,
        "small": every.pk,
    }


def test_only_part_of_the_cost_belongs_to_the_overage(acme_support, conversation):
    overage = bill({"model": "cost_plus", "margin_percent": "25"})
    plan = starter(allowances=[allowance(included="75", overage=overage)])
    subscribe(acme_support, plan, JANUARY)

    assert overage_of(acme_support, conversation).amount == Decimal("12.5")  # 40 / 4 x 1.25


@pytest.mark.parametrize("payer", ["cost", "agency_cost"])
def test_cost_counts_whoever_pays_it(acme_support, conversation, payer):
    subscribe(acme_support, cost_plus(margin_percent="0"), JANUARY)
    use(acme_support, conversation, JANUARY, 10, **{payer: "7"})

    assert close(periods_of(acme_support)[0]).charges.get(kind="overage").amount == Decimal(7)
