"""One history under several plans: the client's bill, the routed cost, the margin. Pure.

For choosing a package, and for noticing that a client should move up. What is compared is what
comes again: fees that are asked once are told apart, because who changes plans does not pay for
the implementation again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from agencyportal.core.money import exact_arithmetic
from agencyportal.core.periods import days_touched, quarter_ceil, quarter_floor

from .plan_documents import PlanDocument
from .proration import Share, prorated_amount
from .scenario import ScenarioDocument, UsageDocument
from .simulation import simulate
from .simulation_result import SimulationResult

ZERO: Final = Decimal(0)
USAGE_KINDS: Final = frozenset({"top_up", "overage", "minimum"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan to look at, under the name that the comparison gives it."""

    name: str
    plan: PlanDocument


@dataclass(frozen=True, slots=True)
class Compared:
    """What a history comes to under one plan, in the plan's currency.

    ``bill``: everything that comes again, before tax, whoever collects it; ``for_usage`` is the
    part of it asked for top-ups, overage and the minimum, ``once`` what is asked once and is not
    in it, and neither is ``ahead``, what of fees asked in advance is for days after the periods
    that were looked at. ``cost``: priced cost of the usage looked at. ``refused``: units that the
    plan would not have let in; ``free``: units beyond the credit that it does not charge.
    ``unserved``: units of account that the plan does not have at all; ``dropped``: how many
    purchases and grants of the history it has no place for.
    """

    name: str
    result: SimulationResult
    bill: Decimal
    for_usage: Decimal
    once: Decimal
    ahead: Decimal
    cost: Decimal
    refused: Decimal
    free: Decimal
    unserved: tuple[str, ...]
    dropped: int

    @property
    def margin(self) -> Decimal:
        """What the bill leaves after the routed cost."""
        return self.bill - self.cost

    @property
    def margin_percent(self) -> Decimal | None:
        """Of the bill; None without one."""
        if not self.bill:
            return None
        with exact_arithmetic():
            return self.margin * 100 / self.bill

    @property
    def serves_all(self) -> bool:
        """Whether the client could have done all that it did."""
        return not (self.unserved or self.refused)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The candidates in the order in which they were given."""

    currency: str
    rows: tuple[Compared, ...]

    @property
    def cheapest(self) -> Compared | None:
        """The lowest bill of those that serve the whole history; the first of equals. None where
        no plan does."""
        fit = [row for row in self.rows if row.serves_all]
        return min(fit, key=lambda row: row.bill, default=None)


def compare(scenario: ScenarioDocument, candidates: Sequence[Candidate]) -> Comparison:
    """Price what happens in a scenario under each candidate's plan.

    A plan without a zone takes the scenario's. Purchases and grants go along where the plan has
    the band (by name and unit) or the unit. Raises ValueError for plans of another currency,
    since costs and prices could not be set against each other, and for a scenario that changes
    plans or pauses: it is no history of one plan.
    """
    if scenario.changes or scenario.pauses:
        raise ValueError(
            "This scenario changes plans or pauses. Plans are compared on time that is under one "
            "of them; leave `changes` and `pauses` out."
        )
    currency = scenario.plan.currency
    for candidate in candidates:
        if candidate.plan.currency != currency:
            raise ValueError(
                f"{candidate.name} is sold in {candidate.plan.currency}, and this usage costs "
                f"{currency}: plans are compared in one currency."
            )
    return Comparison(currency, tuple(_compared(scenario, candidate) for candidate in candidates))


def _compared(scenario: ScenarioDocument, candidate: Candidate) -> Compared:
    moved, dropped = _under(scenario, candidate.plan)
    result = simulate(moved)
    lines = [line for period in result.periods for line in period.lines]
    once_names = {(fee.kind, fee.name) for fee in candidate.plan.fees if fee.when == "once"}
    once = sum((line.amount for line in lines if (line.kind, line.description) in once_names), ZERO)
    ahead = _ahead(moved.plan, result)
    beyond = _beyond(candidate.plan, result)
    beyond["block"] += _not_agreed(candidate.plan, result)
    return Compared(
        name=candidate.name,
        result=result,
        bill=sum((line.amount for line in lines), ZERO) - once - ahead,
        for_usage=sum((line.amount for line in lines if line.kind in USAGE_KINDS), ZERO),
        once=once,
        ahead=ahead,
        cost=sum((usage.cost or ZERO for usage in _looked_at(scenario)), ZERO),
        refused=beyond["block"],
        free=beyond["notify"],
        unserved=tuple(
            sorted({usage.unit for usage in _looked_at(scenario)} - set(candidate.plan.units))
        ),
        dropped=dropped,
    )


def _under(scenario: ScenarioDocument, plan: PlanDocument) -> tuple[ScenarioDocument, int]:
    """The scenario under another plan, and how much of it has no place there."""
    bands = {(band.name, band.unit): band for band in plan.top_ups}
    purchases = tuple(
        replace(purchase, top_up=bands[key])
        for purchase in scenario.purchases
        if (key := (purchase.top_up.name, purchase.top_up.unit)) in bands
    )
    grants = tuple(grant for grant in scenario.grants if grant.unit in plan.units)
    dropped = len(scenario.purchases) - len(purchases) + len(scenario.grants) - len(grants)
    moved = replace(
        scenario,
        plan=replace(plan, timezone=plan.timezone or scenario.plan.timezone),
        purchases=purchases,
        grants=grants,
        usage=tuple(usage for usage in scenario.usage if usage.unit in plan.units),
    )
    return moved, dropped


def _looked_at(scenario: ScenarioDocument) -> list[UsageDocument]:
    """Usage inside the subscription and before ``until``, by the quarter hour."""
    start = quarter_floor(scenario.start)
    end = scenario.until
    if scenario.end is not None:
        end = min(end, quarter_ceil(scenario.end))
    return [usage for usage in scenario.usage if start <= quarter_floor(usage.time) < end]


def _ahead(plan: PlanDocument, result: SimulationResult) -> Decimal:
    """What fees, less discounts on them, ask for days after the last period that was looked at:
    a year that is paid in advance is compared by the months that went by."""
    zone, found = plan.timezone or "UTC", ZERO
    for period in result.periods:
        time, seen = period.fees_time, result.periods[-1].period.end
        if time is None or time.end <= seen:
            continue
        share = Share(days_touched(seen, time.end, zone), days_touched(time.start, time.end, zone))
        for line in period.lines:
            if line.in_advance:
                found += prorated_amount(line.amount, share, result.currency)
    return found


def _beyond(plan: PlanDocument, result: SimulationResult) -> dict[str, Decimal]:
    """Units past the last credit that are not charged, by what the plan does about them."""
    policies = {allowance.unit: allowance.overage.last_resort for allowance in plan.allowances}
    found = {"block": ZERO, "notify": ZERO}
    for period in result.periods:
        for unit in period.units:
            policy = "block" if period.is_trial else policies.get(unit.unit, "notify")
            if policy in found:
                found[policy] += unit.waterfall.overage
    return found


def _not_agreed(plan: PlanDocument, result: SimulationResult) -> Decimal:
    """Units past the last credit that an `ask` policy lets nobody use: those nobody agreed to."""
    asking = {a.unit for a in plan.allowances if a.overage.ask is not None}
    beyond = charged = ZERO
    for period in result.periods:
        units = (unit for unit in period.units if unit.unit in asking)
        beyond += sum((unit.waterfall.overage for unit in units), ZERO)
        lines = (line for line in period.lines if line.kind == "overage" and line.unit in asking)
        charged += sum((line.quantity for line in lines), ZERO)
    return beyond - charged
