"""Words for tests about recording: an event in one line, and the sums as plain data."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from clients.models import (
    UniqueSubject,
    UsageDay,
    UsageQuarter,
    UsageUnit,
    UsageWindow,
    Workspace,
)
from clients.services.recording import Recorded, SubmittedEvent, record_events
from clients.services.windows import open_window

MARCH = dt.datetime(2026, 3, 1, 5, tzinfo=dt.UTC)
"""The first instant of March in New York."""
APRIL = dt.datetime(2026, 4, 1, 4, tzinfo=dt.UTC)
MAY = dt.datetime(2026, 5, 1, 4, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


def at(text: str) -> dt.datetime:
    """``at("2026-03-10 12:00")``, in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def event(id: str, unit: str = "conversation", **fields: Any) -> SubmittedEvent:  # noqa: A002
    """An event at NOW unless ``time`` says otherwise; times and decimals may be text."""
    if isinstance(fields.setdefault("time", NOW), str):
        fields["time"] = at(fields["time"])
    for name in ("quantity", "cost"):
        if isinstance(fields.get(name), str | int):
            fields[name] = Decimal(fields[name])
    return SubmittedEvent(id=id, unit=unit, **fields)


def record(workspace: Workspace, *events: SubmittedEvent, now: dt.datetime = NOW) -> Recorded:
    return record_events(workspace=workspace, events=list(events), now=now)


def march_window(workspace: Workspace, unit: UsageUnit) -> UsageWindow:
    return open_window(workspace=workspace, unit=unit, start=MARCH, end=APRIL)


def quarters(workspace: Workspace) -> dict[tuple[str, str], tuple[Decimal, int]]:
    """(unit, start) -> (quantity, events)."""
    rows = UsageQuarter.objects.filter(workspace=workspace).select_related("unit")
    return {(row.unit.slug, f"{row.start:%m-%d %H:%M}"): (row.quantity, row.events) for row in rows}


def days(workspace: Workspace) -> dict[tuple[str, str, str, str], tuple[Decimal, int]]:
    """(unit, day, label, model) -> (quantity, events)."""
    rows = UsageDay.objects.filter(workspace=workspace).select_related("unit")
    return {
        (row.unit.slug, row.day.isoformat(), row.label, row.model): (row.quantity, row.events)
        for row in rows
    }


def windows(workspace: Workspace) -> dict[tuple[str, str], tuple[Decimal, int]]:
    """(unit, start) -> (used, events)."""
    rows = UsageWindow.objects.filter(workspace=workspace).select_related("unit")
    return {(row.unit.slug, f"{row.start:%m-%d}"): (row.used, row.events) for row in rows}


def subjects(workspace: Workspace) -> dict[str, str]:
    """subject -> id of the event that stands for it."""
    rows = UniqueSubject.objects.filter(window__workspace=workspace).select_related("event")
    return {row.subject: row.event.external_id for row in rows}


def whole_state(workspace: Workspace) -> list[list[tuple[Any, ...]]]:
    """Every sum and every standing subject, comparable between workspaces of one agency."""
    return [
        sorted(rows.values_list(*fields))
        for rows, fields in (
            (
                UsageQuarter.objects.filter(workspace=workspace),
                ("unit", "start", "quantity", "events", "platform_cost", "agency_cost"),
            ),
            (
                UsageDay.objects.filter(workspace=workspace),
                (
                    "unit",
                    "day",
                    "label",
                    "model",
                    "quantity",
                    "events",
                    "errors",
                    "retries",
                    "input_tokens",
                    "cached_input_tokens",
                    "output_tokens",
                    "tool_calls",
                    "unpriced",
                    "platform_cost",
                    "agency_cost",
                ),
            ),
            (
                UsageWindow.objects.filter(workspace=workspace),
                ("unit", "start", "end", "used", "events"),
            ),
            (
                UniqueSubject.objects.filter(window__workspace=workspace),
                ("window__unit", "window__start", "subject", "event__external_id", "occurred_at"),
            ),
        )
    ]
