"""Prices the overage of one unit in a period that closes (ENGINE 5 and 6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

from django.db.models import Q

from agencyportal.core.money import plain, round_money_down
from billing import margin
from billing.models import BillingPeriod, MarginRule
from billing.overage_documents import OverageDocument
from billing.rating import (
    CostPlus,
    PerUnit,
    capped,
    cost_plus_price,
    dump_pricing,
    overage_price,
)
from billing.selectors.grants import cost_by_model

ZERO = Decimal(0)


class Totals(Protocol):
    """What a unit came to in a period: a waterfall's result, or what late usage makes of it."""

    @property
    def used(self) -> Decimal: ...
    @property
    def overage(self) -> Decimal: ...


class MarginRules:
    """The margin rules that may apply in some periods of different workspaces, and what their
    usage cost by model: read when a price first asks for it, then for all of them at once."""

    def __init__(self, periods: Sequence[BillingPeriod]) -> None:
        self._periods = periods

    def of(self, period: BillingPeriod, unit_id: int) -> list[margin.MarginRule]:
        """Those for a unit in one of the periods, in force when it started."""
        return [
            rule
            for rule in self._by_agency[period.agency_id]
            if rule.effective_from <= period.start
            and rule.workspace in (None, period.workspace_id)
            and rule.client in (None, period.client_id)
            and rule.unit in (None, unit_id)
        ]

    def cost_by_model(self, period: BillingPeriod, unit_id: int) -> dict[str | None, Decimal]:
        """What a unit's usage in one of the periods cost."""
        return self._costs.get((period.workspace_id, unit_id), {})

    @cached_property
    def _by_agency(self) -> Mapping[int, list[margin.MarginRule]]:
        found: defaultdict[int, list[margin.MarginRule]] = defaultdict(list)
        for row in MarginRule.objects.filter(
            Q(workspace=None) | Q(workspace__in={period.workspace_id for period in self._periods}),
            Q(client=None) | Q(client__in={period.client_id for period in self._periods}),
            agency__in={period.agency_id for period in self._periods},
        ).order_by("pk"):
            found[row.agency_id].append(_as_rule(row))
        return found

    @cached_property
    def _costs(self) -> Mapping[tuple[int, int], dict[str | None, Decimal]]:
        return cost_by_model(
            period
            for period in self._periods
            if any(rule.model is not None for rule in self._by_agency[period.agency_id])
        )


@dataclass(frozen=True, slots=True)
class _Charged:
    used: Decimal
    overage: Decimal


@dataclass(frozen=True, slots=True)
class OveragePrice:
    """What overage costs, rounded to the currency's digits, and how that came about.

    ``quantity``: the units that are charged; under `ask` they may be less than the overage."""

    quantity: Decimal
    amount: Decimal
    unit_amount: str
    details: dict[str, Any]
    rule_id: int | None = None


def price_overage(
    period: BillingPeriod,
    unit_id: int,
    overage: OverageDocument,
    result: Totals,
    cost: Decimal,
    rules: MarginRules,
    billed: Decimal | None = None,
) -> OveragePrice | None:
    """The price of a unit's overage in a period; ``None`` where overage is not charged.

    ``billed``: how much of it is charged, where that is not all of it (`asking.billable`).
    ``cost``: the unit's priced cost in the period, in its currency. Under a `cost_plus` that
    states no margin, the one of ``rules`` that was in force when the period started says it.
    """
    pricing = overage.pricing
    charged = result.overage if billed is None else billed
    if not overage.is_charged or pricing is None or not charged:
        return None
    details: dict[str, Any] = {
        "pricing": dump_pricing(pricing),
        "used": plain(result.used),
        "overage": plain(result.overage),
    }
    if billed is not None:
        details["billed"] = plain(billed)
        result = _Charged(result.used, billed)
    if overage.cap_amount is not None:
        details["cap_amount"] = plain(overage.cap_amount)
    if isinstance(pricing, CostPlus):
        details["cost"] = plain(cost)
        if pricing.follows_margin_rule:
            return _by_margin_rule(period, unit_id, overage, result, cost, details, rules)
    amount = overage_price(
        pricing,
        result.overage,
        currency=period.currency,
        cost=cost,
        used=result.used,
        cap_amount=overage.cap_amount,
    )
    cap = overage.cap_amount
    is_capped = cap is not None and amount == round_money_down(cap, period.currency)
    unit_amount = ""
    if isinstance(pricing, PerUnit) and not is_capped:
        unit_amount = plain(pricing.unit_amount)
    return OveragePrice(charged, amount, unit_amount, details)


def _by_margin_rule(
    period: BillingPeriod,
    unit_id: int,
    overage: OverageDocument,
    result: Totals,
    cost: Decimal,
    details: dict[str, Any],
    margin_rules: MarginRules,
) -> OveragePrice:
    rules = margin_rules.of(period, unit_id)
    if all(rule.model is None for rule in rules):
        rule = _rule(rules, period, unit_id, None)
        price = cost_plus_price(
            result.overage,
            cost=cost,
            used=result.used,
            percent=rule.percent if rule else ZERO,
            surcharge=rule.surcharge if rule else ZERO,
        )
        in_force: dict[str | None, margin.MarginRule | None] = {None: rule}
    else:
        costs = margin_rules.cost_by_model(period, unit_id)
        in_force = {model: _rule(rules, period, unit_id, model) for model in [*costs, None]}
        price = margin.cost_plus_by_model(
            result.overage, used=result.used, cost_by_model=costs, rule_by_model=in_force
        )
        if costs:
            in_force = {model: in_force[model] for model in costs}
            details["cost_by_model"] = {model or "": plain(c) for model, c in costs.items()}
    details["rules"] = [_rule_details(model, rule) for model, rule in in_force.items()]
    named = {rule.id for rule in in_force.values() if rule is not None}
    return OveragePrice(
        result.overage,
        capped(price, overage.cap_amount, period.currency),
        "",
        details,
        _only_one(named),
    )


def _as_rule(row: MarginRule) -> margin.MarginRule:
    return margin.MarginRule(
        id=row.pk,
        effective_from=row.effective_from,
        percent=row.percent,
        surcharge=row.surcharge,
        floor_percent=row.floor_percent,
        workspace=row.workspace_id,
        client=row.client_id,
        unit=row.unit_id,
        model=row.model or None,
    )


def _rule(
    rules: list[margin.MarginRule], period: BillingPeriod, unit_id: int, model: str | None
) -> margin.MarginRule | None:
    return margin.rule_in_force(
        rules,
        period_start=period.start,
        workspace=period.workspace_id,
        client=period.client_id,
        unit=unit_id,
        model=model,
    )


def _rule_details(model: str | None, rule: margin.MarginRule | None) -> Mapping[str, Any]:
    """How a rule is written on the charge it priced; without one, cost is passed on."""
    return {
        "model": model,
        "rule": None if rule is None else rule.id,
        "percent": plain(rule.percent if rule else ZERO),
        "surcharge": plain(rule.surcharge if rule else ZERO),
    }


def _only_one(rule_ids: set[Hashable]) -> int | None:
    """The rule that a charge can name: with several, its details name them all."""
    only = next(iter(rule_ids)) if len(rule_ids) == 1 else None
    return only if isinstance(only, int) else None
