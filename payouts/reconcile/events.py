"""Raw events against the rules that froze them: meter, price, rate, standing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from agencyportal.core.money import exact_arithmetic, round_half_up
from clients.costing import PLACES, Price, Tokens, call_cost, inverse_rate
from clients.listed_prices import LIST_SOURCE, listed_price
from clients.metering import (
    Facts,
    MeterRules,
    NotMeasurableError,
    measure,
    read_rules,
    version_at,
)
from clients.models import (
    CostPayer,
    ExchangeRate,
    Meter,
    ModelPrice,
    UsageEvent,
    UsagePricing,
    UsageWindow,
    Workspace,
)
from clients.seal import SEALED, seal_of
from clients.services.counting import Windows
from clients.services.pricing import PriceBook

from .corrections import Corrections, corrections_of
from .findings import Difference, compare, difference

SUBJECT: Final = "Events"
LIST_NAME: Final = LIST_SOURCE.split()[0]
OVERRIDE: Final = "model price "
REPORTED: Final = "reported"


def name_of(event: UsageEvent, workspace: Workspace) -> str:
    """An event as the client's program knows it."""
    source = f"{event.source} " if event.source else ""
    return f"event {source}{event.external_id} of {workspace}"


def facts_of(event: UsageEvent, quantity: Decimal = Decimal(1)) -> Facts:
    """What a meter may look at. The submitted quantity is not stored, only what it came to."""
    return Facts(
        quantity=quantity,
        status=event.status,
        subject=event.subject,
        label=event.label,
        run_id=event.run_id,
        provider=event.provider,
        model=event.model,
        source=event.source,
        attempts=event.attempts,
        input_tokens=event.input_tokens,
        cached_input_tokens=event.cached_input_tokens,
        output_tokens=event.output_tokens,
        reasoning_tokens=event.reasoning_tokens,
        tool_calls=event.tool_calls,
        properties=event.properties,
    )


def tokens_of(event: UsageEvent) -> Tokens:
    return Tokens(
        event.input_tokens,
        event.cached_input_tokens,
        event.output_tokens,
        event.reasoning_tokens,
    )


@dataclass(slots=True)
class Rules:
    """Meters, windows, prices and rates of one workspace, read once."""

    workspace: Workspace
    meters: dict[int, Meter]
    definitions: dict[int, MeterRules]
    versions: dict[int, list[tuple[dt.datetime, Meter]]]
    windows: Windows
    window_ids: dict[int, UsageWindow]
    overrides: dict[int, ModelPrice]
    rates: dict[tuple[str, str], list[ExchangeRate]]
    corrections: Corrections
    pricings: dict[int, UsagePricing]
    """By event, what it cost after all."""

    @classmethod
    def load(cls, workspace: Workspace) -> Rules:
        """``workspace`` comes with its client. Seven queries."""
        meters = list(
            Meter.objects.filter(unit__agency=workspace.agency_id).order_by("effective_from", "pk")
        )
        versions: dict[int, list[tuple[dt.datetime, Meter]]] = {}
        for meter in meters:
            versions.setdefault(meter.unit_id, []).append((meter.effective_from, meter))
        windows = list(UsageWindow.objects.filter(workspace=workspace).order_by("unit", "start"))
        rates: dict[tuple[str, str], list[ExchangeRate]] = {}
        for rate in ExchangeRate.objects.order_by("-effective_from"):
            rates.setdefault((rate.base, rate.quote), []).append(rate)
        return cls(
            workspace=workspace,
            meters={meter.pk: meter for meter in meters},
            definitions={
                meter.pk: read_rules(
                    meter.aggregation, meter.property_name, meter.filters, meter.weights
                )
                for meter in meters
            },
            versions=versions,
            windows=Windows.of(windows),
            window_ids={window.pk: window for window in windows},
            overrides=ModelPrice.objects.in_bulk(),
            rates=rates,
            corrections=corrections_of(workspace),
            pricings={
                row.event_id: row for row in UsagePricing.objects.filter(workspace=workspace)
            },
        )


def check_event(event: UsageEvent, rules: Rules) -> Iterator[Difference]:
    """What one event says against the rules that were in force for it."""
    name = name_of(event, rules.workspace)
    if event.seal != seal_of({column: getattr(event, column) for column in SEALED}):
        yield difference(SUBJECT, event, name, "seal", event.seal, "another, as the row stands now")
    yield from _check_standing(event, name, rules)
    yield from _check_quantity(event, name, rules)
    yield from _check_cost(event, name, rules)


def _check_standing(event: UsageEvent, name: str, rules: Rules) -> Iterator[Difference]:
    """Counted inside a window of its unit, else not; late only where usage is settled."""
    standing = UsageEvent.Standing
    inside = rules.windows.find(event.unit_id, event.occurred_at) is not None
    settled = rules.workspace.settled_until
    is_settled = settled is not None and event.occurred_at < settled
    allowed = {standing.COUNTED} if inside else {standing.UNBILLED}
    if is_settled:
        allowed.add(standing.LATE)
    if event.standing not in allowed:
        yield difference(
            SUBJECT, event, name, "standing", event.standing, " or ".join(sorted(allowed))
        )


