"""Rating: worked examples of every pricing model, and what a malformed one is told (ENGINE 5)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from billing.rating import (
    CostPlus,
    dump_pricing,
    minimum_shortfall,
    overage_price,
    parse_pricing,
)
from billing.strict_json import DocumentError, Node

PER_UNIT = {"model": "per_unit", "unit_amount": "0.10"}
TIERS = [
    {"up_to": "100", "unit_amount": "0.50", "flat_amount": "0"},
    {"up_to": "1000", "unit_amount": "0.30", "flat_amount": "5"},
    {"up_to": None, "unit_amount": "0.10", "flat_amount": "20"},
]
GRADUATED = {"model": "graduated", "tiers": TIERS}
VOLUME = {"model": "volume", "tiers": TIERS}
PACKAGE = {"model": "package", "package_size": "100", "package_amount": "4.50"}


def price(pricing: dict, overage: str, currency: str = "USD", **kwargs: Any) -> str:
    amount = overage_price(
        parse_pricing(Node(pricing, "pricing")), Decimal(overage), currency=currency, **kwargs
    )
    return str(amount)


@pytest.mark.parametrize(
    ("pricing", "overage", "expected"),
    [
        (PER_UNIT, "0", "0.00"),
        (PER_UNIT, "1", "0.10"),
        (PER_UNIT, "200", "20.00"),
        (PER_UNIT, "0.05", "0.01"),
        # Each tier's units at its own price: 100 x 0.50, then 0.30 and 5 on entering, and so on.
        (GRADUATED, "0", "0.00"),
        (GRADUATED, "1", "0.50"),
        (GRADUATED, "100", "50.00"),
        (GRADUATED, "100.000001", "55.00"),
        (GRADUATED, "101", "55.30"),
        (GRADUATED, "1000", "325.00"),
        (GRADUATED, "1001", "345.10"),
        (GRADUATED, "2000", "445.00"),
        # All units at the price of the tier that their total falls into.
        (VOLUME, "0", "0.00"),
        (VOLUME, "100", "50.00"),
        (VOLUME, "101", "35.30"),
        (VOLUME, "1000", "305.00"),
        (VOLUME, "1001", "120.10"),
        # Every started package.
        (PACKAGE, "0", "0.00"),
        (PACKAGE, "0.000001", "4.50"),
        (PACKAGE, "1", "4.50"),
        (PACKAGE, "100", "4.50"),
        (PACKAGE, "100.5", "9.00"),
        (PACKAGE, "101", "9.00"),
    ],
)
def test_worked_examples(pricing, overage, expected):
    assert price(pricing, overage) == expected


@pytest.mark.parametrize(
    ("currency", "expected"), [("USD", "1.01"), ("JPY", "1"), ("KWD", "1.005"), ("EUR", "1.01")]
)
def test_rounded_once_half_up_to_the_digits_of_the_currency(currency, expected):
    assert price({"model": "per_unit", "unit_amount": "0.0335"}, "30", currency) == expected


def test_small_unit_prices_are_not_rounded_before_they_are_multiplied():
    assert price({"model": "per_unit", "unit_amount": "0.000125"}, "1000000") == "125.00"


class TestCostPlus:
    def test_overage_bears_its_share_of_the_cost(self):
        """31.20 of cost over 1,200 units, 200 of them overage: 5.20 x 1.25 + 200 x 0.01."""
        pricing = {"model": "cost_plus", "margin_percent": "25", "surcharge_per_unit": "0.01"}
        cost: dict[str, Any] = {"cost": Decimal("31.20"), "used": Decimal(1200)}
        assert price(pricing, "200", **cost) == "8.50"

    def test_one_of_percent_and_surcharge_is_enough(self):
        cost: dict[str, Any] = {"cost": Decimal(30), "used": Decimal(300)}
        assert price({"model": "cost_plus", "margin_percent": "20"}, "100", **cost) == "12.00"
        assert price({"model": "cost_plus", "surcharge_per_unit": "0.02"}, "100", **cost) == "12.00"

    def test_a_cost_that_does_not_divide_is_rounded_once(self):
        cost: dict[str, Any] = {"cost": Decimal("0.01"), "used": Decimal(3)}
        assert price({"model": "cost_plus", "margin_percent": "50"}, "1", **cost) == "0.01"

    def test_nothing_for_no_overage_whatever_it_cost(self):
        cost: dict[str, Any] = {"cost": Decimal(30), "used": Decimal(0)}
        assert price({"model": "cost_plus", "margin_percent": "20"}, "0", **cost) == "0.00"

    def test_without_a_margin_of_its_own_it_cannot_be_priced_alone(self):
        pricing = parse_pricing(Node({"model": "cost_plus"}))
        assert isinstance(pricing, CostPlus)
        assert pricing.follows_margin_rule
        with pytest.raises(ValueError, match="margin rule"):
            overage_price(pricing, Decimal(1), currency="USD")


class TestCapAndMinimum:
    @pytest.mark.parametrize(
        ("overage", "expected"), [("499", "49.90"), ("500", "50.00"), ("501", "50.00")]
    )
    def test_the_cap_limits_the_price(self, overage, expected):
        assert price(PER_UNIT, overage, cap_amount=Decimal(50)) == expected

    @pytest.mark.parametrize(
        ("cap", "currency", "expected"),
        [("49.999", "USD", "49.99"), ("49.9", "JPY", "49"), ("0.009", "USD", "0.00")],
    )
    def test_a_cap_that_is_finer_than_the_currency_is_not_passed_by_rounding(
        self, cap, currency, expected
    ):
        pricing = parse_pricing(Node(PER_UNIT))
        capped = overage_price(pricing, Decimal(1000), currency=currency, cap_amount=Decimal(cap))
        assert f"{capped}" == expected

    @pytest.mark.parametrize(
        ("charged", "missing"), [("0", "100"), ("60", "40"), ("100", "0"), ("130", "0")]
    )
    def test_the_minimum_asks_for_what_is_missing(self, charged, missing):
        assert minimum_shortfall(Decimal(100), Decimal(charged)) == Decimal(missing)

    def test_negative_overage_is_refused(self):
        with pytest.raises(ValueError, match="negative"):
            price(PER_UNIT, "-1")


class TestReading:
    @pytest.mark.parametrize("document", [PER_UNIT, GRADUATED, VOLUME, PACKAGE])
    def test_what_is_written_reads_back_the_same(self, document):
        pricing = parse_pricing(Node(document))
        assert parse_pricing(Node(dump_pricing(pricing))) == pricing

    def test_a_margin_left_to_the_rule_stays_so(self):
        pricing = parse_pricing(Node({"model": "cost_plus"}))
        assert dump_pricing(pricing) == {"model": "cost_plus"}

    @pytest.mark.parametrize(
        ("document", "message"),
        [
            ({}, "pricing.model: missing"),
            ({"model": "flat"}, "pricing.model: must be one of per_unit, graduated"),
            ({"model": "per_unit"}, "pricing.unit_amount: missing"),
            ({"model": "per_unit", "unit_amount": 0.1}, 'write the number as a string: "0.1"'),
            ({"model": "per_unit", "unit_amount": "-1"}, "pricing.unit_amount: must not be neg"),
            ({"model": "per_unit", "unit_amount": "1e3"}, "pricing.unit_amount: a decimal number"),
            ({"model": "per_unit", "unit_amount": "NaN"}, "pricing.unit_amount: a decimal number"),
            ({"model": "per_unit", "unit_amount": True}, "a decimal number is needed, not true or"),
            ({"model": "per_unit", "unit_amount": "0.0000000001"}, "more than 9 decimal places"),
            ({"model": "per_unit", "unit_amount": "1" * 12}, "too large"),
            ({**PER_UNIT, "tiers": []}, "pricing.tiers: unknown key; known here: model, unit_amo"),
            ({"model": "package", "package_size": "0", "package_amount": "1"}, "be above zero"),
            ({"model": "graduated", "tiers": []}, "pricing.tiers: at least one tier"),
            ({"model": "graduated", "tiers": {}}, "pricing.tiers: a list is needed, not an object"),
            ({"model": "volume", "tiers": TIERS[:2]}, "pricing.tiers[1].up_to: the last tier"),
            ({"model": "volume", "tiers": TIERS[2:] + TIERS}, "pricing.tiers[0].up_to: only the"),
            (
                {"model": "volume", "tiers": [TIERS[1], TIERS[0], TIERS[2]]},
                "pricing.tiers[1].up_to: must be above the tier before, 1000; it is 100",
            ),
            ({"model": "volume", "tiers": [{"up_to": None}]}, "pricing.tiers[0]: a tier needs"),
        ],
    )
    def test_an_error_names_its_place(self, document, message):
        with pytest.raises(DocumentError) as refusal:
            parse_pricing(Node(document, "pricing"))
        assert message in str(refusal.value)
