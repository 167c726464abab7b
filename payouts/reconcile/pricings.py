"""Costs found later: by a price that was in force when the event happened, and in the sums only
where they were found before the period closed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from clients.costing import ALARMS, call_cost
from clients.models import UsageEvent, UsagePricing
from clients.services.price_again import FLAGS

from .events import (
    Rules,
    converted,
    is_beyond_recall,
    is_rate,
    name_of,
    price_used,
    tokens_of,
)
from .findings import Difference, compare, difference

SUBJECT: Final = "Costs found later"
Standing = UsagePricing.Standing


def known_cost(event: UsageEvent, rules: Rules) -> tuple[Decimal | None, bool]:
    """What an event adds to the cost of the sums, and whether it counts as unpriced there."""
    pricing = rules.pricings.get(event.pk)
    if pricing is not None and pricing.standing != Standing.LATE:
        return pricing.client_cost, False
    return event.client_cost, event.cost_flag in ALARMS


def check_pricing(event: UsageEvent, rules: Rules) -> Iterator[Difference]:
    """What an event cost after all, if that was found."""
    pricing = rules.pricings.get(event.pk)
    if pricing is None:
        return
    name = f"cost of {name_of(event, rules.workspace)}"
    fields: dict[str, tuple[Any, Any]] = {
        "client_cost": (pricing.client_cost, converted(pricing.cost, pricing.exchange_rate))
    }
    if event.cost_flag not in FLAGS:
        yield difference(SUBJECT, pricing, name, "event", "priced when recorded", "flagged")
    if event.cost is not None:
        fields |= {
            column: (getattr(pricing, column), getattr(event, column))
            for column in ("cost", "cost_currency", "price_source")
        }
    elif (price := price_used(event, pricing.price_source, rules)) is not None:
        cost = call_cost(price, tokens_of(event))
        fields["cost"] = (pricing.cost, cost.amount)
        fields["cost_currency"] = (pricing.cost_currency, cost.currency)
    elif not is_beyond_recall(event, pricing.price_source):
        source = pricing.price_source
        yield difference(SUBJECT, pricing, name, "price_source", source, "a price in force then")
    if not is_rate(event, pricing.cost_currency, pricing.exchange_rate, rules):
        rate = pricing.exchange_rate
        yield difference(SUBJECT, pricing, name, "exchange_rate", rate, "a stored rate")
    allowed = _standings(event, rules)
    if pricing.standing not in allowed:
        fields["standing"] = (pricing.standing, " or ".join(sorted(allowed)))
    yield from compare(SUBJECT, pricing, name, fields)


def _standings(event: UsageEvent, rules: Rules) -> set[str]:
    """Late only where usage is settled. A window that moved may have left what was counted
    unbilled, or counted what was not."""
    if event.standing == UsageEvent.Standing.LATE:
        return {Standing.LATE}
    settled = rules.workspace.settled_until
    allowed: set[str] = {Standing.COUNTED, Standing.UNBILLED}
    if settled is not None and event.occurred_at < settled:
        allowed.add(Standing.LATE)
    return allowed
