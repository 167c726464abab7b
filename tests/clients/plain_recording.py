"""What recording stores, said the long way round: one event after the other, Decimals, no caches.

`tests/properties/test_recording_plainly.py` holds the quick way of `clients` to it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from agencyportal.core.money import plain
from agencyportal.core.periods import local_date, quarter_floor
from clients.costing import ALARMS, Cost
from clients.limits import problems_of
from clients.metering import measure, read_rules, version_at
from clients.models import CostPayer, Meter, UsageWindow, Workspace
from clients.seal import seal_of
from clients.services.measuring import facts_of
from clients.services.pricing import PriceBook
from clients.submission import EVENT_FIELDS, USAGE_FIELDS, SubmittedEvent, properties_text

ZERO = Decimal(0)
Row = dict[str, Any]


def fingerprint(event: SubmittedEvent) -> str:
    """BLAKE2b-128 over everything that was given, in one spelling."""
    body = {name: value for name in EVENT_FIELDS if (value := getattr(event, name)) is not None}
    for name in ("quantity", "cost"):
        if name in body:
            body[name] = plain(body[name])
    if event.time is not None:
        body["time"] = event.time.astimezone(dt.UTC)
    if event.usage is not None:
        usage = ((name, getattr(event.usage, name)) for name in USAGE_FIELDS)
        body["usage"] = {name: count for name, count in usage if count is not None}
    text = msgspec.json.Encoder(decimal_format="number", order="sorted").encode(body)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def rows_of(workspace: Workspace, events: Sequence[SubmittedEvent], now: dt.datetime) -> list[Row]:
    """The stored rows of new events with distinct keys, by column, but for their own ids."""
    return [_row(workspace, event, now) for event in events]


def _row(workspace: Workspace, event: SubmittedEvent, now: dt.datetime) -> Row:
    assert problems_of(event, now=now) == []
    at = (event.time or now).astimezone(dt.UTC)
    facts = facts_of(event)
    versions = [
        (meter.effective_from, meter)
        for meter in Meter.objects.filter(
            unit__agency=workspace.agency, unit__slug=event.unit
        ).order_by("effective_from")
    ]
    meter = version_at(versions, at)
    rules = read_rules(meter.aggregation, meter.property_name, meter.filters, meter.weights)
    cost = _cost(workspace, event, at)
    row: Row = {
        "workspace_id": workspace.pk,
        "unit_id": meter.unit_id,
        "meter_id": meter.pk,
        "source": event.source or "",
        "external_id": event.id,
        "body_hash": fingerprint(event),
        "occurred_at": at,
        "recorded_at": now,
        "quantity": measure(rules, facts),
        "cost": cost.amount,
        "cost_currency": cost.currency,
        "cost_payer": workspace.cost_payer,
        "cost_flag": cost.flag,
        "price_source": cost.source,
        "exchange_rate": cost.exchange_rate,
        "client_cost": cost.client_amount,
    }
    for name in ("subject", "label", "run_id", "provider", "model", "attempts", "status"):
        row[name] = getattr(facts, name)
    for name in USAGE_FIELDS:
        row[name] = getattr(facts, name)
    row["properties"] = json.loads(properties_text(facts.properties))
    return row | {"standing": _standing(workspace, row)[0], "seal": seal_of(row)}


def _cost(workspace: Workspace, event: SubmittedEvent, at: dt.datetime) -> Cost:
    book = PriceBook.load(
        workspace,
        models=[event.model or ""],
        currencies=[event.cost_currency or "USD"],
        earliest=at,
        latest=at,
    )
    return book.cost_of(
        provider=event.provider or "",
        model=event.model or "",
        tokens=event.tokens,
        at=at,
        reported=event.cost,
        reported_currency=event.cost_currency or "USD",
    )


def _standing(workspace: Workspace, row: Mapping[str, Any]) -> tuple[str, int | None]:
    """The standing, and the window that it is counted in."""
    if workspace.settled_until is not None and row["occurred_at"] < workspace.settled_until:
        return "late", None
    window = UsageWindow.objects.filter(
        workspace=workspace,
        unit=row["unit_id"],
        start__lte=row["occurred_at"],
        end__gt=row["occurred_at"],
    ).first()
    return ("unbilled", None) if window is None else ("counted", window.pk)


def sums_of(workspace: Workspace, rows: Iterable[Row]) -> tuple[dict[Any, Any], ...]:
    """What counted rows add to quarter hours, days and windows, by column. ``rows`` are of meters
    that count or sum."""
    quarters: dict[Any, Any] = {}
    days: dict[Any, Any] = {}
    windows: dict[Any, Any] = {}
    for row in rows:
        window = _standing(workspace, row)[1]
        if window is None:
            continue
        cost = row["client_cost"] or ZERO
        platform = cost if row["cost_payer"] == CostPayer.PLATFORM else ZERO
        shared = {
            "quantity": row["quantity"],
            "events": 1,
            "platform_cost": platform,
            "agency_cost": cost - platform,
        }
        of_day = shared | {
            "errors": int(row["status"] == "error"),
            "retries": row["attempts"] - 1,
            "unpriced": int(row["cost_flag"] in ALARMS),
        }
        for name in ("input_tokens", "cached_input_tokens", "output_tokens", "tool_calls"):
            of_day[name] = row[name] or 0
        day = local_date(row["occurred_at"], workspace.client.timezone)
        _add(quarters, (row["unit_id"], quarter_floor(row["occurred_at"])), shared)
        _add(days, (row["unit_id"], day, row["label"], row["model"]), of_day)
        _add(windows, window, {"used": row["quantity"], "events": 1})
    return quarters, days, windows


def _add(sums: dict[Any, dict[str, Any]], key: Any, values: Mapping[str, Any]) -> None:
    row = sums.setdefault(key, dict.fromkeys(values, 0))
    for name, value in values.items():
        row[name] += value
