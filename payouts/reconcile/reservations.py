"""What is held, what reservations became, and the limit that admission goes by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from billing.models import Reservation
from billing.selectors.balances import balances, held_by
from clients.models import UsageEvent, UsageWindow, Workspace

from .findings import Checked, Finding, compare
from .scope import CHUNK

SUBJECT: Final = "Reservations"
LIMITS: Final = "Limits"
ZERO: Final = Decimal(0)


def check_reservations(workspace: Workspace) -> Iterator[Finding]:
    """`reserved` is the sum of what is open, a committed reservation has its event, and what is
    cached as available is what the books say."""
    held: dict[int, Decimal] = defaultdict(Decimal)
    rows = Reservation.objects.filter(workspace=workspace).select_related("event", "unit")
    count = 0
    for row in rows.order_by("pk").iterator(chunk_size=CHUNK):
        count += 1
        if row.state == Reservation.State.OPEN:
            held[row.window_id] += row.quantity
        yield from _check_row(row, workspace)
    yield Checked(SUBJECT, count)
    for window in UsageWindow.objects.filter(workspace=workspace).select_related("unit"):
        fields = {"reserved": (window.reserved, held[window.pk])}
        yield from compare(SUBJECT, window, _window_name(window, workspace), fields)
    yield from _check_limits(workspace)


def _check_row(row: Reservation, workspace: Workspace) -> Iterator[Finding]:
    name = f"{row.quantity.normalize():f} {row.unit.plural} of {workspace}, {row.public_id}"
    event: UsageEvent | None = row.event
    is_committed = row.state == Reservation.State.COMMITTED
    fields: dict[str, tuple[object, object]] = {
        "event": (event is not None, is_committed),
        "overshoot": (row.overshoot, max(ZERO, event.quantity - row.quantity) if event else ZERO),
        "cost_overshoot": (row.cost_overshoot, _cost_overshoot(row)),
    }
    if event is not None:
        fields["event's workspace"] = (event.workspace_id, workspace.pk)
        fields["event's unit"] = (event.unit_id, row.unit_id)
    yield from compare(SUBJECT, row, name, fields)


def _cost_overshoot(row: Reservation) -> Decimal:
    event: UsageEvent | None = row.event
    cost = event.client_cost if event is not None else None
    return ZERO if cost is None else max(ZERO, cost - row.cost)


def _check_limits(workspace: Workspace) -> Iterator[Finding]:
    """Worked out again as of the time that the cached limit holds for."""
    cached = workspace.windows.filter(available_until__isnull=False).select_related("unit")
    held = held_by(workspace)
    count = 0
    for window in cached:
        if window.available_since is None:
            continue
        since = window.available_since
        found = balances(workspace=workspace, now=since, held=held)
        for balance in found:
            if balance.unit != window.unit or balance.period.start != window.start:
                continue
            count += 1
            capacity = balance.capacity(since)
            fields = {
                "available": (window.available, capacity.limit if balance.is_limited else None),
                "available_until": (window.available_until, capacity.until),
            }
            yield from compare(LIMITS, window, _window_name(window, workspace), fields)
    if count:
        yield Checked(LIMITS, count)


def _window_name(window: UsageWindow, workspace: Workspace) -> str:
    return f"{window.unit.plural} of {workspace} from {window.start:%Y-%m-%d %H:%M}"
