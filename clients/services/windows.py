"""What billing writes down to `clients`: in which windows usage counts, and what is settled.

Billing calls these inside its own transaction, with the workspaces held alone (lock_workspaces),
so that no event is recorded between its reading of the sums and the end of the transaction.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q
from django.db.transaction import TransactionManagementError

from agencyportal.core.money import scaled
from agencyportal.core.periods import quarter_floor
from clients import costing, metering, record_sql
from clients.models import (
    CapBalance,
    CostPayer,
    Meter,
    UsageEvent,
    UsageUnit,
    UsageWindow,
    Workspace,
)
from clients.record_sql import Held as Held
from clients.selectors import corrected_quantities, priced_in_time
from clients.services import cap_balances
from clients.services.counting import Windows, count_events, place_of
from clients.tally import CountedEvent

CHUNK = 2_000


def lock_workspace(workspace_id: int, *, changes_credit: bool = True) -> Workspace:
    """`lock_workspaces` of one; raises Workspace.DoesNotExist."""
    for workspace in lock_workspaces([workspace_id], changes_credit=changes_credit):
        return workspace
    raise Workspace.DoesNotExist(f"There is no workspace {workspace_id}.")


def lock_workspaces(
    workspace_ids: Iterable[int], *, changes_credit: bool = True
) -> list[Workspace]:
    """Hold workspaces alone until the transaction ends; they as they are now, with their clients.

    In the order of their ids, whoever locks several. Recording waits meanwhile, and this waits
    for recording. Take it before any other lock. Who holds workspaces may give credit, open and
    close periods, move usage: so what is available in their windows, and how far credit covers
    their usage, is void, unless the caller ``changes_credit`` in no way. Raises
    TransactionManagementError outside a transaction.
    """
    workspaces = Workspace.objects.select_related("client").select_for_update(of=("self",))
    if not transaction.get_connection(workspaces.db).in_atomic_block:
        raise TransactionManagementError("A workspace is locked inside a transaction only.")
    ids = sorted(set(workspace_ids))
    record_sql.enter_workspaces(ids, alone=True)
    locked = list(workspaces.filter(pk__in=ids).order_by("pk"))
    if changes_credit:
        known = Q(available_until__isnull=False) | Q(watched__isnull=False)
        known |= Q(covered_until__isnull=False)
        windows = UsageWindow.objects.filter(known, workspace_id__in=ids)
        windows.update(available_until=None, watched=None, covered_until=None)
    return locked


def hold_workspace(workspace_id: int) -> Held:
    """Keep others from holding a workspace alone until the transaction ends; shared with
    recorders. Take it before any other lock. Says until when it is settled, and whether caps'
    balances are kept over it."""
    record_sql.enter_workspaces([workspace_id])
    return record_sql.hold_workspace(workspace_id)


class Opening(NamedTuple):
    """A window that is wanted: usage of a unit in ``[start, end)`` counts. Its local days are
    counted in ``timezone``, by default the client's, for good."""

    workspace: Workspace
    unit: UsageUnit
    start: dt.datetime
    end: dt.datetime
    timezone: str = ""
    attention_at: Decimal | None = None
    """What `used` has to reach for billing to look at it; None: never."""


def open_window(
    *,
    workspace: Workspace,
    unit: UsageUnit,
    start: dt.datetime,
    end: dt.datetime,
    timezone: str = "",
) -> UsageWindow:
    """`open_windows` of one."""
    (window,) = open_windows([Opening(workspace, unit, start, end, timezone)])
    return window


def open_windows(openings: Sequence[Opening]) -> list[UsageWindow]:
    """Count the usage of units from now on, each in its time; the same window again is kept.

    Usage of that time which was stored unbilled is counted too, so that it does not matter
    whether it was reported before or after the window was opened. Call it with the workspaces
    locked. As many queries for many as for one, and more for each that such usage waits for.
    Raises ValueError for a window that is off the quarter-hour grain, overlaps another one of the
    unit, or reaches into what is settled.
    """
    for opening in openings:
        require_grain(opening.start, opening.end)
    there = _windows_of(openings)
    new: list[UsageWindow] = []
    found: list[UsageWindow] = []
    for opening in openings:
        of_unit = there[opening.workspace.pk, opening.unit.pk]
        window = _window_at(opening, of_unit)
        if window is None:
            zone = opening.timezone or opening.workspace.client.timezone
            window = UsageWindow(**opening._asdict() | {"timezone": zone})
            of_unit.append(window)
            new.append(window)
        found.append(window)
    if new:
        _refuse_settled(new)
        UsageWindow.objects.bulk_create(new)
        _count_earlier_reports(new)
    return found


def settle(*, workspace: Workspace, until: dt.datetime) -> None:
    """`settle_all` of one."""
    settle_all([(workspace, until)])


def settle_all(settled: Sequence[tuple[Workspace, dt.datetime]]) -> None:
    """Close usage of workspaces, each before its instant: what still arrives is late. Call with
    the workspaces locked.

    Raises ValueError when it would open again what is settled.
    """
    already = _settled_until(workspace.pk for workspace, _ in settled)
    for workspace, until in settled:
        before = already[workspace.pk]
        if before is not None and until < before:
            raise ValueError(f"Usage of {workspace} is settled until {before} already.")
        workspace.settled_until = until
    Workspace.objects.bulk_update([workspace for workspace, _ in settled], ["settled_until"])


