"""Recording what happened: the one way into the books for API, files, gateway and demo.

A batch is one transaction and all or nothing. Repeated events are harmless. What a batch adds
does not depend on its order, on how events were split into batches, or on repeats.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from django.db import DEFAULT_DB_ALIAS, DataError, IntegrityError, transaction

from agencyportal.core.money import unscaled
from clients import costing, metering, record_sql
from clients.models import CostPayer, UsageEvent, Workspace
from clients.services.conflicts import note_conflicts
from clients.services.counting import Gathered, Windows, count_events
from clients.services.listeners import call_attention
from clients.services.measuring import MeasuredEvent, distinct, measure_events
from clients.services.overflow import refuse_overflow
from clients.submission import MAX_AHEAD, EventsRefused, SubmittedEvent, TokenUsage
from clients.tally import CountedEvent, Counts, Place, quarter_number

__all__ = [
    "EventsRefused",
    "NotStoredError",
    "Recorded",
    "SubmittedEvent",
    "TokenUsage",
    "record_events",
    "record_within",
]

Standing = UsageEvent.Standing
_ERROR: Final = UsageEvent.Status.ERROR.value
_PLATFORM: Final = CostPayer.PLATFORM.value
_NO_USAGE: Final = TokenUsage()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch: accepted + duplicates = events submitted.

    ``conflicts`` are ids of duplicates whose body differs from the one that stands.
    """

    accepted: int = 0
    duplicates: int = 0
    conflicts: list[str] = field(default_factory=list)


def record_events(
    *, workspace: Workspace, events: Sequence[SubmittedEvent], now: dt.datetime
) -> Recorded:
    """Store events once, and count those that fall into an open window of their unit.

    An event before ``settled_until`` is stored as late, one outside every window as unbilled; both
    stay out of the rollups. Raises EventsRefused, and stores nothing, when anything is wrong with
    any event: limits, an unknown unit, more than 15 minutes in the future, not measurable, a sum
    that would no longer fit.

    Holds the workspace's row shared until it commits. The number of queries does not depend on
    the number of events; callers choose batches of a size that suits them.
    """
    measured = measure_events(workspace=workspace, events=events, now=now)
    if not measured:
        return Recorded()
    try:
        with transaction.atomic():
            record_sql.enter_workspaces([workspace.pk])
            held = record_sql.hold_workspace(workspace.pk)
            return _store(workspace, measured, held, now)[0]
    except (DataError, IntegrityError):
        refuse_overflow(workspace, measured)
        raise


class NotStoredError(Exception):
    """The database refused an event, for a reason that is the cause; roll back, then `explain`."""

    def __init__(self, workspace: Workspace, measured: Sequence[MeasuredEvent]) -> None:
        super().__init__("An event was refused by the database.")
        self._workspace = workspace
        self._measured = measured

    def explain(self) -> NoReturn:
        """Raise EventsRefused where a sum would no longer fit, else what the database raised."""
        refuse_overflow(self._workspace, self._measured)
        raise self.__cause__ or self


def record_within(
    *, workspace: Workspace, held: record_sql.Held, event: SubmittedEvent, now: dt.datetime
) -> tuple[UsageEvent, bool]:
    """`record_events` of one, in a transaction that holds the workspace (`windows.hold_workspace`)
    already; the event that stands, and whether it was new.

    Raises EventsRefused, and NotStoredError where the transaction cannot go on.
    """
    measured = measure_events(workspace=workspace, events=[event], now=now)
    try:
        _, inserted = _store(workspace, measured, held, now)
    except (DataError, IntegrityError) as error:
        raise NotStoredError(workspace, measured) from error
    (one,) = measured
    if (pk := inserted.get(one.key)) is not None:
        return _just_stored(workspace, one, pk), True
    source, external_id = one.key
    return workspace.events.get(source=source, external_id=external_id), False


def _just_stored(workspace: Workspace, event: MeasuredEvent, pk: int) -> UsageEvent:
    """The row of an event, without asking for it: its other columns are read when they are."""
    cost = event.cost.client_amount
    known = {
        "id": pk,
        "workspace_id": workspace.pk,
        "unit_id": event.unit_id,
        "meter_id": event.meter_id,
        "source": event.key[0],
        "external_id": event.key[1],
        "occurred_at": event.occurred_at,
        "quantity": unscaled(event.quantity, metering.PLACES),
        "client_cost": None if cost is None else unscaled(cost, costing.PLACES),
    }
    named = [f.attname for f in UsageEvent._meta.concrete_fields if f.attname in known]
    return UsageEvent.from_db(DEFAULT_DB_ALIAS, named, [known[name] for name in named])


