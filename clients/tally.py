"""What counted events add to the sums kept of them. Pure: no Django, no clock, no database.

Two rollups and the balance rows: quarter-hours for the waterfall, local days by label and model
for charts and explanations, windows for what a period came to. Amounts are scaled integers here,
as stored (quantities 6 places, costs 9), because this is the inner loop of recording.

A sum does not depend on the order or grouping of what is added. Only quantities can be taken away
again: where an earlier event of a subject moves its count.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
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


Counts = tuple[int, int, int, int, int, int, int, int, int, int]
"""What an event adds to its day beside itself: quantity, errors, retries, tokens in, cached and
out, tool calls, unpriced, costs of the platform and of the agency."""


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

    @property
    def counts(self) -> Counts:
        """With its quantity, unless subjects decide about that."""
        return (
            0 if self.is_unique else self.quantity,
            int(self.is_error),
            self.attempts - 1,
            self.input_tokens,
            self.cached_input_tokens,
            self.output_tokens,
            self.tool_calls,
            int(self.is_unpriced),
            self.platform_cost,
            self.agency_cost,
        )


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
        self.add_events(event.place, [event.counts])

    def add_events(self, place: Place, added: Sequence[Counts]) -> None:
        """Count events of one window, unit, quarter hour, label and model, by what each adds;
        ``place`` is any one's."""
        (
            quantity,
            errors,
            retries,
            input_tokens,
            cached_input_tokens,
            output_tokens,
            tool_calls,
            unpriced,
            platform_cost,
            agency_cost,
        ) = map(sum, zip(*added, strict=True))
        rows, events = self._rows(place), len(added)
        quarter, day = rows.quarter, rows.day
        quarter.events += events
        quarter.platform_cost += platform_cost
        quarter.agency_cost += agency_cost
        day.events += events
        day.errors += errors
        day.retries += retries
        day.input_tokens += input_tokens
        day.cached_input_tokens += cached_input_tokens
        day.output_tokens += output_tokens
        day.tool_calls += tool_calls
        day.unpriced += unpriced
        day.platform_cost += platform_cost
        day.agency_cost += agency_cost
        rows.window.events += events
        cost = platform_cost + agency_cost
        self.costs[place.window_id] = self.costs.get(place.window_id, 0) + cost
        self._add_quantity(rows, place.window_id, quantity)

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
        number = quarter_number(place.occurred_at)
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


def quarter_number(instant: dt.datetime) -> int:
    """The same for all instants of a quarter hour."""
    return int(instant.timestamp() // GRAIN_SECONDS)


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
