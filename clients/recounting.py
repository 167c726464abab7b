"""What moves when events count differently than they did: late ones, and corrected ones.

Pure: no Django, no clock, no database. An event of a `unique` meter counts only while it stands
for its subject, so whoever changes one gives all events of its subject in the window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """An event with the quantity that it had before some change, and the one it has after.

    Quantities are what it counts, under `unique` if it stands for its ``subject``; 0 before: it
    was not there. ``subject`` is None under every other meter.
    """

    id: int
    occurred_at: datetime
    source: str
    external_id: str
    subject: str | None
    before: Decimal
    after: Decimal

    @property
    def rank(self) -> tuple[datetime, str, str]:
        """The lowest of a subject stands for it: the earliest, ties by source and id."""
        return (self.occurred_at, self.source, self.external_id)


def moves(events: Iterable[Recount]) -> Iterator[tuple[Recount, Decimal]]:
    """Each event whose place gains or loses a quantity, with how much; what cancels out at one
    event is left out."""
    by_subject: dict[str, list[Recount]] = {}
    for event in events:
        if event.subject is not None:
            by_subject.setdefault(event.subject, []).append(event)
        elif event.after != event.before:
            yield event, event.after - event.before
    for _subject, of_subject in sorted(by_subject.items()):
        old = standing_before(of_subject)
        new = standing_after(of_subject)
        if old is new:
            if new is not None and new.after != new.before:
                yield new, new.after - new.before
            continue
        if old is not None:
            yield old, -old.before
        if new is not None:
            yield new, new.after


def standing_before(of_subject: Iterable[Recount]) -> Recount | None:
    """The event that stood for the subject: an event of 0 units never does."""
    return min((e for e in of_subject if e.before > 0), key=lambda e: e.rank, default=None)


def standing_after(of_subject: Iterable[Recount]) -> Recount | None:
    """The event that stands for the subject after the change."""
    return min((e for e in of_subject if e.after > 0), key=lambda e: e.rank, default=None)
