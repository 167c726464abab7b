"""Keeps what came back different under a known id, and settles it once somebody has looked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db import transaction

from agencyportal.core.locks import lock_row
from clients.models import EventConflict, UsageEvent, User, Workspace
from clients.services.measuring import MeasuredEvent
from clients.submission import SubmittedEvent

LONGEST_REMARK = 500


def note_conflicts(
    *,
    workspace: Workspace,
    events: Sequence[MeasuredEvent],
    ids: Collection[str],
    now: dt.datetime,
) -> None:
    """Keep every body of ``events`` that differs from the event that stands under its id.

    Part of recording, in its transaction. ``ids``: those of them that are known to conflict. A
    body that is kept already is left as it is.
    """
    wanted = set(ids)
    submitted = {event.key for event in events if event.key[1] in wanted}
    standing = {
        (event.source, event.external_id): event
        for event in UsageEvent.objects.filter(
            workspace=workspace, external_id__in=sorted(wanted)
        ).only("source", "external_id", "body_hash")
        if (event.source, event.external_id) in submitted
    }
    rows: dict[tuple[int, str], EventConflict] = {}
    for event in events:
        first = standing.get(event.key)
        if first is None or event.body_hash == first.body_hash:
            continue
        rows[first.pk, event.body_hash] = EventConflict(
            workspace=workspace,
            event=first,
            body_hash=event.body_hash,
            body=_shown(event.submitted),
            received_at=now,
        )
    EventConflict.objects.bulk_create([rows[key] for key in sorted(rows)], ignore_conflicts=True)


@transaction.atomic
def settle_conflict(
    *, conflict: EventConflict, remark: str, settled_by: User | None, now: dt.datetime
) -> EventConflict:
    """Say that somebody has looked: the first body stands, or was corrected by them.

    Settled already, it stays as it is. Raises ValidationError without a remark. Locks the row.
    """
    remark = remark.strip()
    if not remark or len(remark) > LONGEST_REMARK:
        raise ValidationError(
            {"remark": f"Say what you found, in at most {LONGEST_REMARK} characters."}
        )
    locked = lock_row(EventConflict.objects.filter(pk=conflict.pk))
    if locked.settled_at is None:
        locked.settled_at, locked.settled_by, locked.remark = now, settled_by, remark
        locked.save(update_fields=["settled_at", "settled_by", "remark"])
    return locked


def _shown(event: SubmittedEvent) -> Any:
    """A body as JSON can hold it: what was not given left out, decimals and times as text."""
    given = {
        name: value
        for name in event.__struct_fields__
        if (value := getattr(event, name)) is not None
    }
    return msgspec.to_builtins(given, str_keys=True)