def _settled_until(workspace_ids: Iterable[int]) -> dict[int, dt.datetime | None]:
    rows = Workspace.objects.filter(pk__in=set(workspace_ids))
    return dict(rows.values_list("pk", "settled_until"))


def require_grain(start: dt.datetime, end: dt.datetime) -> None:
    """Raise ValueError unless ``[start, end)`` holds something and lies on quarter hours."""
    if not start < end:
        raise ValueError(f"A window ends after it starts: {start} to {end}.")
    for instant in (start, end):
        if quarter_floor(instant) != instant:
            raise ValueError(f"A window starts and ends on a quarter hour: {instant}.")


def _windows_of(openings: Sequence[Opening]) -> defaultdict[tuple[int, int], list[UsageWindow]]:
    """The windows that some openings may meet, by workspace and unit."""
    there: defaultdict[tuple[int, int], list[UsageWindow]] = defaultdict(list)
    if openings:
        rows = UsageWindow.objects.filter(
            workspace__in={opening.workspace for opening in openings},
            start__lt=max(opening.end for opening in openings),
            end__gt=min(opening.start for opening in openings),
        )
        for window in rows:
            there[window.workspace_id, window.unit_id].append(window)
    return there


def _window_at(opening: Opening, of_unit: Iterable[UsageWindow]) -> UsageWindow | None:
    for window in of_unit:
        if (window.start, window.end) == (opening.start, opening.end):
            return window
        if window.start < opening.end and window.end > opening.start:
            raise ValueError(
                f"{opening.unit} of {opening.workspace} is already counted "
                f"from {window.start} to {window.end}."
            )
    return None


def _refuse_settled(windows: Iterable[UsageWindow]) -> None:
    settled_until = _settled_until(window.workspace_id for window in windows)
    for window in windows:
        settled = settled_until[window.workspace_id]
        if settled is not None and window.start < settled:
            raise ValueError(f"Usage of {window.workspace} is settled until {settled}.")


def _count_earlier_reports(windows: Sequence[UsageWindow]) -> None:
    unbilled = UsageEvent.objects.filter(standing=UsageEvent.Standing.UNBILLED)
    reported = unbilled.filter(
        workspace__in={window.workspace_id for window in windows},
        occurred_at__gte=min(window.start for window in windows),
        occurred_at__lt=max(window.end for window in windows),
    )
    units = set(reported.order_by().values_list("workspace_id", "unit_id").distinct())
    waiting = [window for window in windows if (window.workspace_id, window.unit_id) in units]
    cap_balances.lock_over([window.workspace for window in waiting])
    for window in waiting:
        count_what_came_before(window.workspace, window)
        window.refresh_from_db(fields=("used", "events", "available_until", "covered_until"))


def count_what_came_before(workspace: Workspace, window: UsageWindow) -> None:
    """Count the usage that was stored unbilled and that a window covers by now."""
    unbilled = UsageEvent.objects.filter(
        workspace=workspace,
        unit=window.unit_id,
        standing=UsageEvent.Standing.UNBILLED,
        occurred_at__gte=window.start,
        occurred_at__lt=window.end,
    )
    is_capped: bool | None = None
    while chunk := list(unbilled.select_related("meter", "pricing").order_by("pk")[:CHUNK]):
        UsageEvent.objects.filter(pk__in=[event.pk for event in chunk]).update(
            standing=UsageEvent.Standing.COUNTED
        )
        if is_capped is None:
            is_capped = CapBalance.objects.over(workspace).exists()
        corrected = corrected_quantities([event.pk for event in chunk])
        counted = [
            counted_event(event, window.pk, corrected.get(event.pk, event.quantity))
            for event in chunk
        ]
        count_events(workspace, counted, Windows.of([window]), is_capped=is_capped, alone=True)


def counted_event(event: UsageEvent, window_id: int, quantity: Decimal) -> CountedEvent:
    """A stored event as it is counted in a window, with its ``quantity`` after corrections and
    its cost as it is known by now. Comes with its meter and its pricing."""
    is_unique = event.meter.aggregation == Meter.Aggregation.UNIQUE
    pricing = priced_in_time(event)
    client_cost = event.client_cost if pricing is None else pricing.client_cost
    cost = 0 if client_cost is None else scaled(client_cost, costing.PLACES)
    platform_pays = event.cost_payer == CostPayer.PLATFORM
    return CountedEvent(
        id=event.pk,
        source=event.source,
        external_id=event.external_id,
        place=place_of(event, window_id),
        subject=event.subject if is_unique and quantity else None,
        quantity=scaled(quantity, metering.PLACES),
        is_unique=is_unique,
        attempts=event.attempts,
        is_error=event.status == UsageEvent.Status.ERROR,
        input_tokens=event.input_tokens or 0,
        cached_input_tokens=event.cached_input_tokens or 0,
        output_tokens=event.output_tokens or 0,
        tool_calls=event.tool_calls or 0,
        is_unpriced=event.cost_flag in costing.ALARMS and pricing is None,
        platform_cost=cost if platform_pays else 0,
        agency_cost=0 if platform_pays else cost,
    )
