"""Fills the events of a workspace by SQL, many times faster than recording them, with their sums.

Rows are like some that were recorded: new ids in no order, each at a time of its own. Sums are made
anew from them; their days are those of UTC, and their seals do not fit.
"""
# ruff: noqa: S608  (names of columns come from the database, not from data)

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db import connection, transaction
from tqdm import tqdm

from clients.models import UsageEvent, Workspace

SEEDS: Final = 1_000
CHUNK: Final = 50_000
LABELS: Final = 8
_STRIDE: Final = 7_919
"""A prime: seconds between one event and the next, round and round the whole span."""

EVENTS: Final = "clients_usageevent"


def fill(workspace: Workspace, count: int, first: dt.datetime, last: dt.datetime) -> None:
    """Add events of ``[first, last)`` until the workspace has ``count``."""
    present = UsageEvent.objects.filter(workspace=workspace).count()
    names = _columns()
    _keep_seeds(workspace, names)
    numbers = range(present, count, CHUNK)
    with tqdm(total=count - present, desc=f"Filling to {count:,}", disable=None) as bar:
        for start in numbers:
            until = min(start + CHUNK, count)
            with transaction.atomic():
                _copy(names, start, until, first, int((last - first).total_seconds()))
            bar.update(until - start)
    _sum_up(workspace)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _columns() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {EVENTS} LIMIT 0")
        return [str(column[0]) for column in cursor.description if column[0] != "id"]


def _keep_seeds(workspace: Workspace, names: list[str]) -> None:
    """The recorded events that the others are like, numbered."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS seeds")
        cursor.execute(
            f"CREATE TEMPORARY TABLE seeds AS SELECT ROW_NUMBER() OVER (ORDER BY id) - 1 AS place, "
            f"{', '.join(names)} FROM {EVENTS} WHERE workspace_id = {int(workspace.pk)} "
            f"AND external_id LIKE 'seed-%' ORDER BY id LIMIT {SEEDS}"
        )
        cursor.execute("CREATE UNIQUE INDEX seeds_by_place ON seeds (place)")


def _copy(names: list[str], start: int, until: int, first: dt.datetime, seconds: int) -> None:
    moved = {
        "external_id": "md5('filled-' || n.n)",
        "body_hash": "md5('body-' || n.n)",
        "run_id": "'run-' || n.n / 3",
        "subject": "'chat-' || n.n / 3",
        "label": f"'workflow ' || n.n % {LABELS}",
        "occurred_at": _instant(int(first.timestamp()), seconds),
    }
    copied = ", ".join(moved.get(name, f"s.{name}") for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE n(n) AS (SELECT CAST({start} AS bigint) "
            f"UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {until}) "
            f"INSERT INTO {EVENTS} ({', '.join(names)}) SELECT {copied} "
            f"FROM n JOIN seeds AS s ON s.place = n.n % {SEEDS}"
        )


def _instant(first: int, seconds: int) -> str:
    after = f"{first} + (n.n * {_STRIDE}) % {seconds}"
    if connection.vendor == "postgresql":
        return f"to_timestamp({after})"
    return f"datetime({after}, 'unixepoch')"


_PAID: Final = "SUM(CASE WHEN cost_payer = '{}' THEN COALESCE(client_cost, 0) ELSE 0 END)"
_SHARED: Final = {
    "quantity": "SUM(quantity)",
    "events": "COUNT(*)",
    "platform_cost": _PAID.format("platform"),
    "agency_cost": _PAID.format("agency"),
}
_OF_DAY: Final = _SHARED | {
    "errors": "0",
    "retries": "0",
    "unpriced": "0",
    "input_tokens": "SUM(COALESCE(input_tokens, 0))",
    "cached_input_tokens": "SUM(COALESCE(cached_input_tokens, 0))",
    "output_tokens": "SUM(COALESCE(output_tokens, 0))",
    "tool_calls": "SUM(COALESCE(tool_calls, 0))",
}


def _sum_up(workspace: Workspace) -> None:
    """Both rollups and the windows, from the events alone."""
    if connection.vendor == "postgresql":
        quarter = "date_bin('15 minutes', occurred_at, TIMESTAMPTZ '2000-01-01 00:00Z')"
        day = "(occurred_at AT TIME ZONE 'UTC')::date"
    else:
        minutes = "printf('%02d', CAST(strftime('%M', occurred_at) AS integer) / 15 * 15)"
        quarter = f"strftime('%Y-%m-%d %H:', occurred_at) || {minutes} || ':00'"
        day = "date(occurred_at)"
    key = ("workspace_id", "unit_id")
    with transaction.atomic():
        _sum(workspace, "clients_usagequarter", {"start": quarter}, _SHARED, key)
        _sum(workspace, "clients_usageday", {"day": day}, _OF_DAY, (*key, "label", "model"))
        with connection.cursor() as cursor:
            total = (
                "(SELECT SUM({}) FROM clients_usagequarter AS q WHERE "
                "q.workspace_id = clients_usagewindow.workspace_id "
                "AND q.unit_id = clients_usagewindow.unit_id "
                'AND q.start >= clients_usagewindow.start AND q.start < clients_usagewindow."end")'
            )
            cursor.execute(
                f"UPDATE clients_usagewindow SET used = COALESCE({total.format('q.quantity')}, 0), "
                f"events = COALESCE({total.format('q.events')}, 0), available_until = NULL, "
                f"watched = NULL WHERE workspace_id = {int(workspace.pk)}"
            )


def _sum(
    workspace: Workspace,
    table: str,
    at: dict[str, str],
    sums: dict[str, str],
    key: tuple[str, ...],
) -> None:
    columns = {**{name: name for name in key}, **at, **sums}
    groups = ", ".join((*key, *at.values()))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE workspace_id = {int(workspace.pk)}")
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
            f"FROM {EVENTS} WHERE workspace_id = {int(workspace.pk)} "
            f"AND standing = 'counted' GROUP BY {groups}"
        )