def _store(
    workspace: Workspace, measured: Sequence[MeasuredEvent], held: record_sql.Held, now: dt.datetime
) -> tuple[Recorded, dict[record_sql.Key, int]]:
    """The transaction of recording, with the workspace held; and the ids of what is new."""
    fresh, repeats = distinct(measured)
    windows = _windows(workspace, fresh, now)
    placed = _placed(fresh, windows, held.settled_until)
    inserted = record_sql.insert_events(
        workspace.pk, ((event, standing) for event, standing, _ in placed), now
    )
    known = [event for event in fresh if event.key not in inserted]
    hashes = _standing_hashes(workspace, fresh, known)
    counted = [
        (event, window_id)
        for event, _, window_id in placed
        if window_id is not None and event.key in inserted
    ]
    count_events(
        workspace,
        [
            _counted(event, inserted[event.key], window_id)
            for event, window_id in counted
            if event.is_unique
        ],
        windows,
        plain=_gathered(counted),
        is_capped=held.is_capped,
    )
    conflicts = _conflicts([*known, *repeats], hashes)
    if conflicts:
        note_conflicts(workspace=workspace, events=measured, ids=conflicts, now=now)
    if watched := windows.watched.intersection(window_id for _, window_id in counted):
        transaction.on_commit(lambda: call_attention(workspace, sorted(watched), now), robust=True)
    recorded = Recorded(
        accepted=len(inserted), duplicates=len(known) + len(repeats), conflicts=conflicts
    )
    return recorded, inserted


def _windows(workspace: Workspace, events: Sequence[MeasuredEvent], now: dt.datetime) -> Windows:
    """The windows that events may fall into, and later ones that have begun, by any clock."""
    times = [event.occurred_at for event in events]
    last = max(*times, now + MAX_AHEAD)
    return Windows.load(workspace, min(times), last)


def _placed(
    events: Sequence[MeasuredEvent], windows: Windows, settled_until: dt.datetime | None
) -> list[tuple[MeasuredEvent, str, int | None]]:
    """Each event with its standing, and the window that it is counted in."""
    placed: list[tuple[MeasuredEvent, str, int | None]] = []
    for event in events:
        if settled_until is not None and event.occurred_at < settled_until:
            placed.append((event, Standing.LATE, None))
            continue
        window_id = windows.find(event.unit_id, event.occurred_at)
        standing = Standing.UNBILLED if window_id is None else Standing.COUNTED
        placed.append((event, standing, window_id))
    return placed


def _standing_hashes(
    workspace: Workspace, fresh: Iterable[MeasuredEvent], known: Sequence[MeasuredEvent]
) -> Mapping[record_sql.Key, str]:
    """The hash of the body that stands, of every key in the batch."""
    hashes = {event.key: event.body_hash for event in fresh}
    if known:
        hashes |= record_sql.stored_hashes(workspace.pk, [event.key for event in known])
    return hashes


def _conflicts(
    duplicates: Iterable[MeasuredEvent], hashes: Mapping[record_sql.Key, str]
) -> list[str]:
    """Ids of duplicates with another body than the one that stands, each once."""
    conflicts = (event.key[1] for event in duplicates if hashes[event.key] != event.body_hash)
    return list(dict.fromkeys(conflicts))


def _gathered(counted: Iterable[tuple[MeasuredEvent, int]]) -> list[Gathered]:
    """What events add that are of no subject, by what they count in, without an object for each:
    the inner loop of recording."""
    gathered: dict[tuple[int, int, int, str | None, str | None], Gathered] = {}
    for event, window_id in counted:
        if event.is_unique:
            continue
        said, number = event.submitted, quarter_number(event.occurred_at)
        key = (window_id, event.unit_id, number, said.label, said.model)
        found = gathered.get(key)
        if found is None:
            found = gathered[key] = _place(event, window_id), []
        found[1].append(_counts(event))
    return list(gathered.values())


def _place(event: MeasuredEvent, window_id: int) -> Place:
    return Place(
        window_id=window_id,
        unit_id=event.unit_id,
        occurred_at=event.occurred_at,
        label=event.submitted.label or "",
        model=event.submitted.model or "",
    )


def _counts(event: MeasuredEvent) -> Counts:
    """Its quantity counts, whatever the meter."""
    said, cost = event.submitted, event.cost
    usage, nanos = said.usage or _NO_USAGE, cost.client_amount or 0
    platform_pays = event.cost_payer == _PLATFORM
    return (
        event.quantity,
        int(said.status == _ERROR),
        (said.attempts or 1) - 1,
        usage.input_tokens or 0,
        usage.cached_input_tokens or 0,
        usage.output_tokens or 0,
        usage.tool_calls or 0,
        int(cost.flag in costing.ALARMS),
        nanos if platform_pays else 0,
        0 if platform_pays else nanos,
    )


def _counted(event: MeasuredEvent, event_id: int, window_id: int) -> CountedEvent:
    """An event of a unique meter."""
    _, errors, retries, tokens_in, cached, tokens_out, tools, unpriced, platform, agency = _counts(
        event
    )
    source, external_id = event.key
    return CountedEvent(
        id=event_id,
        source=source,
        external_id=external_id,
        place=_place(event, window_id),
        subject=event.submitted.subject or "" if event.quantity else None,
        quantity=event.quantity,
        is_unique=True,
        attempts=retries + 1,
        is_error=bool(errors),
        input_tokens=tokens_in,
        cached_input_tokens=cached,
        output_tokens=tokens_out,
        tool_calls=tools,
        is_unpriced=bool(unpriced),
        platform_cost=platform,
        agency_cost=agency,
    )
