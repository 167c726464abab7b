"""From submitted events to measured ones: defaults, unit, meter version, quantity and cost.

Reads what is needed for a whole batch in a fixed number of queries, and writes nothing. It runs
before the recording transaction, which so stays short, and alone where a file is only checked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from clients.costing import Cost
from clients.metering import Facts, MeterRules, NotMeasurableError, measure, read_rules, version_at
from clients.models import Meter, Workspace
from clients.services.pricing import LIST_CURRENCY, PriceBook
from clients.submission import EventsRefused, Problem, SubmittedEvent, body_hash, problems_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredEvent:
    """An event as it will be stored, but for its standing, which only recording can tell."""

    source: str
    external_id: str
    body_hash: str
    unit_id: int
    meter_id: int
    is_unique: bool
    occurred_at: dt.datetime
    quantity: Decimal
    facts: Facts
    cost: Cost
    cost_payer: str

    @property
    def key(self) -> tuple[str, str]:
        return (self.source, self.external_id)


@dataclass(frozen=True, slots=True)
class _Version:
    unit_id: int
    meter_id: int
    rules: MeterRules


_Versions = list[tuple[dt.datetime, _Version]]


def measure_events(
    *, workspace: Workspace, events: Sequence[SubmittedEvent], now: dt.datetime
) -> list[MeasuredEvent]:
    """Measure and price ``events`` as the meters and prices in force at their times say.

    Raises EventsRefused with everything that is wrong with any of them.
    """
    problems = {
        index: found for index, event in enumerate(events) if (found := problems_of(event, now=now))
    }
    fine = [(index, event) for index, event in enumerate(events) if index not in problems]
    meters = _meters(workspace, {event.unit for _, event in fine})
    book = _price_book(workspace, [event for _, event in fine], now)
    measured = []
    for index, event in fine:
        try:
            measured.append(_measured(event, workspace, meters, book, now))
        except _RefusedError as refusal:
            problems[index] = [refusal.problem]
    if problems:
        raise EventsRefused(
            [(index, *problem) for index in sorted(problems) for problem in problems[index]]
        )
    return measured


class _RefusedError(Exception):
    def __init__(self, field: str | None, message: str) -> None:
        super().__init__(message)
        self.problem: Problem = (field, message)


def _meters(workspace: Workspace, slugs: set[str]) -> dict[str, _Versions]:
    """The versions of the meters of some units of the agency, by unit slug, in time order."""
    rows = (
        Meter.objects.filter(unit__agency=workspace.agency_id, unit__slug__in=sorted(slugs))
        .order_by("unit", "effective_from")
        .select_related("unit")
    )
    found: dict[str, _Versions] = {}
    for row in rows:
        rules = read_rules(row.aggregation, row.property_name, row.filters, row.weights)
        version = _Version(row.unit_id, row.pk, rules)
        found.setdefault(row.unit.slug, []).append((row.effective_from, version))
    return found


def _price_book(
    workspace: Workspace, events: Sequence[SubmittedEvent], now: dt.datetime
) -> PriceBook:
    times = [event.time or now for event in events] or [now]
    return PriceBook.load(
        workspace,
        models={event.model for event in events if event.model},
        currencies={event.cost_currency for event in events if event.cost_currency},
        earliest=min(times),
        latest=max(times),
    )


def _measured(
    event: SubmittedEvent,
    workspace: Workspace,
    meters: Mapping[str, _Versions],
    book: PriceBook,
    now: dt.datetime,
) -> MeasuredEvent:
    versions = meters.get(event.unit)
    if versions is None:
        raise _RefusedError("unit", f"This agency has no unit “{event.unit}”.")
    occurred_at = (event.time or now).astimezone(dt.UTC)
    version = version_at(versions, occurred_at)
    facts = facts_of(event)
    try:
        quantity = measure(version.rules, facts)
    except NotMeasurableError as error:
        raise _RefusedError(error.field, error.message) from None
    return MeasuredEvent(
        source=facts.source,
        external_id=event.id,
        body_hash=body_hash(event),
        unit_id=version.unit_id,
        meter_id=version.meter_id,
        is_unique=version.rules.is_unique,
        occurred_at=occurred_at,
        quantity=quantity,
        facts=facts,
        cost=_cost(event, facts, book, occurred_at),
        cost_payer=workspace.cost_payer,
    )


def facts_of(event: SubmittedEvent) -> Facts:
    """The event after defaults."""
    usage: dict[str, Any] = {}
    if event.usage is not None:
        usage = {name: getattr(event.usage, name) for name in event.usage.__struct_fields__}
    return Facts(
        quantity=Decimal(1) if event.quantity is None else event.quantity,
        status=event.status or "ok",
        subject=event.subject or "",
        label=event.label or "",
        run_id=event.run_id or "",
        provider=event.provider or "",
        model=event.model or "",
        source=event.source or "",
        attempts=event.attempts or 1,
        properties=event.properties or {},
        **usage,
    )


def _cost(event: SubmittedEvent, facts: Facts, book: PriceBook, occurred_at: dt.datetime) -> Cost:
    try:
        return book.cost_of(
            provider=facts.provider,
            model=facts.model,
            tokens=event.tokens,
            at=occurred_at,
            reported=event.cost,
            reported_currency=event.cost_currency or LIST_CURRENCY,
        )
    except ValueError as error:
        raise _RefusedError("usage" if event.cost is None else "cost", str(error)) from None


def distinct(
    events: Iterable[MeasuredEvent],
) -> tuple[list[MeasuredEvent], list[MeasuredEvent]]:
    """Split a batch into events and their repeats within it; the first of a key stands."""
    first: dict[tuple[str, str], MeasuredEvent] = {}
    repeats = [event for event in events if first.setdefault(event.key, event) is not event]
    return list(first.values()), repeats
