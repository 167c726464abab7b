"""Statements that take their rows as one JSON parameter, so that their text does not grow with the
batch: ``json_to_recordset`` on PostgreSQL, ``json_each`` on SQLite. Numbers are scaled integers, as
stored."""
# ruff: noqa: S608  (column names are the callers' constants, never data)

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.db import connection

from agencyportal.core.prepared import cursor_with_parameters_beside


def rows(columns: Mapping[str, str]) -> str:
    """A FROM item ``d`` with these columns, read from one JSON parameter."""
    if connection.vendor == "postgresql":
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        return f"json_to_recordset(%s::json) AS d({typed})"
    read = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
    return f"(SELECT {read} FROM json_each(%s)) AS d"


def cast(kind: str) -> str:
    """A parameter of a type."""
    return f"%s::{kind}" if connection.vendor == "postgresql" else "%s"


def instant(value: dt.datetime) -> str:
    """An aware instant as the database reads it; on SQLite as Django writes it, naive UTC."""
    text = str(value.astimezone(dt.UTC))
    return text if connection.vendor == "postgresql" else text.removesuffix("+00:00")


def execute(
    sql: str,
    before: Sequence[Any],
    rows: Sequence[dict[str, Any]],
    after: Sequence[Any] = (),
    *,
    fetch: bool = True,
) -> list[tuple[Any, ...]]:
    """Run a statement with its rows between other parameters; what it returns, if it does."""
    parameters = [*before, msgspec.json.encode(rows).decode(), *after]
    with cursor_with_parameters_beside() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if fetch else []
