"""What billing writes down to `clients`: in which windows usage counts, and what is settled.

Billing calls these inside its own transaction, with the workspace held alone (lock_workspace),
so that no event is recorded between its reading of the sums and the end of the transaction.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import Q
from django.db.transaction import TransactionManagementError

from agencyportal.core.money import scaled
from agencyportal.core.periods import quarter_floor
from clients import costing, metering, record_sql
from clients.models import CostPayer, Meter, UsageEvent, UsageUnit, UsageWindow, Workspace
from clients.services.counting import Windows, count_events, place_of
from clients.tally import CountedEvent

CHUNK = 2_000


def lock_workspace(workspace_id: int, *, changes_credit: bool = True) -> Workspace:
    """Hold a workspace alone until the transaction ends, and return it as it is now, with client.

    Recording waits meanwhile, and this waits for recording. Take it before any other lock. Who
    holds it may give credit, open and close periods, move usage: so what is available in its
    windows is void, unless the caller ``changes_credit`` in no way.
    Raises TransactionManagementError outside a transaction.
    """
    workspaces = Workspace.objects.select_related("client").select_for_update(of=("self",))
    if not transaction.get_connection(workspaces.db).in_atomic_block:
        raise TransactionManagementError("A workspace is locked inside a transaction only.")
    record_sql.enter_workspace(workspace_id, alone=True)
    workspace = workspaces.get(pk=workspace_id)
    if changes_credit:
        known = Q(available_until__isnull=False) | Q(watched__isnull=False)
        workspace.windows.filter(known).update(available_until=None, watched=None)
    return workspace


def hold_workspace(workspace_id: int) -> None:
    """Keep others from holding a workspace alone until the transaction ends; shared with
    recorders. Take it before any other lock."""
    record_sql.enter_workspace(workspace_id)
    record_sql.hold_workspace(workspace_id)


def open_window(
    *,
    workspace: Workspace,
    unit: UsageUnit,
    start: dt.datetime,
    end: dt.datetime,
    timezone: str = "",
) -> UsageWindow:
    """Count the usage of a unit in ``[start, end)`` from now on; the same window again is kept.

    Its local days are counted in ``timezone``, by default the client's, for good.

    Usage of that time which was stored unbilled is counted too, so that it does not matter
    whether it was reported before or after the window was opened. Call it with the workspace
    locked. Raises ValueError for a window that is off the quarter-hour grain, overlaps another
    one of the unit, or reaches into what is settled.
    """
    require_grain(start, end)
    window = UsageWindow.objects.filter(
        workspace=workspace, unit=unit, start__lt=end, end__gt=start
    ).first()
    if window is not None:
        if (window.start, window.end) == (start, end):
            return window
        raise ValueError(
            f"{unit} of {workspace} is already counted from {window.start} to {window.end}."
        )
    settled_until = Workspace.objects.values_list("settled_until", flat=True).get(pk=workspace.pk)
    if settled_until is not None and start < settled_until:
        raise ValueError(f"Usage of {workspace} is settled until {settled_until}.")
    window = UsageWindow.objects.create(
        workspace=workspace,
        unit=unit,
        start=start,
        end=end,
        timezone=timezone or workspace.client.timezone,
    )
    count_what_came_before(workspace, window)
    window.refresh_from_db()
    return window


def settle(*, workspace: Workspace, until: dt.datetime) -> None:
    """Close usage before ``until``: what still arrives is late. Call with the workspace locked.

    Raises ValueError when it would open again what is settled.
    """
    settled_until = Workspace.objects.values_list("settled_until", flat=True).get(pk=workspace.pk)
    if settled_until is not None and until < settled_until:
        raise ValueError(f"Usage of {workspace} is settled until {settled_until} already.")
    Workspace.objects.filter(pk=workspace.pk).update(settled_until=until)
    workspace.settled_until = until


def require_grain(start: dt.datetime, end: dt.datetime) -> None:
    """Raise ValueError unless ``[start, end)`` holds something and lies on quarter hours."""
    if not start < end:
        raise ValueError(f"A window ends after it starts: {start} to {end}.")
    for instant in (start, end):
        if quarter_floor(instant) != instant:
            raise ValueError(f"A window starts and ends on a quarter hour: {instant}.")


def count_what_came_before(workspace: Workspace, window: UsageWindow) -> None:
    """Count the usage that was stored unbilled and that a window covers by now."""
    unbilled = UsageEvent.objects.filter(
        workspace=workspace,
        unit=window.unit_id,
        standing=UsageEvent.Standing.UNBILLED,
        occurred_at__gte=window.start,
        occurred_at__lt=window.end,
    )
    while chunk := list(unbilled.select_related("meter").order_by("pk")[:CHUNK]):
        UsageEvent.objects.filter(pk__in=[event.pk for event in chunk]).update(
            standing=UsageEvent.Standing.COUNTED
        )
        count_events(
            workspace, [counted_event(event, window.pk) for event in chunk], Windows.of([window])
        )


def counted_event(event: UsageEvent, window_id: int) -> CountedEvent:
    """A stored event as it is counted in a window."""
    is_unique = event.meter.aggregation == Meter.Aggregation.UNIQUE
    cost = 0 if event.client_cost is None else scaled(event.client_cost, costing.PLACES)
    platform_pays = event.cost_payer == CostPayer.PLATFORM
    return CountedEvent(
        id=event.pk,
        source=event.source,
        external_id=event.external_id,
        place=place_of(event, window_id),
        subject=event.subject if is_unique and event.quantity else None,
        quantity=scaled(event.quantity, metering.PLACES),
        is_unique=is_unique,
        attempts=event.attempts,
        is_error=event.status == UsageEvent.Status.ERROR,
        input_tokens=event.input_tokens or 0,
        cached_input_tokens=event.cached_input_tokens or 0,
        output_tokens=event.output_tokens or 0,
        tool_calls=event.tool_calls or 0,
        is_unpriced=event.cost_flag in costing.ALARMS,
        platform_cost=cost if platform_pays else 0,
        agency_cost=0 if platform_pays else cost,
    )
