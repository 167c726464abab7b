"""What a simulation takes off a period's charges, and what they lack to a minimum. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from agencyportal.core.periods import Period

from .discounts import Agreed, Group, Start, taken_off
from .plan_documents import PlanDocument
from .proration import share_of
from .rating import minimum_shortfall
from .simulation_result import Line
from .terms import minimum_due

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

Begun = tuple[Sequence[Start], Sequence[Start]]
"""The periods that began before, and the times that fees were asked for."""


def discount_lines(
    discounts: Sequence[Agreed],
    period: Period,
    asked: Period | None,
    grouped: Sequence[tuple[Group, Line]],
    *,
    begun: Begun,
    plan: PlanDocument,
) -> Iterator[Line]:
    """What the discounts in force take off what the platform collects in the period."""
    zone = plan.timezone or "UTC"
    agreed = [each.discount for each in discounts if _applies(each, period, asked, begun)]
    charged: dict[Group, Decimal] = defaultdict(Decimal)
    for group, line in grouped:
        charged[group] += line.amount if line.collected_by == "platform" else ZERO
    fees_share = None if asked is None else share_of(asked, zone)
    off = taken_off(agreed, charged, share_of(period, zone), plan.currency, fees_share=fees_share)
    for discount, by_group in zip(agreed, off, strict=True):
        for group, amount in by_group.items():
            name = f"Discount: {discount.name}"
            yield Line(
                "discount",
                name,
                None,
                ONE,
                -amount,
                discounts_overage=group == "overage",
                in_advance=group == "fees",
            )


def _applies(agreed: Agreed, period: Period, asked: Period | None, begun: Begun) -> bool:
    periods, fees = begun
    if agreed.discount.on != "fees":
        return agreed.applies(period.start, period.full_start, periods)
    return asked is not None and agreed.applies(asked.start, asked.full_start, fees)


def minimum_lines(plan: PlanDocument, period: Period, lines: Sequence[Line]) -> list[Line]:
    """What a period that is over lacks to the minimum commitment, after discounts on overage."""
    minimum = plan.minimum_commitment
    if minimum is None:
        return []
    due = minimum_due(minimum, period, plan.timezone or "UTC", plan.currency)
    counted = (
        line.amount
        for line in lines
        if line.kind in ("overage", "top_up") or line.discounts_overage
    )
    missing = minimum_shortfall(due, sum(counted, ZERO))
    return [Line("minimum", "Minimum commitment", None, ONE, missing)] if missing else []
