"""Short words for stories of subscriptions: put a workspace on a plan, use it, close it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from billing.models import BillingPeriod, Charge, Subscription
from billing.services.closing import close_period
from billing.services.plans import import_plan
from billing.services.subscriptions import activate
from clients.models import UsageQuarter, UsageUnit, UsageWindow, Workspace


def utc(text: str) -> dt.datetime:
    """`2026-01-31` or `2026-01-31T14:00`, in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def subscribe(
    workspace: Workspace,
    plan: dict[str, Any],
    start: dt.datetime,
    *,
    now: dt.datetime | None = None,
    end: dt.datetime | None = None,
) -> Subscription:
    """A workspace on a plan from ``start``; made then, unless ``now`` says otherwise."""
    moment = start if now is None else now
    version = import_plan(agency=workspace.agency, document=plan, now=moment)
    return activate(workspace=workspace, plan_version=version, start=start, end=end, now=moment)


def use(
    workspace: Workspace,
    unit: UsageUnit,
    at: dt.datetime,
    quantity: str | int = 1,
    *,
    cost: str = "0",
    agency_cost: str = "0",
) -> None:
    """Counted usage in the quarter hour ``at``, as recording adds it up."""
    quarter, _ = UsageQuarter.objects.get_or_create(workspace=workspace, unit=unit, start=at)
    quarter.quantity += Decimal(quantity)
    quarter.platform_cost += Decimal(cost)
    quarter.agency_cost += Decimal(agency_cost)
    quarter.events += 1
    quarter.save()
    window = UsageWindow.objects.get(workspace=workspace, unit=unit, start__lte=at, end__gt=at)
    window.used += Decimal(quantity)
    window.events += 1
    window.save()


def whole(*values: Decimal) -> tuple[int, ...]:
    """Quantities that are whole numbers, as such."""
    numbers = tuple(int(value) for value in values)
    assert numbers == values
    return numbers


def periods_of(workspace: Workspace) -> list[BillingPeriod]:
    return list(workspace.periods.order_by("start"))


def close(period: BillingPeriod) -> BillingPeriod:
    """Close a period the moment that it is due."""
    return close_period(period_id=period.pk, now=period.due_at)


def lines_of(period: BillingPeriod) -> list[tuple[str, str, str]]:
    """What a period charges: kind, quantity and amount, in the order in which it was written."""
    charges = Charge.objects.filter(period=period).order_by("pk")
    return [(row.kind, f"{row.quantity.normalize():f}", f"{row.amount:.2f}") for row in charges]
