"""What counted events add to the sums kept of them. Pure: no Django, no clock, no database.

Two rollups and the balance rows: quarter-hours for the waterfall, local days by label and model
for charts and explanations, windows for what a period came to. Amounts are scaled integers here,
as stored (quantities 6 places, costs 9), because this is the inner loop of recording.

A sum does not depend on the order or grouping of what is added. Only quantities can be taken away
again: where an earlier event of a subject moves its count.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from agencyportal.core.periods import GRAIN, local_date, quarter_floor

GRAIN_SECONDS: Final = GRAIN.total_seconds()

BEFORE_ALL: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""An instant before any event."""

_Key = TypeVar("_Key")
_Sum = TypeVar("_Sum")


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a quantity is counted: a window, an instant, a label and a model."""

    window_id: int
    unit_id: int
    occurred_at: dt.datetime
    label: str
    model: str


class CountedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A stored event inside an open window. Amounts are scaled; unknown tokens and costs are 0."""

    id: int
    source: str
    external_id: str
    place: Place
    subject: str | None
    """Set under a `unique` meter, for an event that can stand for its subject."""
    quantity: int
    """What it counts; under `unique`, if it stands for its subject."""
    is_unique: bool
    attempts: int = 1
    is_error: bool = False
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0
    is_unpriced: bool = False
    platform_cost: int = 0
    agency_cost: int = 0

    @property
    def rank(self) -> tuple[dt.datetime, str, str]:
        """The lowest of a subject stands for it: the earliest, ties by source and id."""
        return (self.place.occurred_at, self.source, self.external_id)


class _Sums:
    """Sums of one row, by the names of its columns."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    def as_row(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class QuarterSum(_Sums):
    quantity: int = 0
    events: int = 0
    platform_cost: int = 0
    agency_cost: int = 0


@dataclass(slots=True)
class DaySum(_Sums):
    quantity: int = 0
    events: int = 0
    errors: int = 0
    retries: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0
    unpriced: int = 0
    platform_cost: int = 0
    agency_cost: int = 0


@dataclass(slots=True)
class WindowSum(_Sums):
    used: int = 0
    events: int = 0


QuarterKey = tuple[int, dt.datetime]
"""(unit, start)"""
DayKey = tuple[int, dt.date, str, str]
"""(unit, day, label, model)"""
Span = tuple[dt.datetime, dt.datetime]
"""(first, last): quarter hours, both included"""


class _Rows(NamedTuple):
    """What one place counts in; ``start`` is its quarter hour."""

    start: dt.datetime
    quarter: QuarterSum
    day: DaySum
    window: WindowSum


@dataclass(slots=True)
class Tally:
    """Sums to add to what is stored, by the rows' own keys.

    ``zones``: by window, the zone that its local days are counted in; ``timezone``, the client's,
    of windows that name none.
    """

    timezone: ZoneInfo | str
    zones: Mapping[int, str] = field(default_factory=dict)
    quarters: dict[QuarterKey, QuarterSum] = field(default_factory=dict)
    days: dict[DayKey, DaySum] = field(default_factory=dict)
    windows: dict[int, WindowSum] = field(default_factory=dict)
    spans: dict[int, Span] = field(default_factory=dict)
    """By window, the first and the last quarter hour whose quantity changes."""
    costs: dict[int, int] = field(default_factory=dict)
    """By window, what its calls cost, whoever pays."""
    _known: dict[tuple[int, int, int, str, str], _Rows] = field(default_factory=dict)

    def add_event(self, event: CountedEvent) -> None:
        """Count an event and its cost, and its quantity unless subjects decide about that."""
        rows = self._rows(event.place)
        quarter, day = rows.quarter, rows.day
        quarter.events += 1
        quarter.platform_cost += event.platform_cost
        quarter.agency_cost += event.agency_cost
        day.events += 1
        day.errors += event.is_error
        day.retries += event.attempts - 1
        day.input_tokens += event.input_tokens
        day.cached_input_tokens += event.cached_input_tokens
        day.output_tokens += event.output_tokens
        day.tool_calls += event.tool_calls
        day.unpriced += event.is_unpriced
        day.platform_cost += event.platform_cost
        day.agency_cost += event.agency_cost
        rows.window.events += 1
        cost = event.platform_cost + event.agency_cost
        self.costs[event.place.window_id] = self.costs.get(event.place.window_id, 0) + cost
        if not event.is_unique:
            self._add_quantity(rows, event.place.window_id, event.quantity)

    def add_quantity(self, place: Place, quantity: int) -> None:
        """Count a scaled quantity at its place; a negative one takes it away again."""
        self._add_quantity(self._rows(place), place.window_id, quantity)

    def add_cost(self, place: Place, *, platform: int, agency: int) -> None:
        """Count what an event cost that was counted without, unpriced."""
        rows = self._rows(place)
        rows.quarter.platform_cost += platform
        rows.quarter.agency_cost += agency
        rows.day.unpriced -= 1
        rows.day.platform_cost += platform
        rows.day.agency_cost += agency
        self.costs[place.window_id] = self.costs.get(place.window_id, 0) + platform + agency

    def void(self, window_id: int) -> None:
        """What is available in a window has to be worked out again: an earlier one changes."""
        _at(self.windows, window_id, WindowSum)
        self.spans[window_id] = (BEFORE_ALL, BEFORE_ALL)

    def _add_quantity(self, rows: _Rows, window_id: int, quantity: int) -> None:
        if not quantity:
            return
        rows.quarter.quantity += quantity
        rows.day.quantity += quantity
        rows.window.used += quantity
        first, last = self.spans.get(window_id, (rows.start, rows.start))
        if first >= rows.start or last <= rows.start:
            self.spans[window_id] = (min(first, rows.start), max(last, rows.start))

    def _rows(self, place: Place) -> _Rows:
        """The sums that a place counts in. Every instant of a quarter hour counts in the same
        ones, since no zone's day begins inside it, so that zones are asked once for each."""
        number = int(place.occurred_at.timestamp() // GRAIN_SECONDS)
        key = (place.window_id, place.unit_id, number, place.label, place.model)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._rows_of(place)
        return found

    def _rows_of(self, place: Place) -> _Rows:
        start = quarter_floor(place.occurred_at)
        zone = self.zones.get(place.window_id) or self.timezone
        day = local_date(place.occurred_at, zone)
        return _Rows(
            start,
            _at(self.quarters, (place.unit_id, start), QuarterSum),
            _at(self.days, (place.unit_id, day, place.label, place.model), DaySum),
            _at(self.windows, place.window_id, WindowSum),
        )


def _at(sums: dict[_Key, _Sum], key: _Key, new: Callable[[], _Sum]) -> _Sum:
    found = sums.get(key)
    if found is None:
        found = sums[key] = new()
    return found


def earliest_of_subjects(events: Iterable[CountedEvent]) -> dict[tuple[int, str], CountedEvent]:
    """By (window, subject), the event of these that stands for the subject."""
    earliest: dict[tuple[int, str], CountedEvent] = {}
    for event in events:
        if event.subject is None:
            continue
        key = (event.place.window_id, event.subject)
        if key not in earliest or event.rank < earliest[key].rank:
            earliest[key] = event
    return earliest
