"""From submitted events to measured ones: defaults, unit, meter version, quantity and cost.

Reads what is needed for a whole batch in a fixed number of queries, and writes nothing. It runs
before the recording transaction, which so stays short, and alone where a file is only checked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec

from agencyportal.core.money import scaled
from agencyportal.core.prepared import PreparedQuery
from clients.limits import is_fine, is_plain_body, problems_of
from clients.metering import (
    PLACES,
    Facts,
    MeterRules,
    NotMeasurableError,
    measure,
    read_rules,
    version_at,
)
from clients.models import Meter, Workspace
from clients.services.pricing import PriceBook
from clients.submission import (
    MAX_AHEAD,
    EventsRefused,
    Problem,
    SubmittedEvent,
    TokenUsage,
    canonical_body,
    hash_of,
)
from clients.tariffs import ScaledCost


class MeasuredEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as it will be stored, but for its standing, which only recording can tell.

    Amounts are scaled integers, as stored.
    """

    submitted: SubmittedEvent
    key: tuple[str, str]
    body_hash: str
    unit_id: int
    meter_id: int
    is_unique: bool
    occurred_at: dt.datetime
    """In UTC."""
    quantity: int
    cost: ScaledCost
    cost_payer: str


@dataclass(frozen=True, slots=True)
class _Version:
    unit_id: int
    meter_id: int
    rules: MeterRules
    is_unique: bool
    is_plain: bool
    """No filters, no weights."""
    counts: bool


_Versions = list[tuple[dt.datetime, _Version]]

_ONE: Final[int] = 10**PLACES
_NO_USAGE: Final = TokenUsage()


_METERS: Final = PreparedQuery[Meter](
    lambda slots: (
        Meter.objects.filter(
            unit__agency=slots.number("agency"), unit__slug__in=slots.texts("slugs")
        )
        .order_by("unit", "effective_from")
        .select_related("unit")
    )
)


def measure_events(
    *, workspace: Workspace, events: Sequence[SubmittedEvent], now: dt.datetime
) -> list[MeasuredEvent]:
    """Measure and price ``events`` as the meters and prices in force at their times say.

    Raises EventsRefused with everything that is wrong with any of them.
    """
    problems: dict[int, list[Problem]] = {}
    fine: list[tuple[int, SubmittedEvent, bytes]] = []
    latest = now + MAX_AHEAD
    for index, event in enumerate(events):
        body = _body_within_limits(event, now, latest)
        if isinstance(body, bytes):
            fine.append((index, event, body))
        else:
            problems[index] = body
    meters = _meters(workspace, {event.unit for _, event, _ in fine})
    book = _price_book(workspace, [event for _, event, _ in fine], now)
    measured = []
    for index, event, body in fine:
        try:
            measured.append(_measured(event, body, workspace, meters, book, now))
        except _RefusedError as refusal:
            problems[index] = [refusal.problem]
    if problems:
        raise EventsRefused(
            [(index, *problem) for index in sorted(problems) for problem in problems[index]]
        )
    return measured


def _body_within_limits(
    event: SubmittedEvent, now: dt.datetime, latest: dt.datetime
) -> bytes | list[Problem]:
    """What the event's fingerprint is taken of; instead, everything that no workspace could store
    or count. The limits are read in full only where they are not plainly kept."""
    if is_fine(event, latest=latest):
        try:
            body = canonical_body(event)
        except ValueError:  # half a surrogate pair, which is put into words below
            pass
        else:
            if is_plain_body(body):
                return body
    return problems_of(event, now=now) or canonical_body(event)


class _RefusedError(Exception):
    def __init__(self, field: str | None, message: str) -> None:
        super().__init__(message)
        self.problem: Problem = (field, message)


def _meters(workspace: Workspace, slugs: set[str]) -> dict[str, _Versions]:
    """The versions of the meters of some units of the agency, by unit slug, in time order."""
    rows = _METERS.rows(agency=workspace.agency_id, slugs=sorted(slugs)) if slugs else ()
    found: dict[str, _Versions] = {}
    for row in rows:
        rules = read_rules(row.aggregation, row.property_name, row.filters, row.weights)
        version = _Version(
            row.unit_id,
            row.pk,
            rules,
            is_unique=rules.is_unique,
            is_plain=rules.is_plain,
            counts=rules.aggregation == "count",
        )
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
    body: bytes,
    workspace: Workspace,
    meters: Mapping[str, _Versions],
    book: PriceBook,
    now: dt.datetime,
) -> MeasuredEvent:
    versions = meters.get(event.unit)
    if versions is None:
        raise _RefusedError("unit", f"This agency has no unit “{event.unit}”.")
    occurred_at = event.time or now
    if occurred_at.tzinfo is not dt.UTC:
        occurred_at = occurred_at.astimezone(dt.UTC)
    version = versions[0][1] if len(versions) == 1 else version_at(versions, occurred_at)
    return MeasuredEvent(
        submitted=event,
        key=event.key,
        body_hash=hash_of(body),
        unit_id=version.unit_id,
        meter_id=version.meter_id,
        is_unique=version.is_unique,
        occurred_at=occurred_at,
        quantity=_quantity(version, event),
        cost=_cost(event, book, occurred_at),
        cost_payer=workspace.cost_payer,
    )


def _quantity(version: _Version, event: SubmittedEvent) -> int:
    """What the meter counts, scaled. Most meters look at one thing, which takes no rules."""
    if version.is_plain and event.status != "error":
        if version.is_unique and event.subject:
            return _ONE
        if version.counts:
            if event.quantity is None:
                return _ONE
            return scaled(event.quantity, PLACES)
    try:
        return scaled(measure(version.rules, facts_of(event)), PLACES)
    except NotMeasurableError as error:
        raise _RefusedError(error.field, error.message) from None


def facts_of(event: SubmittedEvent) -> Facts:
    """The event after defaults."""
    usage = event.usage or _NO_USAGE
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
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        tool_calls=usage.tool_calls,
        properties=event.properties or {},
    )


def _cost(event: SubmittedEvent, book: PriceBook, occurred_at: dt.datetime) -> ScaledCost:
    try:
        return book.scaled_cost_of(
            provider=event.provider or "",
            model=event.model or "",
            usage=event.usage,
            at=occurred_at,
            reported=event.cost,
            reported_currency=event.cost_currency,
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
