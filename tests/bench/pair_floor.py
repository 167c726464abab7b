"""The floor of a reservation and its commit: the same rows, written by the database alone.

Two transactions: one takes the units under the guard and stores the reservation; the other stores
the event, adds to its quarter hour, its day and the window, and settles the reservation. No HTTP,
no key, no reading, no locks but those of the rows.
"""

# ruff: noqa: S608  (names of columns come from the database, not from data)

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection

from tests.bench.crew import Act
from tests.bench.event_floor import target_database

UNITS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A pair that was stored, for each workspace: (reservation, event, quarter, day) as rows."""

    target: dict[str, str]
    reservation: list[dict[str, Any]]
    event: list[dict[str, Any]]
    quarter: list[int]
    day: list[int]


def sample(workspaces: list[int]) -> Sample:
    """Of what is stored now; there is a committed reservation of each workspace."""
    return Sample(
        target=target_database(),
        reservation=[_last("billing_reservation", pk) for pk in workspaces],
        event=[_last("clients_usageevent", pk) for pk in workspaces],
        quarter=[_last("clients_usagequarter", pk)["id"] for pk in workspaces],
        day=[_last("clients_usageday", pk)["id"] for pk in workspaces],
    )


def _last(table: str, workspace_id: int) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM {table} WHERE workspace_id = %s ORDER BY id DESC LIMIT 1",
            [workspace_id],
        )
        row = cursor.fetchone()
        return dict(zip([column[0] for column in cursor.description], row, strict=True))


def make_pair(stored: Sample) -> Act:
    """Writes one more pair a call, over a connection of its own."""
    run, begin, commit = _database(stored.target)

    def write(number: int) -> None:
        place = number % len(stored.reservation)
        held, event = stored.reservation[place], stored.event[place]
        begin()
        run(
            "UPDATE clients_usagewindow SET reserved = reserved + %s WHERE id = %s "
            "AND (available IS NULL OR available >= used + reserved + %s)",
            [2 * UNITS, held["window_id"], 2 * UNITS],
        )
        new = {
            "public_id": uuid.uuid4().hex,
            "state": "open",
            "settled_at": None,
            "event_id": None,
        }
        held_id = run(*_insert("billing_reservation", held | new))
        commit()
        begin()
        event_id = run(
            *_insert("clients_usageevent", event | {"external_id": f"floor-{uuid.uuid4().hex}"})
        )
        run(
            "UPDATE clients_usagequarter SET quantity = quantity + %s, events = events + 1 "
            "WHERE id = %s",
            [UNITS, stored.quarter[place]],
        )
        run(
            "UPDATE clients_usageday SET quantity = quantity + %s, events = events + 1 "
            "WHERE id = %s",
            [UNITS, stored.day[place]],
        )
        run(
            "UPDATE billing_reservation SET state = 'committed', settled_at = reserved_at, "
            "event_id = %s WHERE id = %s",
            [event_id, held_id],
        )
        run(
            "UPDATE clients_usagewindow SET reserved = reserved - %s, used = used + %s, "
            "events = events + 1 WHERE id = %s",
            [2 * UNITS, UNITS, held["window_id"]],
        )
        commit()

    return write


def _insert(table: str, row: dict[str, Any]) -> tuple[str, list[Any]]:
    values = {name: value for name, value in row.items() if name != "id"}
    slots = ", ".join(["%s"] * len(values))
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({slots}) RETURNING id", [
        *values.values()
    ]


def _database(target: dict[str, str]) -> tuple[Any, Any, Any]:
    """(run a statement and return the id that it says, begin, commit)"""
    if target["vendor"] == "sqlite":
        return _sqlite(target)
    database = psycopg.connect(
        dbname=target["database"],
        host=target["host"] or None,
        port=target["port"] or None,
        user=target["user"] or None,
        password=target["password"] or None,
        prepare_threshold=3,
    )

    def run(statement: str, values: list[Any]) -> int | None:
        cursor = database.execute(statement, values)
        return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]

    return run, lambda: None, database.commit


def _sqlite(target: dict[str, str]) -> tuple[Any, Any, Any]:
    database = sqlite3.connect(
        target["database"], timeout=60, isolation_level=None, check_same_thread=False
    )
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
    database.execute("PRAGMA foreign_keys = ON")

    def run(statement: str, values: list[Any]) -> int | None:
        cursor = database.execute(statement.replace("%s", "?"), values)
        return cursor.fetchone()[0] if cursor.description else None

    return (
        run,
        lambda: database.execute("BEGIN IMMEDIATE"),
        lambda: database.execute("COMMIT"),
    )