# --- Quantity ----------------------------------------------------------------------------------


def _check_quantity(event: UsageEvent, name: str, rules: Rules) -> Iterator[Difference]:
    meter = rules.meters.get(event.meter_id)
    if meter is None or meter.unit_id != event.unit_id:
        yield difference(SUBJECT, event, name, "meter", event.meter_id, "a meter of its unit")
        return
    in_force = version_at(rules.versions[event.unit_id], event.occurred_at)
    if in_force.pk != meter.pk and in_force.created_at <= event.recorded_at:
        yield difference(SUBJECT, event, name, "meter", meter.version, in_force.version)
    measured = measured_quantity(event, rules)
    if isinstance(measured, str) or (measured is not None and measured != event.quantity):
        yield difference(SUBJECT, event, name, "quantity", event.quantity, measured)


def measured_quantity(event: UsageEvent, rules: Rules) -> Decimal | str | None:
    """The quantity that the event's meter version measures; None where only what was submitted
    could say it (a plain count); words for what is wrong where nothing can be measured."""
    definition = rules.definitions[event.meter_id]
    try:
        of_one = measure(definition, facts_of(event))
    except NotMeasurableError as error:
        return f"measurable ({error.message})"
    if definition.aggregation == "count" and of_one:
        return None
    return of_one


# --- Cost --------------------------------------------------------------------------------------


def _check_cost(event: UsageEvent, name: str, rules: Rules) -> Iterator[Difference]:
    fields: dict[str, tuple[Any, Any]] = {}
    price = price_used(event, event.price_source, rules)
    if price is not None:
        cost = call_cost(price, tokens_of(event))
        fields["cost"] = (event.cost, cost.amount)
        fields["cost_currency"] = (event.cost_currency, cost.currency)
    elif event.cost is not None and not is_beyond_recall(event, event.price_source):
        source = event.price_source
        yield difference(SUBJECT, event, name, "price_source", source, "a price in force then")
    if event.cost is None:
        fields["client_cost"] = (event.client_cost, None)
        fields["exchange_rate"] = (event.exchange_rate, None)
        if not event.cost_flag:
            yield difference(SUBJECT, event, name, "cost", None, "known, or flagged as unknown")
    elif event.cost_flag == UsageEvent.CostFlag.NO_RATE:
        fields["client_cost"] = (event.client_cost, None)
    else:
        rate = event.exchange_rate
        if rate is None or not is_rate(event, event.cost_currency, rate, rules):
            yield difference(SUBJECT, event, name, "exchange_rate", rate, "a stored rate")
        else:
            fields["client_cost"] = (event.client_cost, converted(event.cost, rate))
    yield from compare(SUBJECT, event, name, fields)


def converted(cost: Decimal, rate: Decimal) -> Decimal:
    """A cost in the client's currency, as it is stored."""
    with exact_arithmetic():
        return round_half_up(cost * rate, PLACES)


def price_used(event: UsageEvent, source: str, rules: Rules) -> Price | None:
    """The price that an event was costed with, as ``source`` says, where it can still be looked
    up: the list of another version cannot, nor can a cost that the agency reported itself."""
    if source.startswith(OVERRIDE):
        row = rules.overrides.get(int(source.removeprefix(OVERRIDE)))
        if row is None or row.effective_from > event.occurred_at:
            return None
        book = PriceBook(
            cost_payer=event.cost_payer,
            client_currency=row.currency,
            overrides={event.model.lower(): [row]},
            rates={},
        )
        return book.price_of(provider=row.provider, model=event.model, at=event.occurred_at)
    if source == LIST_SOURCE:
        return listed_price(event.provider, event.model, event.occurred_at)
    return None


def is_beyond_recall(event: UsageEvent, source: str) -> bool:
    """Whether nobody but who priced the event could say its cost: a list of another version, or
    the agency about its own bill."""
    if source == REPORTED:
        return event.cost_payer == CostPayer.AGENCY
    return source.startswith(LIST_NAME) and source != LIST_SOURCE


def is_rate(event: UsageEvent, of: str, rate: Decimal, rules: Rules) -> bool:
    """Whether a frozen rate from a currency is one that was stored for the event's day; one is
    one."""
    currency = rules.workspace.client.currency
    if of == currency:
        return rate == 1
    for base, quote, inverted in ((of, currency, False), (currency, of, True)):
        for row in rules.rates.get((base, quote), ()):
            if row.effective_from <= event.occurred_at and rate == (
                inverse_rate(row.rate) if inverted else row.rate
            ):
                return True
    return False
