"""Correcting what an event counts: amend it or void it, with a reason. The one way to do it.

A correction is a row beside the event, which stays as it is. In an open period it moves the sums
at the event's own time. In a closed one the sums stay, and billing settles the difference in the
open period (billing/services/late_usage.py).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db import transaction

from agencyportal.core.money import plain, scaled
from clients import metering, record_sql
from clients.models import (
    Meter,
    UniqueSubject,
    UsageCorrection,
    UsageEvent,
    UsageWindow,
    User,
    Workspace,
    WorkspaceKey,
)
from clients.recounting import Recount, moves, standing_after
from clients.selectors import corrected_quantities
from clients.services import cap_balances, windows
from clients.services.counting import place_of
from clients.tally import Tally

LONGEST_KEY: Final = 200
LONGEST_REASON: Final = 500

Standing = UsageCorrection.Standing


class CorrectionRefusedError(ValueError):
    """The correction cannot be made as asked; ``field`` names the argument it is about."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class CorrectionConflictError(CorrectionRefusedError):
    """The key has corrected something else already."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """The correction that holds; ``is_new``: written by this call, not by an earlier one."""

    correction: UsageCorrection
    is_new: bool


@transaction.atomic
def correct_event(
    *,
    workspace: Workspace,
    event_id: str,
    quantity: Decimal,
    reason: str,
    key: str,
    now: dt.datetime,
    source: str = "",
    created_by: User | None = None,
    created_with: WorkspaceKey | None = None,
) -> Corrected:
    """Let an event count ``quantity`` of its unit from now on; 0 voids it.

    ``quantity`` is what the meter comes to, weights included: an event of two documents that
    count double is corrected to 6, not to 3. Its cost stays: the call was made. ``key`` makes it
    this correction: asked for again, it answers with the one that is there. So does whatever says
    again what the latest correction of the event says, quantity and reason.

    Raises CorrectionRefusedError for an event that the workspace does not have, a quantity that
    no event can have, or no reason; CorrectionConflictError for a key that corrected something
    else. Holds the workspace alone.
    """
    _refuse_unfit(quantity, reason, key)
    locked = windows.lock_workspace(workspace.pk)
    event = (
        UsageEvent.objects.select_related("meter", "unit")
        .filter(workspace=locked, source=source, external_id=event_id)
        .first()
    )
    if event is None:
        of = f" of source “{source}”" if source else ""
        raise CorrectionRefusedError(
            f"This workspace has no event “{event_id}”{of}.", field="event_id"
        )
    earlier = UsageCorrection.objects.filter(workspace=locked, key=key).first()
    if earlier is not None:
        if (earlier.event_id, earlier.quantity) != (event.pk, quantity):
            raise CorrectionConflictError("The key has corrected something else; use a new one.")
        return Corrected(earlier, is_new=False)
    _refuse_uncountable(event, quantity)
    latest = UsageCorrection.objects.filter(event=event).order_by("-pk").first()
    if latest is not None and (latest.quantity, latest.reason) == (quantity, reason.strip()):
        return Corrected(latest, is_new=False)
    correction = UsageCorrection.objects.create(
        workspace=locked,
        event=event,
        key=key,
        quantity=quantity,
        previous=event.quantity if latest is None else latest.quantity,
        reason=reason.strip(),
        standing=_standing(event, locked),
        recorded_at=now,
        created_by=created_by,
        created_with=created_with,
    )
    if correction.standing == Standing.COUNTED:
        _move_sums(locked, event, correction)
    return Corrected(correction, is_new=True)


def _refuse_unfit(quantity: Decimal, reason: str, key: str) -> None:
    try:
        scaled(quantity, metering.PLACES)
    except ValueError:
        raise CorrectionRefusedError(
            f"A quantity has at most {metering.PLACES} decimal places.", field="quantity"
        ) from None
    if not 0 <= quantity <= metering.MAX_QUANTITY:
        raise CorrectionRefusedError(
            f"A quantity is from 0 to {metering.MAX_QUANTITY:,}.", field="quantity"
        )
    if not reason.strip():
        raise CorrectionRefusedError(
            "Say why it is corrected; the reason is kept with it.", field="reason"
        )
    if len(reason.strip()) > LONGEST_REASON:
        raise CorrectionRefusedError(
            f"Say why in at most {LONGEST_REASON} characters.", field="reason"
        )
    if not key.strip() or len(key) > LONGEST_KEY:
        raise CorrectionRefusedError(f"A key has 1 to {LONGEST_KEY} characters.", field="id")


def _refuse_uncountable(event: UsageEvent, quantity: Decimal) -> None:
    is_unique = event.meter.aggregation == Meter.Aggregation.UNIQUE
    if is_unique and quantity and not event.subject:
        raise CorrectionRefusedError(
            f"{event.unit.plural} are counted once per subject, and this event names none; "
            f"it can count 0 only, not {plain(quantity)}.",
            field="quantity",
        )


def _standing(event: UsageEvent, workspace: Workspace) -> str:
    if event.standing == UsageEvent.Standing.UNBILLED:
        return Standing.UNBILLED
    settled = workspace.settled_until
    is_closed = settled is not None and event.occurred_at < settled
    if is_closed or event.standing == UsageEvent.Standing.LATE:
        return Standing.LATE
    return Standing.COUNTED


def _move_sums(workspace: Workspace, event: UsageEvent, correction: UsageCorrection) -> None:
    window = UsageWindow.objects.get(
        workspace=workspace,
        unit=event.unit_id,
        start__lte=event.occurred_at,
        end__gt=event.occurred_at,
    )
    events = _with_its_subject(event, window)
    known = corrected_quantities(events)
    recounts = [
        _recount(row, known.get(pk, row.quantity), correction) for pk, row in events.items()
    ]
    tally = Tally(workspace.client.timezone, {window.pk: window.timezone})
    for recount, quantity in moves(recounts):
        place = place_of(events[recount.id], window.pk)
        tally.add_quantity(place, scaled(quantity, metering.PLACES))
    if _is_told_apart(event):
        _stand(window, event.subject, standing_after(recounts))
    record_sql.add_to_rollups(workspace.pk, tally)
    cap_balances.count(workspace, tally)


def _is_told_apart(event: UsageEvent) -> bool:
    """Whether the event counts for its subject only."""
    return event.meter.aggregation == Meter.Aggregation.UNIQUE and bool(event.subject)


def _with_its_subject(event: UsageEvent, window: UsageWindow) -> dict[int, UsageEvent]:
    """The event, under `unique` with all others of its subject in the window."""
    if not _is_told_apart(event):
        return {event.pk: event}
    rows = UsageEvent.objects.counted().filter(
        workspace=event.workspace_id,
        unit=event.unit_id,
        subject=event.subject,
        occurred_at__gte=window.start,
        occurred_at__lt=window.end,
        meter__aggregation=Meter.Aggregation.UNIQUE,
    )
    return {row.pk: row for row in rows.select_related("meter")}


def _recount(event: UsageEvent, known: Decimal, correction: UsageCorrection) -> Recount:
    is_it = event.pk == correction.event_id
    return Recount(
        id=event.pk,
        occurred_at=event.occurred_at,
        source=event.source,
        external_id=event.external_id,
        subject=event.subject if _is_told_apart(event) else None,
        before=correction.previous if is_it else known,
        after=correction.quantity if is_it else known,
    )


def _stand(window: UsageWindow, subject: str, standing: Recount | None) -> None:
    """Write down which event stands for a subject now, if any does."""
    if standing is None:
        UniqueSubject.objects.filter(window=window, subject=subject).delete()
        return
    UniqueSubject.objects.update_or_create(
        window=window,
        subject=subject,
        defaults={"event_id": standing.id, "occurred_at": standing.occurred_at},
    )
