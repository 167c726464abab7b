"""Units held before a call and settled after it: a cap is a cap (ENGINE 8).

The guard is one conditional UPDATE of the balance row, `used + reserved + q <= available`; of any
number at once, no more get in than fit. Everything else here decides what happens around it.

Lock order: workspace (shared) -> reservation -> events ... -> windows, as in recording. Where what
is available has to be worked out again, the workspace alone.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Final

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from agencyportal.core.claims import claim
from agencyportal.core.locks import lock_row
from agencyportal.core.money import plain
from billing.models import Reservation
from billing.refusals import RefusedError
from clients.models import UsageEvent, UsageUnit, UsageWindow, Workspace
from clients.services import windows
from clients.services.recording import SubmittedEvent, record_events

from . import capacity

DEFAULT_TTL: Final = dt.timedelta(minutes=5)
LONGEST_TTL: Final = dt.timedelta(hours=1)
"""Well inside the usual grace, so that what was held in a period is settled before it closes."""

LONGEST_KEY: Final = 255
State = Reservation.State
ZERO = Decimal(0)


class NotAdmittedError(RefusedError):
    """The cap does not allow it; nothing is held."""


class ConflictError(RefusedError):
    """The reservation was settled another way already, or its key or event stands for another."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed reservation; ``is_new``: by this call, not by an earlier one with its event."""

    reservation: Reservation
    event: UsageEvent
    is_new: bool


# --- Reserving ---------------------------------------------------------------------------------


def reserve(
    *,
    workspace: Workspace,
    unit: UsageUnit,
    quantity: Decimal,
    now: dt.datetime,
    ttl: dt.timedelta = DEFAULT_TTL,
    key: str | None = None,
) -> Reservation:
    """Hold ``quantity`` of a unit until it is settled, or ``ttl`` has passed.

    ``key`` is the caller's idempotency key within the workspace: asked for again, it answers with
    the reservation that is there, whatever has become of it.

    Raises NotAdmittedError where what is left does not cover it, and outside a package that has
    the unit; RefusedError for a quantity or a time that is none, and for a key that held
    something else. Commits on its own.
    """
    _refuse_unfit(quantity, ttl, key)
    wanted = _Wanted(workspace, unit, quantity, now, ttl, key)
    try:
        outcome = _reserve_shared(wanted) or _reserve_alone(wanted)
    except IntegrityError:
        earlier = _earlier(wanted)  # somebody with the same key came first
        if earlier is None:
            raise
        return earlier
    if isinstance(outcome, NotAdmittedError):
        raise outcome
    return outcome


@dataclass(frozen=True, slots=True)
class _Wanted:
    workspace: Workspace
    unit: UsageUnit
    quantity: Decimal
    now: dt.datetime
    ttl: dt.timedelta
    key: str | None


def _refuse_unfit(quantity: Decimal, ttl: dt.timedelta, key: str | None) -> None:
    if quantity <= 0:
        raise RefusedError("Reserve more than nothing.")
    if not dt.timedelta(0) < ttl <= LONGEST_TTL:
        raise RefusedError(f"Hold it for up to {LONGEST_TTL.total_seconds():.0f} seconds.")
    if key is not None and not (key.strip() and len(key) <= LONGEST_KEY):
        raise RefusedError(f"A key has 1 to {LONGEST_KEY} characters.")


@transaction.atomic
def _reserve_shared(wanted: _Wanted) -> Reservation | NotAdmittedError | None:
    """The usual way, beside recorders and others who reserve; None: look closer."""
    windows.hold_workspace(wanted.workspace.pk)
    if (earlier := _earlier(wanted)) is not None:
        return earlier
    window = _window(wanted)
    if _take(window, wanted):
        return _hold(window, wanted)
    window.refresh_from_db()
    overdue = Reservation.objects.overdue(wanted.now).filter(workspace=wanted.workspace)
    if capacity.is_known(window, wanted.now) and not overdue.exists():
        return _not_admitted(window, wanted)
    return None


