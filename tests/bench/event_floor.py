"""The floor of ingestion: rows like those that the API stored, written by the database alone.

No HTTP, no reading, no pricing, no seal, no rollups. On PostgreSQL two processes COPY each batch
into a temporary table and go on with INSERT .. SELECT .. ON CONFLICT DO NOTHING RETURNING into the
events; on SQLite one process inserts it with executemany, since there is one writer at a time.
"""

# ruff: noqa: S608  (names of columns come from the database, not from data)

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final

import psycopg
from django.db import connection

from tests.bench.figures import Stopwatch
from tests.bench.processors import timed_elsewhere

TABLE: Final = "clients_usageevent"
WRITERS: Final = {"postgresql": 2, "sqlite": 1}


class Floor:
    """Writers that wait for a round and say how long it took them."""

    def __init__(self, size: int) -> None:
        self._size = size
        context = multiprocessing.get_context("spawn")
        columns, rows = _samples(size)
        self._pipes: list[Connection] = []
        self._processes = []
        for number in range(WRITERS[connection.vendor]):
            ours, theirs = context.Pipe()
            target = target_database()
            process = context.Process(
                target=_write, args=(theirs, target, columns, rows, f"floor-{size}-{number}")
            )
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Floor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(30)

    def measure(self, turn: int, batches: int) -> Stopwatch:
        """What all writers together take for so many new batches."""
        for number, pipe in enumerate(self._pipes):
            pipe.send((turn, len(range(number, batches, len(self._pipes)))))
        for pipe in self._pipes:  # each has its rows ready
            pipe.recv()
        with timed_elsewhere() as watch:
            for pipe in self._pipes:
                pipe.send("go")
            for pipe in self._pipes:
                pipe.recv()
        return watch


def one_row_writer() -> Callable[[int], None]:
    """Inserts and commits one row a call, in this process."""
    columns, rows = _samples(1)
    write = _postgresql if connection.vendor == "postgresql" else _sqlite
    store = write(target_database(), columns)
    place = columns.index("external_id")

    def insert(number: int) -> None:
        (row,) = rows
        store([(*row[:place], f"floor-single-{number}", *row[place + 1 :])])

    return insert


def target_database() -> dict[str, str]:
    """What another process needs to connect to the database."""
    settings = connection.settings_dict
    return {
        "vendor": connection.vendor,
        "database": str(settings["NAME"]),
        "host": settings["HOST"],
        "port": str(settings["PORT"] or ""),
        "user": settings["USER"],
        "password": settings["PASSWORD"],
    }


def _samples(size: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Stored rows without their ids, as the driver sends them, repeated to the batch's size."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {TABLE} WHERE properties IS NOT NULL LIMIT 100")
        names = [column[0] for column in cursor.description]
        found = cursor.fetchall()
    place = names.index("id")
    rows = [(*row[:place], *row[place + 1 :]) for row in found]
    columns = names[:place] + names[place + 1 :]
    return columns, [rows[number % len(rows)] for number in range(size)]


def _write(
    pipe: Connection,
    target: dict[str, str],
    columns: Sequence[str],
    samples: Sequence[tuple[Any, ...]],
    name: str,
) -> None:
    """One writer: makes its rows, waits for the word, writes them, says so."""
    write = _postgresql if target["vendor"] == "postgresql" else _sqlite
    store = write(target, list(columns))
    place = list(columns).index("external_id")
    while (asked := pipe.recv()) is not None:
        turn, batches = asked
        work = [
            [
                (*row[:place], f"{name}-{turn}-{batch}-{number:08d}", *row[place + 1 :])
                for number, row in enumerate(samples)
            ]
            for batch in range(batches)
        ]
        pipe.send("ready")
        pipe.recv()
        for rows in work:
            store(rows)
        pipe.send("done")


def _postgresql(target: dict[str, str], columns: list[str]) -> Any:
    database = psycopg.connect(
        dbname=target["database"],
        host=target["host"] or None,
        port=target["port"] or None,
        user=target["user"] or None,
        password=target["password"] or None,
    )
    names = ", ".join(columns)
    database.execute(f"CREATE TEMPORARY TABLE batch AS SELECT {names} FROM {TABLE} LIMIT 0")
    database.commit()

    def store(rows: Sequence[tuple[Any, ...]]) -> None:
        cursor = database.cursor()
        cursor.execute("TRUNCATE batch")
        with cursor.copy(f"COPY batch ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            f"INSERT INTO {TABLE} ({names}) SELECT {names} FROM batch "
            "ON CONFLICT (workspace_id, source, external_id) DO NOTHING "
            "RETURNING source, external_id, id"
        )
        cursor.fetchall()
        database.commit()

    return store


def _sqlite(target: dict[str, str], columns: list[str]) -> Any:
    database = sqlite3.connect(target["database"], timeout=60, isolation_level=None)
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
    database.execute("PRAGMA foreign_keys = ON")
    values = ", ".join("?" * len(columns))
    statement = (
        f"INSERT INTO {TABLE} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT DO NOTHING"
    )

    def store(rows: Sequence[tuple[Any, ...]]) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany(statement, rows)
        database.execute("COMMIT")

    return store
