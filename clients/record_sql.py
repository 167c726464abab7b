"""The SQL of recording that the ORM cannot say: set-based inserts and upserts of a whole batch.

Every statement takes its rows as one JSON parameter (`json_sql`), that of events column by column
(`array_sql`). Rows are inserted and locked in the order of their keys, the same in every
transaction (clients/README.md, "Lock order"). Numbers are scaled integers, as stored. Call these
inside a transaction.
"""
# ruff: noqa: S608  (statements are put together from the constants below, never from data)

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from agencyportal.core.prepared import cursor_with_parameters_beside
from clients import array_sql, event_rows
from clients.event_rows import RowMaker
from clients.holding_sql import Held as Held
from clients.holding_sql import enter_workspaces as enter_workspaces
from clients.holding_sql import hold_workspace as hold_workspace
from clients.json_sql import cast as _cast
from clients.json_sql import execute as _execute
from clients.json_sql import instant as _instant
from clients.json_sql import rows as _rows
from clients.services.measuring import MeasuredEvent
from clients.tally import CountedEvent, Tally, WindowSum

Key = tuple[str, str]
"""(source, external_id)"""

_KEY_COLUMNS: Final = {"source": "text", "external_id": "text"}
_QUARTER_KEY: Final = {"unit_id": "bigint", "start": "timestamptz"}
_DAY_KEY: Final = {"unit_id": "bigint", "day": "date", "label": "text", "model": "text"}


# --- Events ------------------------------------------------------------------------------------


def insert_events(
    workspace_id: int, events: Iterable[tuple[MeasuredEvent, str]], now: dt.datetime
) -> dict[Key, int]:
    """Insert (event, standing) pairs with distinct keys; ids of those that were new."""
    maker = RowMaker(workspace_id, now, naive=connection.vendor == "sqlite")
    rows = [maker.row(event, standing) for event, standing in events]
    if not rows:
        return {}
    columns = ", ".join(event_rows.COLUMNS)
    values = ", ".join(f"d.{name}" for name in event_rows.COLUMNS)
    given, parameters = array_sql.given(event_rows.COLUMNS, rows, event_rows.SHARED)
    sql = (
        f"INSERT INTO clients_usageevent (workspace_id, recorded_at, {columns}) "
        f"SELECT %s, {_cast('timestamptz')}, {values} "
        f"FROM {given} WHERE true "
        "ORDER BY d.source, d.external_id "
        "ON CONFLICT (workspace_id, source, external_id) DO NOTHING "
        "RETURNING source, external_id, id"
    )
    with cursor_with_parameters_beside() as cursor:
        cursor.execute(sql, [workspace_id, _instant(now), *parameters])
        inserted = cursor.fetchall()
    return {(source, external_id): pk for source, external_id, pk in inserted}


def stored_hashes(workspace_id: int, keys: Iterable[Key]) -> dict[Key, str]:
    """The body hashes of stored events."""
    # CROSS JOIN: SQLite then looks up each given key, instead of reading the whole workspace.
    rows = _execute(
        "SELECT e.source, e.external_id, e.body_hash "
        f"FROM {_rows(_KEY_COLUMNS)} CROSS JOIN clients_usageevent AS e "
        "WHERE e.workspace_id = %s AND e.source = d.source AND e.external_id = d.external_id",
        [],
        [dict(zip(_KEY_COLUMNS, key, strict=True)) for key in keys],
        [workspace_id],
    )
    return {(source, external_id): body_hash for source, external_id, body_hash in rows}


# --- Unique subjects ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StandingSubject:
    """A stored subject that an event of the batch may take over, locked."""

    id: int
    window_id: int
    subject: str
    event_id: int


_SUBJECT_COLUMNS: Final = {
    "window_id": "bigint",
    "subject": "text",
    "event_id": "bigint",
    "occurred_at": "timestamptz",
}


def insert_subjects(events: Iterable[CountedEvent]) -> set[tuple[int, str]]:
    """Let events stand for their subjects where nothing does yet; (window, subject) of those."""
    rows = _execute(
        "INSERT INTO clients_uniquesubject (window_id, subject, event_id, occurred_at) "
        "SELECT d.window_id, d.subject, d.event_id, d.occurred_at "
        f"FROM {_rows(_SUBJECT_COLUMNS)} WHERE true ORDER BY d.window_id, d.subject "
        "ON CONFLICT (window_id, subject) DO NOTHING RETURNING window_id, subject",
        [],
        [_subject_row(event) for event in events],
    )
    return {(window_id, subject) for window_id, subject in rows}


def lock_later_subjects(events: Iterable[CountedEvent]) -> list[StandingSubject]:
    """Lock the subjects whose standing event is not earlier than the given event of theirs.

    One whose standing event is earlier can only move further away, so it needs no lock; what
    moves a count to a later event must hold the workspace alone.
    """
    lock = "FOR UPDATE OF s" if connection.vendor == "postgresql" else ""
    rows = _execute(
        "SELECT s.id, s.window_id, s.subject, s.event_id FROM clients_uniquesubject AS s "
        f"JOIN {_rows(_SUBJECT_COLUMNS)} ON s.window_id = d.window_id AND s.subject = d.subject "
        f"WHERE d.occurred_at <= s.occurred_at ORDER BY s.window_id, s.subject {lock}",
        [],
        [_subject_row(event) for event in events],
    )
    return [StandingSubject(*row) for row in rows]


