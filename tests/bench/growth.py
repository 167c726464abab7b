"""What recording and the usage page's data cost when the tables have grown."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from django.db import connection

from agencyportal.portal import selectors as portal
from clients import selectors
from clients.models import Workspace
from clients.services.recording import record_events
from clients.submission import SubmittedEvent
from tests.bench import traffic
from tests.bench.figures import Figure, timed

SMALL: Final = 10_000
LARGE: Final = 1_000_000
BATCH: Final = 1_000
ROUNDS: Final = 15
TICKS: Final = os.sysconf("SC_CLK_TCK")


def run(scale: float) -> list[Figure]:
    """``scale`` 10 goes on to ten million events."""
    (line,) = traffic.lines(1)
    large = max(2 * SMALL, round(LARGE * scale))
    _record(line.workspace, "seed", BATCH)
    _fill(line.workspace, SMALL)
    recording, reading = _recording_cost(line.workspace, "small"), _reading_time(line.workspace)
    _fill(line.workspace, large)
    return [
        Figure(
            f"recording at {large:,} events beside {SMALL:,}",
            _recording_cost(line.workspace, "large"),
            "µs CPU/event",
            recording,
            "at most 1.4 times",
        ),
        Figure(
            f"usage page's data at {large:,} events beside {SMALL:,}",
            _reading_time(line.workspace),
            "ms",
            reading,
            "at most 1.3 times",
        ),
    ]


def _record(workspace: Workspace, name: str, count: int) -> None:
    now = dt.datetime.now(dt.UTC)
    said = [traffic.event(name, number, now) for number in range(count)]
    record_events(workspace=workspace, events=msgspec.convert(said, list[SubmittedEvent]), now=now)


def _recording_cost(workspace: Workspace, name: str) -> float:
    """Processor time of this process and the database's, an event: the median batch."""
    spent = []
    for number in range(ROUNDS):
        before = _database_seconds()
        with timed() as watch:
            _record(workspace, f"{name}-{number}", BATCH)
        spent.append(watch.cpu + _database_seconds() - before)
    return 1_000_000 * median(spent) / BATCH


def _reading_time(workspace: Workspace) -> float:
    today = dt.datetime.now(dt.UTC).date()
    first = today - dt.timedelta(days=30)

    def read() -> None:
        selectors.daily(workspace_id=workspace.pk, first=first, last=today)
        selectors.by_label_and_model(workspace_id=workspace.pk, first=first, last=today)
        list(portal.running_units(workspace.client, dt.datetime.now(dt.UTC)))

    return _median_ms(read)


def _median_ms(act: Callable[[], None]) -> float:
    taken = []
    for _ in range(4 * ROUNDS):
        with timed() as watch:
            act()
        taken.append(watch.cpu + 0 if connection.vendor == "sqlite" else watch.wall)
    return 1000 * median(taken)


def _database_seconds() -> float:
    """Processor time of our connection's backend, where it runs on this machine; else nothing."""
    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    try:
        spent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(spent[11]) + int(spent[12])) / TICKS


def _fill(workspace: Workspace, count: int) -> None:
    """Repeat the seed until there are ``count`` events, and all sums with them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM clients_usageevent LIMIT 0")
        names = [str(column[0]) for column in cursor.description if column[0] != "id"]
        copied = ", ".join(
            "e.external_id || '-' || n.n" if name == "external_id" else f"e.{name}"
            for name in names
        )
        cursor.execute("SELECT COUNT(*) FROM clients_usageevent")
        (present,) = cursor.fetchone()
        first, last = present // BATCH, count // BATCH - 1
        cursor.execute(
            "WITH RECURSIVE n(n) AS (SELECT %s UNION ALL SELECT n + 1 FROM n WHERE n < %s) "  # noqa: S608
            f"INSERT INTO clients_usageevent ({', '.join(names)}) "
            f"SELECT {copied} FROM n CROSS JOIN clients_usageevent AS e "
            "WHERE e.external_id LIKE 'seed-%%' AND length(e.external_id) = 13",
            [first, max(first, last)],
        )
        times = (count - present) // BATCH
        for table, columns in _SUMS.items():
            added = ", ".join(f"{name} = {name} + {name} / %s * %s" for name in columns)
            cursor.execute(
                f"UPDATE {table} SET {added} WHERE workspace_id = %s",  # noqa: S608
                [*[value for _ in columns for value in (present // BATCH, times)], workspace.pk],
            )
        cursor.execute("ANALYZE")


_SUMS: Final = {
    "clients_usagequarter": ("quantity", "events", "platform_cost"),
    "clients_usageday": (
        "quantity",
        "events",
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
        "platform_cost",
    ),
    "clients_usagewindow": ("used", "events"),
}
