"""Counting stored events into subjects, rollups and windows. Internal to recording and windows.

Both call it inside their transaction, with the workspace's row held. What it adds depends on the
set of events alone, not on their order or on how they were split into calls.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db.models import Q

from agencyportal.core.money import scaled
from agencyportal.core.prepared import PreparedQuery
from clients import metering, record_sql
from clients.models import UsageEvent, UsageWindow, Workspace
from clients.selectors import corrected_quantities
from clients.services import cap_balances
from clients.tally import CountedEvent, Counts, Place, Tally, earliest_of_subjects

Gathered = tuple[Place, list[Counts]]
"""What events add that count in the same rows, and the place of one of them."""


class Windows:
    """Windows of a workspace, to find the one that an event falls into."""

    def __init__(
        self, rows: Iterable[tuple[int, datetime, datetime, int, str]], watched: Iterable[int] = ()
    ) -> None:
        """``rows``: (unit, start, end, window, zone); the windows of a unit do not overlap.
        ``watched``: those that billing looks at when something is counted in them."""
        self._by_unit: dict[int, list[tuple[datetime, datetime, int]]] = {}
        self.zones: dict[int, str] = {}
        self.watched = frozenset(watched)
        for unit_id, start, end, window_id, zone in sorted(rows):
            self._by_unit.setdefault(unit_id, []).append((start, end, window_id))
            self.zones[window_id] = zone

    @classmethod
    def load(cls, workspace: Workspace, first: datetime, last: datetime) -> Windows:
        """The windows that touch ``[first, last]``, and those after them that something is counted
        in already, by whatever clock."""
        found = _WINDOWS.rows(workspace=workspace.pk, first=first, last=last)
        watched = [pk for _, _, _, pk, _, attention_at in found if attention_at is not None]
        return cls((row[:5] for row in found), watched)

    @classmethod
    def of(cls, windows: Iterable[UsageWindow]) -> Windows:
        return cls((w.unit_id, w.start, w.end, w.pk, w.timezone) for w in windows)

    def after(self, unit_id: int, window_id: int) -> list[int]:
        """The unit's windows after one of them, of those that were loaded."""
        ids = [window[2] for window in self._by_unit.get(unit_id, [])]
        return ids[ids.index(window_id) + 1 :]

    def find(self, unit_id: int, instant: datetime) -> int | None:
        """The window ``[start, end)`` of the unit that holds ``instant``."""
        windows = self._by_unit.get(unit_id, [])
        index = bisect_right(windows, instant, key=lambda window: window[0]) - 1
        if index < 0 or instant >= windows[index][1]:
            return None
        return windows[index][2]


_WINDOWS: Final = PreparedQuery[tuple[int, datetime, datetime, int, str, Decimal | None]](
    lambda slots: UsageWindow.objects.filter(
        Q(start__lte=slots.instant("last")) | Q(events__gt=0),
        workspace=slots.number("workspace"),
        end__gt=slots.instant("first"),
    ).values_list("unit_id", "start", "end", "pk", "timezone", "attention_at")
)


def count_events(
    workspace: Workspace,
    events: Sequence[CountedEvent],
    windows: Windows | None = None,
    *,
    plain: Sequence[Gathered] = (),
    is_capped: bool,
    alone: bool = False,
) -> None:
    """Add newly counted events to the subjects, rollups and windows of their workspace, and where
    it ``is_capped`` to the balances of the caps over it. ``plain``: those that are of no subject,
    gathered by what they count in. ``alone``: with the workspace held alone.

    A change in one of ``windows`` voids what is available in the later ones, since what a period
    leaves is what the next one opens with.
    """
    if not events and not plain:
        return
    tally = Tally(workspace.client.timezone, {} if windows is None else windows.zones)
    for place, added in plain:
        tally.add_events(place, added)
    for event in events:
        tally.add_event(event)
    _count_subjects(tally, earliest_of_subjects(events))
    if windows is not None:
        places = [*(place for place, _ in plain), *(event.place for event in events)]
        units = {place.window_id: place.unit_id for place in places}
        for window_id in [pk for pk in tally.spans if pk in units]:
            for later in windows.after(units[window_id], window_id):
                tally.void(later)
    record_sql.add_to_rollups(workspace.pk, tally)
    if is_capped:
        cap_balances.count(workspace, tally, alone=alone)


def _count_subjects(tally: Tally, earliest: Mapping[tuple[int, str], CountedEvent]) -> None:
    """Count each subject once, at its earliest event, moving it where one came in before."""
    if not earliest:
        return
    first_seen = record_sql.insert_subjects(earliest.values())
    for key in first_seen:
        tally.add_quantity(earliest[key].place, earliest[key].quantity)
    seen_before = [event for key, event in earliest.items() if key not in first_seen]
    if not seen_before:
        return
    later = record_sql.lock_later_subjects(seen_before)
    standing = UsageEvent.objects.in_bulk([subject.event_id for subject in later])
    corrected = corrected_quantities(standing)
    moves = []
    for subject in later:
        event, old = earliest[subject.window_id, subject.subject], standing[subject.event_id]
        if event.rank < (old.occurred_at, old.source, old.external_id):
            moves.append((subject, event))
            counted = corrected.get(old.pk, old.quantity)
            tally.add_quantity(place_of(old, subject.window_id), -scaled(counted, metering.PLACES))
            tally.add_quantity(event.place, event.quantity)
    if moves:
        record_sql.move_subjects(moves)


def place_of(event: UsageEvent, window_id: int) -> Place:
    """Where a stored event's quantity is counted."""
    return Place(
        window_id=window_id,
        unit_id=event.unit_id,
        occurred_at=event.occurred_at,
        label=event.label,
        model=event.model,
    )