def move_subjects(moves: Iterable[tuple[StandingSubject, CountedEvent]]) -> None:
    """Let earlier events stand for subjects that are locked."""
    _execute(
        "UPDATE clients_uniquesubject AS s SET event_id = d.event_id, occurred_at = d.occurred_at "
        f"FROM {_rows({'id': 'bigint', **_SUBJECT_COLUMNS})} WHERE s.id = d.id",
        [],
        [{"id": subject.id, **_subject_row(event)} for subject, event in moves],
        fetch=False,
    )


def _subject_row(event: CountedEvent) -> dict[str, Any]:
    return {
        "window_id": event.place.window_id,
        "subject": event.subject,
        "event_id": event.id,
        "occurred_at": _instant(event.place.occurred_at),
    }


# --- Rollups and balance -----------------------------------------------------------------------


def add_to_rollups(workspace_id: int, tally: Tally) -> None:
    """Add a tally to the quarter-hours, then the days, then the windows."""
    _add("clients_usagequarter", workspace_id, _QUARTER_KEY, _quarter_rows(tally))
    _add("clients_usageday", workspace_id, _DAY_KEY, _day_rows(tally))
    _add_to_windows([_window_row(tally, pk, sums) for pk, sums in tally.windows.items()])


def _quarter_rows(tally: Tally) -> list[dict[str, Any]]:
    return [
        {"unit_id": unit_id, "start": _instant(start), **sums.as_row()}
        for (unit_id, start), sums in tally.quarters.items()
    ]


def _day_rows(tally: Tally) -> list[dict[str, Any]]:
    return [
        {
            "unit_id": unit_id,
            "day": day.isoformat(),
            "label": label,
            "model": model,
            **sums.as_row(),
        }
        for (unit_id, day, label, model), sums in tally.days.items()
    ]


def _add(
    table: str, workspace_id: int, key: Mapping[str, str], rows: Sequence[dict[str, Any]]
) -> None:
    """Upsert sums. What is taken away comes second, from rows that the first statement locked:

    a row offered with a negative quantity would break the table's check before it is found to be
    there already.
    """
    if not rows:
        return
    sums = [name for name in rows[0] if name not in key]
    columns = {**key, **dict.fromkeys(sums, "bigint")}
    names, order = ", ".join(columns), ", ".join(f"d.{name}" for name in key)
    added = ", ".join(f"{name} = t.{name} + excluded.{name}" for name in sums)
    _execute(
        f"INSERT INTO {table} AS t (workspace_id, {names}) "
        f"SELECT %s, {', '.join(f'd.{name}' for name in columns)} FROM {_rows(columns)} "
        f"WHERE true ORDER BY {order} "
        f"ON CONFLICT (workspace_id, {', '.join(key)}) DO UPDATE SET {added}",
        [workspace_id],
        [{**row, "quantity": max(row["quantity"], 0)} for row in rows],
        fetch=False,
    )
    if taken := [row for row in rows if row["quantity"] < 0]:
        columns = {"workspace_id": "bigint", **key}
        match = " AND ".join(f"t.{name} = d.{name}" for name in columns)
        _execute(
            f"UPDATE {table} AS t SET quantity = t.quantity + d.quantity "
            f"FROM {_rows({**columns, 'quantity': 'bigint'})} WHERE {match}",
            [],
            [{"workspace_id": workspace_id, **row} for row in taken],
            fetch=False,
        )


def _window_row(tally: Tally, window_id: int, sums: WindowSum) -> dict[str, Any]:
    span = tally.spans.get(window_id)
    first, last = map(_instant, span) if span else (None, None)
    return {"id": window_id, **sums.as_row(), "first_at": first, "last_at": last}


_WINDOW_COLUMNS: Final = {
    "id": "bigint",
    "used": "bigint",
    "events": "bigint",
    "first_at": "timestamptz",
    "last_at": "timestamptz",
}


def _add_to_windows(rows: Sequence[dict[str, Any]]) -> None:
    """Add to the balance rows. A change outside the time for which `available` and `covered` were
    worked out (billing/capacity.py) makes them void."""
    if not rows:
        return
    if len(rows) > 1 and connection.vendor == "postgresql":
        _execute(
            f"SELECT w.id FROM clients_usagewindow AS w JOIN {_rows(_WINDOW_COLUMNS)} "
            "ON w.id = d.id ORDER BY w.id FOR UPDATE OF w",
            [],
            rows,
        )
    _execute(
        "UPDATE clients_usagewindow AS w SET used = w.used + d.used, events = w.events + d.events, "
        "available_until = CASE WHEN d.first_at < w.available_since "
        "OR d.last_at >= w.available_until THEN NULL ELSE w.available_until END, "
        "covered_until = CASE WHEN d.first_at < w.covered_since "
        "OR d.last_at >= w.covered_until THEN NULL ELSE w.covered_until END "
        f"FROM {_rows(_WINDOW_COLUMNS)} WHERE w.id = d.id",
        [],
        rows,
        fetch=False,
    )