@transaction.atomic
def _reserve_alone(wanted: _Wanted) -> Reservation | NotAdmittedError:
    """Free what ran out, work out what is available if that is void, and try again.

    A refusal is returned, not raised, so that what was found out is kept for the next one."""
    windows.lock_workspace(wanted.workspace.pk, changes_credit=False)
    if (earlier := _earlier(wanted)) is not None:
        return earlier
    _expire(wanted.workspace.pk, wanted.now, limit=None)
    window = _window(wanted)
    if not capacity.is_known(window, wanted.now):
        capacity.work_out(workspace=wanted.workspace, now=wanted.now)
    if _take(window, wanted):
        return _hold(window, wanted)
    window.refresh_from_db()
    return _not_admitted(window, wanted)


def _take(window: UsageWindow, wanted: _Wanted) -> bool:
    """The guard."""
    room = Q(available=None) | Q(available__gte=F("used") + F("reserved") + wanted.quantity)
    known = Q(available_since__lte=wanted.now, available_until__gt=wanted.now)
    mine = UsageWindow.objects.filter(room, known, pk=window.pk)
    return mine.update(reserved=F("reserved") + wanted.quantity) == 1


def _hold(window: UsageWindow, wanted: _Wanted) -> Reservation:
    return Reservation.objects.create(
        public_id=uuid.uuid4(),
        agency_id=wanted.workspace.agency_id,
        workspace=wanted.workspace,
        unit=wanted.unit,
        window=window,
        quantity=wanted.quantity,
        reserved_at=wanted.now,
        expires_at=wanted.now + wanted.ttl,
        key=wanted.key,
        created_at=wanted.now,
    )


def _window(wanted: _Wanted) -> UsageWindow:
    window = UsageWindow.objects.filter(
        workspace=wanted.workspace, unit=wanted.unit, start__lte=wanted.now, end__gt=wanted.now
    ).first()
    if window is None:
        raise NotAdmittedError(
            f"{wanted.unit.plural} are not in the package that {wanted.workspace} is on now."
        )
    return window


def _earlier(wanted: _Wanted) -> Reservation | None:
    if wanted.key is None:
        return None
    held = Reservation.objects.select_related("unit", "event")
    found = held.filter(workspace=wanted.workspace, key=wanted.key).first()
    if found is not None and (found.unit_id, found.quantity) != (wanted.unit.pk, wanted.quantity):
        raise ConflictError(
            f"The key has held {plain(found.quantity)} {found.unit.plural} already; use a new one."
        )
    return found


def _not_admitted(window: UsageWindow, wanted: _Wanted) -> NotAdmittedError:
    taken = window.used + window.reserved
    left = max(ZERO, (window.available or ZERO) - taken)
    return NotAdmittedError(
        f"{plain(wanted.quantity)} {wanted.unit.plural} were asked for and {plain(left)} are free "
        f"of {plain(window.available or ZERO)}: {plain(window.used)} are used and "
        f"{plain(window.reserved)} are held. The period ends at {window.end:%Y-%m-%d %H:%M} UTC."
    )


# --- Settling ----------------------------------------------------------------------------------


