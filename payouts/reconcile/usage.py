"""Quarter hours, local days, windows and unique subjects, added up again from raw events.

One pass over a workspace's events, unit by unit in time order, so that no more than one unit's
sums are held at a time (and its quarter hours, which the waterfall is then proved with).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from agencyportal.core.money import scaled, unscaled
from agencyportal.core.periods import GRAIN, local_day_start
from billing.models import BillingPeriod
from clients import costing, metering
from clients.models import (
    CostPayer,
    UniqueSubject,
    UsageDay,
    UsageEvent,
    UsageQuarter,
    UsageUnit,
    UsageWindow,
    Workspace,
)
from clients.services.counting import place_of
from clients.tally import CountedEvent, DaySum, QuarterSum, Tally, WindowSum

from .corrections import check_corrections, counted_quantity
from .events import SUBJECT as EVENTS
from .events import Rules, check_event, name_of
from .findings import Checked, Difference, Finding, compare, difference, missing, unexpected
from .pricings import SUBJECT as PRICINGS
from .pricings import check_pricing, known_cost
from .scope import CHUNK

QUARTERS: Final = "Quarter hours"
DAYS: Final = "Days"
WINDOWS: Final = "Windows"
SUBJECTS: Final = "Unique subjects"

MOST_SUSPECTS: Final = 200
"""Sums that do not agree whose events are looked at one by one."""

Quarters = dict[int, list[tuple[dt.datetime, Decimal, Decimal, Decimal]]]
"""By unit: (start, quantity, platform-paid cost, agency-paid cost), as recomputed."""


@dataclass(slots=True)
class _UnitPass:
    """What is added up of one unit of a workspace."""

    unit: UsageUnit
    tally: Tally
    subjects: dict[tuple[int, str], CountedEvent] = field(default_factory=dict)
    suspects: list[tuple[dt.datetime, dt.datetime]] = field(default_factory=list)
    """Spans in which a sum does not agree."""


def check_usage(workspace: Workspace, rules: Rules, quarters: Quarters) -> Iterator[Finding]:
    """Every event of a workspace and every sum of its counted ones; fills ``quarters``."""
    units = {unit.pk: unit for unit in UsageUnit.objects.filter(agency=workspace.agency_id)}
    events = (
        UsageEvent.objects.filter(workspace=workspace)
        .order_by("unit_id", "occurred_at")
        .iterator(chunk_size=CHUNK)
    )
    seen: set[int] = set()
    for unit_id, of_unit in groupby(events, key=lambda event: event.unit_id):
        seen.add(unit_id)
        yield from _check_unit(workspace, units[unit_id], of_unit, rules, quarters)
    yield from check_corrections(workspace, rules.corrections)
    if rules.pricings:
        yield Checked(PRICINGS, len(rules.pricings))
    for unit_id in _units_with_sums(workspace) - seen:
        yield from _check_unit(workspace, units[unit_id], iter(()), rules, quarters)


def _units_with_sums(workspace: Workspace) -> set[int]:
    found: set[int] = set()
    for model in (UsageQuarter, UsageDay, UsageWindow):
        rows = model.objects.filter(workspace=workspace).order_by()
        found.update(rows.values_list("unit_id", flat=True).distinct())
    return found


def _check_unit(
    workspace: Workspace,
    unit: UsageUnit,
    events: Iterator[UsageEvent],
    rules: Rules,
    quarters: Quarters,
) -> Iterator[Finding]:
    unit_pass = _UnitPass(unit, Tally(workspace.client.timezone, rules.windows.zones))
    count = 0
    for event in events:
        count += 1
        yield from check_event(event, rules)
        yield from check_pricing(event, rules)
        _add(event, unit_pass, rules)
    yield Checked(EVENTS, count)
    for counted in unit_pass.subjects.values():
        unit_pass.tally.add_quantity(counted.place, counted.quantity)
    yield from _check_quarters(workspace, unit_pass)
    yield from _check_days(workspace, unit_pass)
    yield from _check_windows(workspace, unit_pass, rules)
    yield from _check_subjects(workspace, unit_pass, rules)
    yield from _name_suspects(workspace, unit_pass)
    quarters[unit.pk] = _recomputed_quarters(unit_pass.tally)


def _add(event: UsageEvent, unit_pass: _UnitPass, rules: Rules) -> None:
    """Count an event again, if it is counted and a window holds it."""
    window = rules.windows.find(event.unit_id, event.occurred_at)
    if event.standing != UsageEvent.Standing.COUNTED or window is None:
        return
    quantity = counted_quantity(event, rules.corrections)
    is_unique = rules.definitions[event.meter_id].is_unique
    cost = known_cost(event, rules)
    counted = _counted(event, window, quantity, cost, is_unique=is_unique)
    unit_pass.tally.add_event(counted)
    if counted.subject is not None:
        key = (window, counted.subject)
        standing = unit_pass.subjects.get(key)
        if standing is None or counted.rank < standing.rank:
            unit_pass.subjects[key] = counted


def _counted(
    event: UsageEvent,
    window: int,
    quantity: Decimal,
    known: tuple[Decimal | None, bool],
    *,
    is_unique: bool,
) -> CountedEvent:
    client_cost, is_unpriced = known
    cost = 0 if client_cost is None else scaled(client_cost, costing.PLACES)
    platform_pays = event.cost_payer == CostPayer.PLATFORM
    return CountedEvent(
        id=event.pk,
        source=event.source,
        external_id=event.external_id,
        place=place_of(event, window),
        subject=(event.subject or None) if is_unique and quantity else None,
        quantity=scaled(quantity, metering.PLACES),
        is_unique=is_unique,
        attempts=event.attempts,
        is_error=event.status == UsageEvent.Status.ERROR,
        input_tokens=event.input_tokens or 0,
        cached_input_tokens=event.cached_input_tokens or 0,
        output_tokens=event.output_tokens or 0,
        tool_calls=event.tool_calls or 0,
        is_unpriced=is_unpriced,
        platform_cost=cost if platform_pays else 0,
        agency_cost=0 if platform_pays else cost,
    )


def _recomputed_quarters(
    tally: Tally,
) -> list[tuple[dt.datetime, Decimal, Decimal, Decimal]]:
    return [
        (
            start,
            unscaled(sums.quantity, metering.PLACES),
            unscaled(sums.platform_cost, costing.PLACES),
            unscaled(sums.agency_cost, costing.PLACES),
        )
        for (_unit, start), sums in sorted(tally.quarters.items())
    ]


# --- Sums --------------------------------------------------------------------------------------

_PLACES: Final = {
    "quantity": metering.PLACES,
    "used": metering.PLACES,
    "platform_cost": costing.PLACES,
    "agency_cost": costing.PLACES,
}


def _values(sums: QuarterSum | DaySum | WindowSum) -> dict[str, Any]:
    """A sum as its row stores it."""
    return {
        name: unscaled(value, _PLACES[name]) if name in _PLACES else value
        for name, value in asdict(sums).items()
    }


def _check_quarters(workspace: Workspace, unit_pass: _UnitPass) -> Iterator[Finding]:
    unit, expected = unit_pass.unit, dict(unit_pass.tally.quarters)
    rows = UsageQuarter.objects.filter(workspace=workspace, unit=unit)
    count = 0
    for row in rows.iterator(chunk_size=CHUNK):
        count += 1
        name = _quarter_name(workspace, unit, row.start)
        values = _values(expected.pop((unit.pk, row.start), QuarterSum()))
        found = list(compare(QUARTERS, row, name, _pairs(row, values)))
        if found:
            unit_pass.suspects.append((row.start, row.start + GRAIN))
        yield from found
    for (_unit, start), sums in expected.items():
        if sums != QuarterSum():
            unit_pass.suspects.append((start, start + GRAIN))
            name = _quarter_name(workspace, unit, start)
            yield missing(QUARTERS, UsageQuarter, name, _values(sums)["quantity"])
    yield Checked(QUARTERS, count)


def _quarter_name(workspace: Workspace, unit: UsageUnit, start: dt.datetime) -> str:
    return f"{unit.plural} of {workspace} at {start:%Y-%m-%d %H:%M}"


def _check_days(workspace: Workspace, unit_pass: _UnitPass) -> Iterator[Finding]:
    unit, expected = unit_pass.unit, dict(unit_pass.tally.days)
    rows = UsageDay.objects.filter(workspace=workspace, unit=unit)
    count = 0
    for row in rows.iterator(chunk_size=CHUNK):
        count += 1
        key = (unit.pk, row.day, row.label, row.model)
        values = _values(expected.pop(key, DaySum()))
        found = list(compare(DAYS, row, _day_name(workspace, unit, *key[1:]), _pairs(row, values)))
        if found:
            unit_pass.suspects.append(_day_span(row.day, workspace))
        yield from found
    for (_unit, day, label, model), sums in expected.items():
        if sums != DaySum():
            unit_pass.suspects.append(_day_span(day, workspace))
            name = _day_name(workspace, unit, day, label, model)
            yield missing(DAYS, UsageDay, name, _values(sums)["quantity"])
    yield Checked(DAYS, count)


def _day_name(workspace: Workspace, unit: UsageUnit, day: dt.date, label: str, model: str) -> str:
    parts = " ".join(part for part in (label, model) if part)
    return f"{unit.plural} of {workspace} on {day}" + (f", {parts}" if parts else "")


def _day_span(day: dt.date, workspace: Workspace) -> tuple[dt.datetime, dt.datetime]:
    zone = workspace.client.timezone
    return local_day_start(day, zone), local_day_start(day + dt.timedelta(days=1), zone)


def _pairs(row: Any, values: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (getattr(row, name), value) for name, value in values.items()}


def _check_windows(workspace: Workspace, unit_pass: _UnitPass, rules: Rules) -> Iterator[Finding]:
    unit = unit_pass.unit
    windows = [w for w in rules.window_ids.values() if w.unit_id == unit.pk]
    for window in windows:
        sums = unit_pass.tally.windows.get(window.pk, WindowSum())
        name = f"{unit.plural} of {workspace} from {window.start:%Y-%m-%d %H:%M}"
        yield from compare(WINDOWS, window, name, _pairs(window, _values(sums)))
    yield Checked(WINDOWS, len(windows))


def _check_subjects(workspace: Workspace, unit_pass: _UnitPass, rules: Rules) -> Iterator[Finding]:
    unit, expected = unit_pass.unit, dict(unit_pass.subjects)
    rows = UniqueSubject.objects.filter(window__workspace=workspace, window__unit=unit)
    count = 0
    for row in rows.iterator(chunk_size=CHUNK):
        count += 1
        name = _subject_name(workspace, unit, row.subject, rules.window_ids[row.window_id])
        counted = expected.pop((row.window_id, row.subject), None)
        if counted is None:
            yield unexpected(SUBJECTS, row, name, f"event {row.event_id}")
            continue
        fields = {
            "event": (row.event_id, counted.id),
            "occurred_at": (row.occurred_at, counted.place.occurred_at),
        }
        yield from compare(SUBJECTS, row, name, fields)
    for (window_id, subject), counted in expected.items():
        name = _subject_name(workspace, unit, subject, rules.window_ids[window_id])
        yield missing(SUBJECTS, UniqueSubject, name, f"event {counted.id}")
    if count:
        yield Checked(SUBJECTS, count)


def _subject_name(workspace: Workspace, unit: UsageUnit, subject: str, window: UsageWindow) -> str:
    return f"{unit.name} {subject} of {workspace} from {window.start:%Y-%m-%d}"


# --- Who it was --------------------------------------------------------------------------------


def _name_suspects(workspace: Workspace, unit_pass: _UnitPass) -> Iterator[Difference]:
    """Of the events behind sums that do not agree, those called late that were there when their
    period closed: the seal leaves out the standing."""
    named: set[int] = set()
    for start, end in unit_pass.suspects[:MOST_SUSPECTS]:
        events = UsageEvent.objects.filter(
            workspace=workspace,
            unit=unit_pass.unit,
            occurred_at__gte=start,
            occurred_at__lt=end,
            standing=UsageEvent.Standing.LATE,
        )
        for event in events.iterator(chunk_size=CHUNK):
            if event.pk not in named and _was_in_time(event):
                named.add(event.pk)
                name = name_of(event, workspace)
                yield difference(EVENTS, event, name, "standing", event.standing, "counted")


def _was_in_time(event: UsageEvent) -> bool:
    """Whether a late event was recorded before its period closed."""
    return BillingPeriod.objects.filter(
        workspace=event.workspace_id,
        start__lte=event.occurred_at,
        end__gt=event.occurred_at,
        closed_at__gt=event.recorded_at,
    ).exists()
