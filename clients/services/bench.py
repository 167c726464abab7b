"""What a sample event would count and cost, under each version of a meter. Writes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from agencyportal.core.money import plain
from clients.costing import Cost
from clients.limits import problems_of
from clients.metering import (
    Condition,
    Facts,
    MeterRules,
    NotMeasurableError,
    measure,
    read_rules,
    version_at,
)
from clients.models import Meter, UsageUnit, Workspace
from clients.services.measuring import facts_of, measure_events
from clients.submission import (
    EventsRefused,
    MalformedError,
    Problem,
    SubmittedEvent,
    decode,
    event_from,
)

SAMPLE_ID = "sample"


@dataclass(frozen=True, slots=True)
class Tried:
    """One version of a meter on the sample.

    ``quantity``: None where it could not be measured. ``words``: how it came about, or why not.
    """

    meter: Meter
    is_in_force: bool
    quantity: Decimal | None
    words: str


@dataclass(frozen=True, slots=True)
class Bench:
    """``problems``: what recording would refuse the event for.

    ``cost``: what a workspace's event would cost; None without a workspace to look at, and where
    the event is refused.
    """

    problems: tuple[str, ...] = ()
    tried: tuple[Tried, ...] = ()
    cost: Cost | None = None


def try_event(
    *, unit: UsageUnit, text: str, workspace: Workspace | None, now: dt.datetime
) -> Bench:
    """Put a sample event, as a program would send it, on the bench.

    ``text``: JSON, in which ``unit``, ``id`` and ``time`` may be left out. ``workspace`` decides
    on prices and who pays. The version in force is the one at the event's time.
    """
    try:
        event = _read(text, unit)
    except MalformedError as error:
        return Bench(problems=(_words(error.problem),))
    if problems := problems_of(event, now=now):
        return Bench(problems=tuple(map(_words, problems)))
    tried = tuple(_tried_versions(unit, facts_of(event), event.time or now))
    if workspace is None:
        return Bench(tried=tried)
    try:
        (measured,) = measure_events(workspace=workspace, events=[event], now=now)
    except EventsRefused as refused:
        return Bench(tuple(_words(problem[1:]) for problem in refused.errors), tried)
    return Bench(tried=tried, cost=measured.cost.exact())


_decoder: msgspec.json.Decoder[dict[str, object]] = msgspec.json.Decoder(
    dict[str, object], float_hook=Decimal
)
"""Numbers stay as they are written, as in recording."""


def _read(text: str, unit: UsageUnit) -> SubmittedEvent:
    """Raises MalformedError."""
    values = decode(_decoder, text.encode("utf-8", "replace"))
    if values.get("unit", unit.slug) != unit.slug:
        raise MalformedError(("unit", f"This is the bench of “{unit.slug}”."))
    return event_from({"id": SAMPLE_ID, "unit": unit.slug, **values})


def _tried_versions(unit: UsageUnit, facts: Facts, at: dt.datetime) -> Iterator[Tried]:
    meters = list(unit.meters.order_by("effective_from"))
    in_force = version_at([(meter.effective_from, meter) for meter in meters], at)
    for meter in reversed(meters):
        rules = read_rules(meter.aggregation, meter.property_name, meter.filters, meter.weights)
        is_in_force = meter.pk == in_force.pk
        try:
            quantity = measure(rules, facts)
        except NotMeasurableError as error:
            yield Tried(meter, is_in_force, None, _words((error.field, error.message)))
        else:
            yield Tried(meter, is_in_force, quantity, _how(rules, facts, quantity))


def _how(rules: MeterRules, facts: Facts, quantity: Decimal) -> str:
    if facts.status == "error":
        return "A failed call counts nothing; its cost counts."
    for condition in rules.filters:
        if not condition.holds(facts):
            return f"Dropped: {_condition(condition)} does not hold."
    for weight in rules.weights:
        if all(condition.holds(facts) for condition in weight.when):
            because = " and ".join(map(_condition, weight.when)) or "always"
            return f"Weighs {plain(weight.multiply)}: {because}."
    if rules.is_unique:
        return f"Counts once for “{facts.subject}” in a period, at its first event."
    return "Counts nothing." if not quantity else "No weight applies."


def _condition(condition: Condition) -> str:
    return f"{condition.field} {condition.op} {condition.value!r}"


def _words(problem: Problem) -> str:
    field, message = problem
    return f"{field}: {message}" if field else message
