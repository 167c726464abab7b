"""The floor of writing: the same rows once more, by plain SQL, into tables of the same shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Max
from tqdm import tqdm

from tests.bench.figures import Stopwatch, timed

APPS: Final = ("clients", "billing", "payouts")
BATCH: Final = 200

Marks = Mapping[str, int]
"""Table -> its last id."""


def last_ids() -> Marks:
    """Where every table of ours ends now."""
    found = {}
    for label in APPS:
        for model in apps.get_app_config(label).get_models():
            last = model._default_manager.aggregate(last=Max("pk"))["last"]
            found[model._meta.db_table] = last or 0
    return found


def insert_again(since: Marks) -> tuple[int, Stopwatch]:
    """Insert every row made since, in batches of 200, one statement and one transaction each.

    Indexes and constraints are those of the real tables; on PostgreSQL without foreign keys, and
    on neither database with triggers. Returns how many rows there were.
    """
    rows = {table: found for table, last in since.items() if (found := _rows(table, last))}
    for table in rows:
        _make_twin(table)
    watch = Stopwatch()
    bar = tqdm(
        total=sum(map(len, rows.values())),
        desc="Inserting the same rows",
        leave=False,
        disable=None,
    )
    for table, of_table in rows.items():
        for batch in _batches(of_table):
            with timed() as lap, transaction.atomic():
                _insert(f"floor_{table}", batch)
            watch.wall += lap.wall
            watch.cpu += lap.cpu
            bar.update(len(batch))
    bar.close()
    return sum(map(len, rows.values())), watch


def _rows(table: str, last: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} WHERE id > %s", [last])  # noqa: S608
        return cursor.fetchall()


def _batches(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    for first in range(0, len(rows), BATCH):
        yield rows[first : first + BATCH]


def _insert(table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    row = f"({', '.join(['%s'] * len(rows[0]))})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} VALUES {', '.join([row] * len(rows))}",  # noqa: S608
            [value for of_row in rows for value in of_row],
        )


def _make_twin(table: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"CREATE TABLE floor_{table} (LIKE {table} INCLUDING ALL)")
            return
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL "
            "AND type IN ('table', 'index') ORDER BY type DESC",
            [table],
        )
        for name, statement in cursor.fetchall():
            twin = statement.replace(f'"{table}"', f'"floor_{table}"')
            cursor.execute(twin.replace(f'"{name}"', f'"floor_{name}"'))
