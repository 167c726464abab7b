"""The rules that name what is unusual about a payout: at the edge, and past it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from payouts.anomalies import Month, anomalies

D = Decimal


def month(**figures: str) -> Month:
    usual = {
        "revenue": "100.00",
        "routed_cost": "20.00",
        "platform_fee": "5.00",
        "refunds": "0",
        "disputes": "0",
        "adjustments": "0",
    }
    return Month(**{name: D(figure) for name, figure in (usual | figures).items()})


@pytest.mark.parametrize(
    ("usual", "unusual", "name"),
    [
        ({"routed_cost": "100"}, {"routed_cost": "100.01"}, "cost_above_revenue"),
        ({"refunds": "-20"}, {"refunds": "-20.01"}, "much_refunded"),
        ({"disputes": "0.01"}, {"disputes": "-0.01"}, "disputed"),
        ({"adjustments": "-10"}, {"adjustments": "-10.01"}, "much_adjusted"),
        ({"revenue": "150", "platform_fee": "7.5"}, {"revenue": "150.01"}, "revenue_jump"),
        ({"platform_fee": "6"}, {"platform_fee": "6.01"}, "fee_share"),
    ],
)
def test_a_rule_names_what_is_past_its_edge(usual, unusual, name):
    assert name not in [found.name for found in anomalies(month(**usual), month())]
    assert name in [found.name for found in anomalies(month(**unusual), month())]


def test_nothing_is_unusual_about_a_month_like_the_last():
    assert anomalies(month(), month()) == []


def test_the_first_payout_is_named_and_so_is_revenue_from_nothing():
    assert [found.name for found in anomalies(month(), None)] == ["first_payout"]
    before = month(revenue="0", routed_cost="0", platform_fee="0")
    assert [found.name for found in anomalies(month(), before)] == ["revenue_from_nothing"]
