"""Margin rules: which one is in force, what it adds, and when the floor warns (ENGINE 6)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing.margin import Margin, MarginRule, cost_plus_by_model, rule_in_force

MAY = datetime(2026, 5, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


def rule(name: str, effective_from: datetime = APRIL, **kwargs) -> MarginRule:
    return MarginRule(id=name, effective_from=effective_from, **kwargs)


def chosen(rules, period_start=MAY, model="gpt") -> object:
    found = rule_in_force(
        rules,
        period_start=period_start,
        workspace="support",
        client="acme",
        unit="page",
        model=model,
    )
    return found and found.id


class TestChoice:
    # From the most specific to the least: each one wins over all that follow.
    PRECEDENCE = (
        rule("workspace, unit and model", workspace="support", unit="page", model="gpt"),
        rule("workspace, unit", workspace="support", unit="page"),
        rule("workspace, model", workspace="support", model="gpt"),
        rule("workspace", workspace="support"),
        rule("client, unit and model", client="acme", unit="page", model="gpt"),
        rule("client, unit", client="acme", unit="page"),
        rule("client, model", client="acme", model="gpt"),
        rule("client", client="acme"),
        rule("unit and model", unit="page", model="gpt"),
        rule("unit", unit="page"),
        rule("model", model="gpt"),
        rule("any"),
    )

    @pytest.mark.parametrize("position", range(len(PRECEDENCE)))
    def test_the_most_specific_scope_wins(self, position):
        rest = self.PRECEDENCE[position:]
        assert chosen(rest) == rest[0].id
        assert chosen(rest[::-1]) == rest[0].id

    def test_rules_of_others_do_not_count(self):
        others = [
            rule("other workspace", workspace="docs"),
            rule("other client", client="birch"),
            rule("other unit", unit="conversation"),
            rule("other model", model="claude"),
        ]
        assert chosen(others) is None
        assert chosen([*others, rule("any")]) == "any"

    def test_unknown_model_takes_only_rules_for_any_model(self):
        assert chosen([rule("model", model="gpt"), rule("any")], model=None) == "any"

    def test_a_new_rule_waits_for_a_period_that_starts_at_or_after_its_date(self):
        rules = [rule("old", APRIL), rule("new", MAY)]
        assert chosen(rules, period_start=APRIL) == "old"
        assert chosen(rules, period_start=MAY) == "new"
        assert chosen([rule("new", MAY)], period_start=APRIL) is None

    def test_a_newer_general_rule_does_not_replace_a_specific_one(self):
        assert chosen([rule("old", APRIL, client="acme"), rule("new", MAY)]) == "old"


class TestPriceByModel:
    DEAR = rule("dear", percent=Decimal(50), surcharge=Decimal("0.02"))
    CHEAP = rule("cheap", percent=Decimal(10))

    def price(self, overage="100", used="400", costs=None, rules=None) -> Decimal:
        return cost_plus_by_model(
            Decimal(overage),
            used=Decimal(used),
            cost_by_model={k: Decimal(v) for k, v in (costs or {}).items()},
            rule_by_model=rules or {},
        )

    def test_each_models_share_takes_its_own_rule(self):
        """A quarter of 40: 7.50 at +50% and 2.50 at +10%; surcharge on 75 of the 100 units."""
        price = self.price(
            costs={"gpt": "30", "mini": "10"}, rules={"gpt": self.DEAR, "mini": self.CHEAP}
        )
        assert price == Decimal("11.25") + Decimal("2.75") + Decimal("1.50")

    def test_one_rule_for_all_is_plain_cost_plus(self):
        price = self.price(
            costs={"gpt": "30", "mini": "10"}, rules={"gpt": self.DEAR, "mini": self.DEAR}
        )
        assert price == Decimal("15.00") + Decimal("2.00")

    def test_without_a_rule_cost_is_passed_on(self):
        assert self.price(costs={"gpt": "40"}) == Decimal(10)

    def test_usage_without_cost_still_bears_the_surcharge(self):
        assert self.price(rules={None: self.DEAR}) == Decimal("2.00")
        assert self.price() == 0

    def test_nothing_for_no_overage(self):
        assert self.price(overage="0", costs={"gpt": "40"}, rules={"gpt": self.DEAR}) == 0


class TestFloor:
    @pytest.mark.parametrize(
        ("price", "cost", "floor", "below"),
        [
            ("100", "80", "20", False),  # reaching it is enough
            ("100", "80.000000001", "20", True),
            ("100", "79", "20", False),
            ("100", "130", None, False),
            ("0", "1", "0", True),
            ("0", "0", "20", False),
        ],
    )
    def test_warns_below_the_floor(self, price, cost, floor, below):
        margin = Margin(Decimal(price), Decimal(cost), None if floor is None else Decimal(floor))
        assert margin.is_below_floor is below

    def test_margin_is_what_the_price_leaves(self):
        margin = Margin(Decimal(60), Decimal(45))
        assert margin.amount == 15
        assert margin.percent == 25
        assert Margin(Decimal(0), Decimal(1)).percent is None
