"""Settles reservations: with the event they were made for, by hand, or when their time is over.

Lock order: workspace (shared) -> reservation -> events ... -> windows -> balances of caps, as in
recording.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Final

import msgspec
from django.db import transaction

from agencyportal.core.claims import claim
from agencyportal.core.fields import NanosField, QuantityField
from agencyportal.core.prepared import PreparedQuery, PreparedUpdate
from billing.models import Reservation
from billing.models.reservations import ReservationQuerySet
from billing.refusals import RefusedError
from clients.models import UsageEvent
from clients.services import windows
from clients.services.recording import NotStoredError, SubmittedEvent, record_within

from . import capacity
from .cap_holding import give_back as give_back_caps

State = Reservation.State
ZERO: Final = Decimal(0)


class ConflictError(RefusedError):
    """The reservation was settled another way already, or its key or event stands for another."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed reservation; ``is_new``: by this call, not by an earlier one with its event."""

    reservation: Reservation
    event: UsageEvent
    is_new: bool


def commit_reservation(
    *, reservation: Reservation, event: SubmittedEvent, now: dt.datetime
) -> Committed:
    """Record ``event`` at the reservation's time, whatever time it names, and free the rest.

    More than was reserved is stored and stands in ``overshoot``. After it expired, a reservation
    is committed all the same: the event is a fact, recorded like any other. Committed again with
    the same event, it stays as it is. Reads the reservation's workspace, client and unit.

    Raises ConflictError for one that was released, or committed with another event, and for an
    event that is there and belongs to another unit or reservation; RefusedError for another
    unit's event; EventsRefused for one that cannot be recorded. Commits on its own.
    """
    try:
        with transaction.atomic():
            return _commit(reservation, event, now)
    except NotStoredError as error:
        error.explain()


def _commit(reservation: Reservation, event: SubmittedEvent, now: dt.datetime) -> Committed:
    """The transaction of committing."""
    held = windows.hold_workspace(reservation.workspace_id)
    row = _locked(reservation)
    if row.state == State.RELEASED:
        raise ConflictError("This reservation was released; report the event on its own.")
    if row.state == State.COMMITTED:
        return _committed_already(row, event)
    if event.unit != row.unit.slug:
        raise RefusedError(f"This reservation holds {row.unit.plural}, not “{event.unit}”.")
    was_open = row.state == State.OPEN
    stored = _record(row, event, held, now)
    row.state = State.COMMITTED
    row.settled_at = now
    row.event = stored
    row.overshoot = max(ZERO, stored.quantity - row.quantity)
    row.cost_overshoot = max(ZERO, (stored.client_cost or ZERO) - row.cost)
    _save(row)
    if was_open:
        _give_back([row], held)
    return Committed(row, stored, is_new=True)


_LOCKED: Final = PreparedQuery[Reservation](
    lambda slots: (
        Reservation.objects.filter(pk=slots.number("pk"))
        .select_related("unit", "window")
        .select_for_update(of=("self",), no_key=True)
    )
)
_SAVED: Final = PreparedUpdate(
    lambda slots: (
        Reservation.objects.filter(pk=slots.number("pk")),
        {
            "state": slots.text("state"),
            "settled_at": slots.instant("settled_at"),
            "event": slots.number("event"),
            "overshoot": slots.like(QuantityField, "overshoot"),
            "cost_overshoot": slots.like(NanosField, "cost_overshoot"),
        },
    )
)


def _locked(reservation: Reservation) -> Reservation:
    """Locked and as it is now, with its unit and window, and the workspace that came with it."""
    row = _LOCKED.first(pk=reservation.pk)
    if row is None:
        raise Reservation.DoesNotExist(f"There is no reservation {reservation.pk}.")
    row.workspace = reservation.workspace
    return row


def _save(row: Reservation) -> None:
    """Write down how a locked reservation was settled."""
    _SAVED.run(
        pk=row.pk,
        state=row.state,
        settled_at=row.settled_at,
        event=row.event_id,
        overshoot=row.overshoot,
        cost_overshoot=row.cost_overshoot,
    )


def _committed_already(row: Reservation, event: SubmittedEvent) -> Committed:
    stored = row.event
    if stored is None or (stored.source, stored.external_id) != event.key:
        raise ConflictError("This reservation was committed already, with another event.")
    return Committed(row, stored, is_new=False)


def _record(
    row: Reservation, event: SubmittedEvent, held: windows.Held, now: dt.datetime
) -> UsageEvent:
    timed = msgspec.structs.replace(event, time=row.reserved_at)
    stored, is_new = record_within(workspace=row.workspace, held=held, event=timed, now=now)
    taken = not is_new and Reservation.objects.filter(event=stored).exists()
    if taken or stored.unit_id != row.unit_id:
        raise ConflictError(f"The event “{event.id}” is there already and stands for another.")
    return stored


@transaction.atomic
def release_reservation(*, reservation: Reservation, now: dt.datetime) -> Reservation:
    """Free what is held; released again, or after it expired, it stays as it is. Reads the
    reservation's workspace.

    Raises ConflictError for one that was committed.
    """
    held = windows.hold_workspace(reservation.workspace_id)
    row = _locked(reservation)
    if row.state == State.COMMITTED:
        raise ConflictError("This reservation was committed already.")
    if row.state == State.OPEN:
        row.state = State.RELEASED
        row.settled_at = now
        _save(row)
        _give_back([row], held)
    return row


def expire_reservations(*, now: dt.datetime, limit: int | None = None) -> int:
    """Free the units of reservations whose time is over; returns how many there were.

    One transaction for each workspace.
    """
    return expire_each(Reservation.objects.overdue(now), now, limit=limit)


def expire_each(overdue: ReservationQuerySet, now: dt.datetime, *, limit: int | None) -> int:
    """The same of those of some workspaces."""
    expired = 0
    workspaces = overdue.order_by("workspace_id")
    for workspace_id in workspaces.values_list("workspace_id", flat=True).distinct():
        with transaction.atomic():
            held = windows.hold_workspace(workspace_id)
            left = None if limit is None else limit - expired
            expired += expire_of(workspace_id, now, held, limit=left)
        if limit is not None and expired >= limit:
            break
    return expired


AT_ONCE: Final = 1000


def expire_of(workspace_id: int, now: dt.datetime, held: windows.Held, *, limit: int | None) -> int:
    """Those of a workspace that is ``held``; at most 1,000 at once without a ``limit``."""
    overdue = Reservation.objects.overdue(now).filter(workspace_id=workspace_id)
    expired = claim(
        overdue.order_by("expires_at", "pk"),
        set={"state": State.EXPIRED, "settled_at": now},
        limit=AT_ONCE if limit is None else limit,
    )
    if expired:
        rows = Reservation.objects.filter(pk__in=expired)
        _give_back(list(rows.select_related("window", "workspace__client")), held)
    return len(expired)


def _give_back(rows: list[Reservation], held: windows.Held) -> None:
    """Free what settled reservations of one workspace hold, with the workspace ``held``. They come
    with their windows."""
    ordered = sorted(rows, key=lambda row: (row.unit_id, row.pk))
    for unit_id, of_unit in groupby(ordered, key=lambda row: row.unit_id):
        settled = list(of_unit)
        capacity.give_back(
            workspace_id=settled[0].workspace_id,
            unit_id=unit_id,
            freed=[(row.window, row.reserved_at, row.quantity) for row in settled],
        )
    if held.is_capped:
        give_back_caps(rows[0].workspace, rows)
