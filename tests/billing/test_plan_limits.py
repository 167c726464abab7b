"""A plan whose amounts no invoice could say is refused when it comes in."""

from __future__ import annotations

from typing import Any

import pytest

from billing.plan_documents import parse_plan
from billing.plan_limits import refuse_unbillable
from billing.strict_json import DocumentError

from .plan_samples import allowance, band, bill, starter

TRILLION = "1000000000000"
MORE = "1000000000000.01"


def fee(amount: str, name: str = "Base") -> dict[str, Any]:
    return {"name": name, "kind": "base", "amount": amount, "when": "period"}


def per_unit(amount: str, **more: Any) -> list[dict[str, Any]]:
    overage = bill({"model": "per_unit", "unit_amount": amount}, **more)
    return [allowance(overage=overage)]


def tiers(model: str, **last: str) -> list[dict[str, Any]]:
    steps = [{"up_to": "10", "unit_amount": "1"}, {"up_to": None, "unit_amount": "0"} | last]
    return [allowance(overage=bill({"model": model, "tiers": steps}))]


@pytest.mark.parametrize(
    "changes",
    [
        {"fees": [fee(TRILLION)]},
        {"minimum_commitment": TRILLION},
        {"top_ups": [band(price=TRILLION)]},
        {"allowances": per_unit("1000000")},
        {"allowances": per_unit("900000000", cap_amount="5000000")},
        {"allowances": tiers("volume", flat_amount="900000000")},
        {"allowances": [allowance(overage=bill({"model": "cost_plus", "margin_percent": "900"}))]},
        {"allowances": [allowance(overage={"policy": "block"})]},
    ],
)
def test_what_can_be_invoiced_is_fine(changes: dict[str, Any]) -> None:
    refuse_unbillable(parse_plan(starter(**changes)), "plan")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"fees": [fee("1"), fee(MORE, "Other")]}, "plan.fees[1].amount"),
        ({"fees": [fee(TRILLION), fee("0.01", "Other")]}, "plan.fees"),
        ({"minimum_commitment": MORE}, "plan.minimum_commitment"),
        ({"top_ups": [band(price=MORE)]}, "plan.top_ups[0].price"),
        ({"allowances": per_unit("1000000.01")}, "plan.allowances[0].overage.pricing"),
        (
            {"allowances": tiers("graduated", unit_amount="2000000")},
            "plan.allowances[0].overage.pricing",
        ),
        (
            {
                "allowances": [
                    allowance(
                        overage=bill(
                            {"model": "package", "package_size": "0.5", "package_amount": "600000"}
                        )
                    )
                ]
            },
            "plan.allowances[0].overage.pricing",
        ),
        (
            {
                "allowances": [
                    allowance(overage=bill({"model": "cost_plus", "margin_percent": "100001"}))
                ]
            },
            "plan.allowances[0].overage.pricing.margin_percent",
        ),
        (
            {
                "allowances": [
                    allowance(overage=bill({"model": "cost_plus", "surcharge_per_unit": "2000000"}))
                ]
            },
            "plan.allowances[0].overage.pricing",
        ),
    ],
)
def test_what_cannot_is_refused_at_its_place(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(DocumentError) as refused:
        refuse_unbillable(parse_plan(starter(**changes)), "plan")

    assert refused.value.path == path
    assert "at most" in str(refused.value) or "more than can be invoiced" in str(refused.value)
