"""Margin: which rule is in force, what it adds to routed cost, and the floor (ENGINE 6)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

from agencyportal.core.money import exact_arithmetic, round_half_up

ZERO: Final = Decimal(0)
_K = TypeVar("_K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class MarginRule:
    """What an agency adds to routed cost, within a scope and from a date.

    ``workspace`` and ``client`` narrow whose usage it is for, ``unit`` and ``model`` what kind;
    ``None`` is any. ``percent`` 25 means cost x 1.25; ``surcharge`` is per unit, in the client's
    currency. ``floor_percent``: the least share of the price that margin should be.
    """

    id: Hashable
    effective_from: datetime
    percent: Decimal = ZERO
    surcharge: Decimal = ZERO
    floor_percent: Decimal | None = None
    workspace: Hashable | None = None
    client: Hashable | None = None
    unit: Hashable | None = None
    model: str | None = None

    def applies_to(
        self, *, workspace: Hashable, client: Hashable, unit: Hashable, model: str | None
    ) -> bool:
        return (
            self.workspace in (None, workspace)
            and self.client in (None, client)
            and self.unit in (None, unit)
            and self.model in (None, model)
        )

    @property
    def specificity(self) -> tuple[int, int]:
        """Larger is more specific: workspace, client, agency; within each unit and model, unit,
        model, any."""
        whose = 2 if self.workspace is not None else int(self.client is not None)
        what = 2 * (self.unit is not None) + (self.model is not None)
        return whose, what


@dataclass(frozen=True, slots=True)
class Margin:
    """What is left of a price after its cost. ``percent`` is of the price; ``None`` without one."""

    price: Decimal
    cost: Decimal
    floor_percent: Decimal | None = None

    @property
    def amount(self) -> Decimal:
        return self.price - self.cost

    @property
    def percent(self) -> Decimal | None:
        if not self.price:
            return None
        with exact_arithmetic():
            return self.amount * 100 / self.price

    @property
    def is_below_floor(self) -> bool:
        """Reaching the floor is enough. Cost without any price is below every floor."""
        if self.floor_percent is None:
            return False
        with exact_arithmetic():
            # Multiplied out: a quotient rounded up would hide what is just below.
            return self.amount * 100 < self.floor_percent * self.price


MOST_POINTS: Final = Decimal(1000)
"""Points below a floor are counted up to here: of next to no price there is no end of them."""


def points_below(margin: Margin) -> Decimal:
    """By how many points of percent a margin is below its floor, to 6 places and at most
    `MOST_POINTS`; 0 where it is not. 18 % under a floor of 30 are 12 points."""
    if not margin.is_below_floor or margin.floor_percent is None:
        return ZERO
    if margin.price <= 0:
        return MOST_POINTS
    with exact_arithmetic():
        points = margin.floor_percent - margin.amount * 100 / margin.price
        # What is below by less than the last place is below all the same.
        return min(max(round_half_up(points, 6), Decimal("0.000001")), MOST_POINTS)


def shared_by_cost(amount: Decimal, costs: Mapping[_K, Decimal]) -> dict[_K, Decimal]:
    """What a fee for several units is taken to be the price of, in proportion to their cost, to
    4 places. Units without cost take nothing; without any cost nobody does."""
    total = sum(costs.values(), ZERO)
    if not total:
        return dict.fromkeys(costs, ZERO)
    with exact_arithmetic():
        return {key: round_half_up(amount * cost / total, 4) for key, cost in costs.items()}


def rule_in_force(
    rules: Iterable[MarginRule],
    *,
    period_start: datetime,
    workspace: Hashable,
    client: Hashable,
    unit: Hashable,
    model: str | None = None,
) -> MarginRule | None:
    """The rule for one unit (and model) of a workspace in the period that starts at an instant.

    A rule takes effect for periods that start at or after its date; within one scope the latest
    such rule stands. The most specific scope wins over any date. ``model`` ``None``: usage whose
    model is not known, which only rules for any model cover.
    """
    candidates = [
        rule
        for rule in rules
        if rule.effective_from <= period_start
        and rule.applies_to(workspace=workspace, client=client, unit=unit, model=model)
    ]
    return max(candidates, key=lambda r: (r.specificity, r.effective_from), default=None)


def cost_plus_by_model(
    overage: Decimal,
    *,
    used: Decimal,
    cost_by_model: Mapping[str | None, Decimal],
    rule_by_model: Mapping[str | None, MarginRule | None],
) -> Decimal:
    """The exact price of overage under cost_plus where rules may differ by model.

    The overage's cost is the unit's priced cost x overage / used. Each model's share of that cost
    takes its own rule: its percentage, and its surcharge on the same share of the overage. A
    model without a rule is passed on at cost. Without any cost there are no shares, and the rule
    for any model (key ``None``) says the surcharge.
    """
    if not overage:
        return ZERO
    total = sum(cost_by_model.values(), ZERO)
    with exact_arithmetic():
        if not total:
            fallback = rule_by_model.get(None)
            return overage * fallback.surcharge if fallback else ZERO
        price_of_all, surcharge_weight = ZERO, ZERO
        for model, cost in cost_by_model.items():
            rule = rule_by_model.get(model)
            price_of_all += cost * (100 + (rule.percent if rule else ZERO))
            surcharge_weight += cost * (rule.surcharge if rule else ZERO)
        return price_of_all * overage / (used * 100) + surcharge_weight * overage / total
