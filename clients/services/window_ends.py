"""Moves the end of a window, or takes a window back, as billing shortens and extends periods.

Usage that falls out of a window is counted no longer and stands unbilled; usage that a window now
covers is counted. Call these with the workspace held alone (`windows.lock_workspace`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from django.db.models import F

from agencyportal.core.money import scaled, unscaled
from clients import costing, metering
from clients.models import (
    UniqueSubject,
    UsageDay,
    UsageEvent,
    UsageQuarter,
    UsageWindow,
    Workspace,
)
from clients.selectors import corrected_quantities
from clients.tally import DaySum, Tally, WindowSum

from . import cap_balances, windows

PLACES: Final = {
    "quantity": metering.PLACES,
    "used": metering.PLACES,
    "platform_cost": costing.PLACES,
    "agency_cost": costing.PLACES,
}
"""Scales of the sums that are no whole numbers."""


def move_end(*, workspace: Workspace, window: UsageWindow, end: dt.datetime) -> UsageWindow:
    """Let a window end at ``end``, earlier or later than it does.

    Raises ValueError off the quarter-hour grain, at or before its start, where another window of
    the unit is in the way, and where usage is settled.
    """
    if end == window.end:
        return window
    windows.require_grain(window.start, end)
    _refuse_settled(workspace, min(end, window.end))
    cap_balances.lock_over([workspace])  # others of its windows may follow, of other months
    if end < window.end:
        _uncount(workspace, window, end)
    elif (
        following := UsageWindow.objects.filter(
            workspace=workspace, unit=window.unit_id, start__gte=window.end, start__lt=end
        )
        .order_by("start")
        .first()
    ):
        raise ValueError(f"Another window of {window.unit} begins at {following.start}.")
    window.end = end
    window.save(update_fields=["end"])
    windows.count_what_came_before(workspace, window)
    window.refresh_from_db()
    return window


def withdraw(*, workspace: Workspace, window: UsageWindow) -> None:
    """Take a window back: what it counted stands unbilled.

    Raises ValueError where usage is settled, and django.db.models.ProtectedError where something
    was reserved in it.
    """
    _refuse_settled(workspace, window.start)
    cap_balances.lock_over([workspace])
    _uncount(workspace, window, window.start)
    window.delete()


def _refuse_settled(workspace: Workspace, since: dt.datetime) -> None:
    settled_until = Workspace.objects.values_list("settled_until", flat=True).get(pk=workspace.pk)
    if settled_until is not None and since < settled_until:
        raise ValueError(f"Usage of {workspace} is settled until {settled_until}.")


def _uncount(workspace: Workspace, window: UsageWindow, since: dt.datetime) -> None:
    """Take what a window counted from ``since`` on off every sum."""
    counted = UsageEvent.objects.counted().filter(
        workspace=workspace,
        unit=window.unit_id,
        occurred_at__gte=since,
        occurred_at__lt=window.end,
    )
    while chunk := list(counted.select_related("meter", "pricing").order_by("pk")[: windows.CHUNK]):
        UsageEvent.objects.filter(pk__in=[event.pk for event in chunk]).update(
            standing=UsageEvent.Standing.UNBILLED
        )
        tally = _counted(workspace, window, chunk)
        _take_off(workspace, tally)
        cap_balances.count(workspace, tally, sign=-1)
    UsageQuarter.objects.filter(
        workspace=workspace, unit=window.unit_id, start__gte=since, start__lt=window.end
    ).delete()


def _take_off(workspace: Workspace, tally: Tally) -> None:
    """Take a tally off the days and windows that it was added to; days without events are gone."""
    for (unit_id, day, label, model), sums in tally.days.items():
        row = UsageDay.objects.filter(
            workspace=workspace, unit=unit_id, day=day, label=label, model=model
        )
        row.update(**_less(sums))
        row.filter(events=0).delete()
    for window_id, total in tally.windows.items():
        UsageWindow.objects.filter(pk=window_id).update(**_less(total))


def _less(sums: DaySum | WindowSum) -> dict[str, Any]:
    """What to update a row with: each of its columns less its sum."""
    return {
        name: F(name) - (unscaled(value, PLACES[name]) if name in PLACES else value)
        for name, value in sums.as_row().items()
    }


def _counted(workspace: Workspace, window: UsageWindow, events: Sequence[UsageEvent]) -> Tally:
    """What events had added to the sums. No event of a subject is earlier than the one that
    stands for it, so a subject whose event is taken goes with it."""
    tally = Tally(workspace.client.timezone, {window.pk: window.timezone})
    standing = UniqueSubject.objects.filter(window=window, event__in=[event.pk for event in events])
    subjects = set(standing.values_list("event_id", flat=True))
    standing.delete()
    corrected = corrected_quantities([event.pk for event in events])
    for event in events:
        quantity = corrected.get(event.pk, event.quantity)
        counted = windows.counted_event(event, window.pk, quantity)
        tally.add_event(counted)
        if event.pk in subjects:
            tally.add_quantity(counted.place, scaled(quantity, metering.PLACES))
    return tally
