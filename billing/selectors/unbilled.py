"""Why an event is counted nowhere, and what somebody can do about it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from billing.models import BillingPeriod
from clients.models import UsageEvent


@dataclass(frozen=True, slots=True)
class Unbilled:
    """Why, and what can be done about it: sentences."""

    reason: str
    remedy: str


def why_unbilled(event: UsageEvent) -> Unbilled | None:
    """None for an event that is counted or late. At most three queries."""
    if event.standing != UsageEvent.Standing.UNBILLED:
        return None
    workspace, at = event.workspace, event.occurred_at
    settled = workspace.settled_until is not None and at < workspace.settled_until
    period = (
        BillingPeriod.objects.filter(workspace=workspace, start__lte=at, end__gt=at)
        .select_related("plan_version__plan")
        .first()
    )
    if period is not None:
        return Unbilled(
            f"The package at that time, {period.plan_version.plan}, has no {event.unit.plural}.",
            "Its period is closed: adjust the next invoice by hand, if it should be paid for."
            if settled
            else f"Put {workspace} on a package that includes them, from before that time: what "
            "was reported counts as soon as it does. Or have the program report another unit.",
        )
    return Unbilled(_outside(event), _remedy(event, settled=settled))


def _outside(event: UsageEvent) -> str:
    subscriptions = event.workspace.subscriptions.order_by("start")
    first = subscriptions.first()
    if first is None:
        return f"{event.workspace} has never been on a package."
    if event.occurred_at < first.start:
        return (
            f"It happened before the first package of {event.workspace}, which starts on "
            f"{first.start:%Y-%m-%d %H:%M} UTC."
        )
    last = subscriptions.filter(start__lte=event.occurred_at).last()
    if last is not None and last.end is not None and last.end <= event.occurred_at:
        return f"The package of {event.workspace} had ended on {last.end:%Y-%m-%d %H:%M} UTC."
    return "The period that it falls into is not made yet; it is counted once it is."


def _remedy(event: UsageEvent, *, settled: bool) -> str:
    if settled:
        return "What came after is closed: this stays as it is."
    return (
        f"Put {event.workspace} on a package that starts before that time: what was reported "
        "counts as soon as it does. Usage from before the start may be meant to be free."
    )