@transaction.atomic
def commit_reservation(
    *, reservation: Reservation, event: SubmittedEvent, now: dt.datetime
) -> Committed:
    """Record ``event`` at the reservation's time, whatever time it names, and free the rest.

    More than was reserved is stored and stands in ``overshoot``. After it expired, a reservation
    is committed all the same: the event is a fact, recorded like any other. Committed again with
    the same event, it stays as it is.

    Raises ConflictError for one that was released, or committed with another event, and for an
    event that is there and belongs to another unit or reservation; RefusedError for another
    unit's event; EventsRefused for one that cannot be recorded.
    """
    windows.hold_workspace(reservation.workspace_id)
    row = lock_row(Reservation.objects.filter(pk=reservation.pk))
    if row.state == State.RELEASED:
        raise ConflictError("This reservation was released; report the event on its own.")
    if row.state == State.COMMITTED:
        return _committed_already(row, event)
    if event.unit != row.unit.slug:
        raise RefusedError(f"This reservation holds {row.unit.plural}, not “{event.unit}”.")
    was_open = row.state == State.OPEN
    stored = _record(row, event, now)
    row.state = State.COMMITTED
    row.settled_at = now
    row.event = stored
    row.overshoot = max(ZERO, stored.quantity - row.quantity)
    row.save(update_fields=["state", "settled_at", "event", "overshoot"])
    if was_open:
        _give_back([row])
    return Committed(row, stored, is_new=True)


def _committed_already(row: Reservation, event: SubmittedEvent) -> Committed:
    stored = row.event
    if stored is None or (stored.source, stored.external_id) != event.key:
        raise ConflictError("This reservation was committed already, with another event.")
    return Committed(row, stored, is_new=False)


def _record(row: Reservation, event: SubmittedEvent, now: dt.datetime) -> UsageEvent:
    workspace = Workspace.objects.select_related("client").get(pk=row.workspace_id)
    timed = msgspec.structs.replace(event, time=row.reserved_at)
    record_events(workspace=workspace, events=[timed], now=now)
    source, external_id = event.key
    stored = UsageEvent.objects.get(workspace=workspace, source=source, external_id=external_id)
    taken = Reservation.objects.filter(event=stored).exists()
    if taken or stored.unit_id != row.unit_id:
        raise ConflictError(f"The event “{external_id}” is there already and stands for another.")
    return stored


@transaction.atomic
def release_reservation(*, reservation: Reservation, now: dt.datetime) -> Reservation:
    """Free what is held; released again, or after it expired, it stays as it is.

    Raises ConflictError for one that was committed.
    """
    windows.hold_workspace(reservation.workspace_id)
    row = lock_row(Reservation.objects.filter(pk=reservation.pk))
    if row.state == State.COMMITTED:
        raise ConflictError("This reservation was committed already.")
    if row.state == State.OPEN:
        row.state = State.RELEASED
        row.settled_at = now
        row.save(update_fields=["state", "settled_at"])
        _give_back([row])
    return row


def expire_reservations(*, now: dt.datetime, limit: int | None = None) -> int:
    """Free the units of reservations whose time is over; returns how many there were.

    One transaction for each workspace.
    """
    expired = 0
    workspaces = Reservation.objects.overdue(now).order_by("workspace_id")
    for workspace_id in workspaces.values_list("workspace_id", flat=True).distinct():
        with transaction.atomic():
            windows.hold_workspace(workspace_id)
            left = None if limit is None else limit - expired
            expired += _expire(workspace_id, now, limit=left)
        if limit is not None and expired >= limit:
            break
    return expired


AT_ONCE: Final = 1000


def _expire(workspace_id: int, now: dt.datetime, *, limit: int | None) -> int:
    overdue = Reservation.objects.overdue(now).filter(workspace_id=workspace_id)
    expired = claim(
        overdue.order_by("expires_at", "pk"),
        set={"state": State.EXPIRED, "settled_at": now},
        limit=AT_ONCE if limit is None else limit,
    )
    _give_back(list(Reservation.objects.filter(pk__in=expired)))
    return len(expired)


def _give_back(rows: list[Reservation]) -> None:
    ordered = sorted(rows, key=lambda row: (row.unit_id, row.pk))
    for unit_id, of_unit in groupby(ordered, key=lambda row: row.unit_id):
        settled = list(of_unit)
        capacity.give_back(
            workspace_id=settled[0].workspace_id,
            unit_id=unit_id,
            freed=[(row.window_id, row.reserved_at, row.quantity) for row in settled],
        )
