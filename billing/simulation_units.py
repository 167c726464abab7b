"""What a simulation knows of each unit: its usage by quarter hour, and what is left of its grants.

Pure: read from the scenario once, and handed on from period to period.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from agencyportal.core.periods import quarter_floor

from .plan_documents import AllowanceDocument, PlanDocument
from .scenario import ScenarioDocument
from .settlement import Quarter, Usage, usage_of
from .trials import in_trial
from .waterfall import Grant

ZERO = Decimal(0)


@dataclass(slots=True, eq=False)
class Unit:
    """What is known of one unit: its usage by quarter hour, and the grants it still has."""

    name: str
    paid_allowance: AllowanceDocument | None
    trial_allowance: AllowanceDocument | None
    quarters: list[Quarter]
    carried: list[Grant] = field(default_factory=list)
    rolled_over: Decimal = ZERO
    ahead: Decimal = ZERO
    """Used beyond the days' share of the allowance before a change of plan."""
    seen_until: datetime | None = None
    """Up to where given credit was looked for."""
    on_trial: bool = False

    @property
    def allowance(self) -> AllowanceDocument | None:
        """That of the period that is being settled."""
        return self.trial_allowance if self.on_trial else self.paid_allowance

    def take_over(self, before: Unit, *, rolls_over: bool) -> None:
        """Go on with what a stretch before left of it."""
        self.carried, self.seen_until = before.carried, before.seen_until
        if rolls_over:
            self.rolled_over, self.ahead = before.rolled_over, before.ahead

    def usage_between(self, start: datetime, end: datetime) -> Usage:
        first, last = (bisect_left(self.quarters, (instant,)) for instant in (start, end))
        return usage_of(self.quarters[first:last])


def units_of(scenario: ScenarioDocument, plan: PlanDocument) -> list[Unit]:
    """A plan's units with the usage before ``until``, added up by quarter hour."""
    quantities: dict[str, dict[datetime, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    costs: dict[str, dict[datetime, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for usage in scenario.usage:
        bucket = quarter_floor(usage.time)
        if bucket < scenario.until:
            quantities[usage.unit][bucket] += usage.quantity
            costs[usage.unit][bucket] += usage.cost or ZERO
    paid, trial = (
        {allowance.unit: allowance for allowance in terms.allowances}
        for terms in (plan, in_trial(plan))
    )
    return [
        Unit(
            name=name,
            paid_allowance=paid.get(name),
            trial_allowance=trial.get(name),
            quarters=[
                Quarter(start, quantity, costs[name][start], ZERO)
                for start, quantity in sorted(quantities[name].items())
            ],
        )
        for name in plan.units
    ]
