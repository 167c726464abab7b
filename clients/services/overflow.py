"""Sums that would no longer fit: which event is one too many, and for what. Internal to recording.

Sums are 64-bit integers, so a window counts at most some 9.2 trillion units. Recording leaves that
to the database, which refuses; only then is it worked out here what to tell the caller.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from agencyportal.core.money import BIGINT_MAX, scaled
from agencyportal.core.periods import local_date
from clients import costing, metering
from clients.models import UsageDay, UsageWindow, Workspace
from clients.services.counting import Windows
from clients.services.measuring import MeasuredEvent
from clients.submission import EventsRefused

MOST_UNITS: Final = BIGINT_MAX // 10**metering.PLACES
MOST_COST: Final = BIGINT_MAX // 10**costing.PLACES


def refuse_overflow(workspace: Workspace, events: Sequence[MeasuredEvent]) -> None:
    """Raise EventsRefused naming the first of ``events``, in the order given, that takes a sum of
    its window or day past what can be stored. Nothing happens where none does.

    Reads the sums as they are; call it when the database has refused, and has rolled back.
    """
    times = [event.occurred_at for event in events]
    units = {event.unit_id for event in events}
    windows = Windows.load(workspace, min(times), max(times))
    used = _used(workspace, units)
    costs = _costs(workspace, times)
    for index, event in enumerate(events):
        window_id = windows.find(event.unit_id, event.occurred_at)
        if window_id is None:
            continue
        used[window_id] = used.get(window_id, 0) + event.quantity
        if used[window_id] > BIGINT_MAX:
            _refuse(index, "quantity", "unit", "period", MOST_UNITS)
        day = local_date(event.occurred_at, workspace.client.timezone)
        costs[day] = costs.get(day, 0) + (event.cost.client_amount or 0)
        if costs[day] > BIGINT_MAX:
            field = "usage" if event.submitted.cost is None else "cost"
            _refuse(index, field, "cost", "day", MOST_COST)


def _used(workspace: Workspace, units: set[int]) -> dict[int, int]:
    rows = UsageWindow.objects.filter(workspace=workspace, unit__in=units)
    return {pk: scaled(used, metering.PLACES) for pk, used in rows.values_list("pk", "used")}


def _costs(workspace: Workspace, times: Sequence[dt.datetime]) -> dict[dt.date, int]:
    """What the days of these times cost so far, whoever paid."""
    days = {local_date(time, workspace.client.timezone) for time in times}
    rows = UsageDay.objects.filter(workspace=workspace, day__in=days)
    found: dict[dt.date, int] = {}
    for day, *costs in rows.values_list("day", "platform_cost", "agency_cost"):
        found[day] = found.get(day, 0) + sum(scaled(cost, costing.PLACES) for cost in costs)
    return found


def _refuse(index: int, field: str, what: str, span: str, most: int) -> None:
    message = (
        f"With this event the {what} would come to more than {most:,} in one {span}, which is the "
        "most that can be counted. Is the number right?"
    )
    raise EventsRefused([(index, field, message)])
