"""Statements that take their rows column by column, for batches of many columns: an array of each
on PostgreSQL, which reads these in two thirds of the time that it takes to look up names in JSON;
on SQLite one JSON list of lists. Numbers are scaled integers, as stored."""
# ruff: noqa: S608  (column names are the callers' constants, never data)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from django.db import connection

_encode: Final = msgspec.json.Encoder().encode


def rows(columns: Mapping[str, str]) -> str:
    """A FROM item ``d`` with these columns, read from :func:`parameters`."""
    if connection.vendor == "postgresql":
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        return f"unnest({arrays}) AS d({', '.join(columns)})"
    read = ", ".join(f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(columns))
    return f"(SELECT {read} FROM json_each(%s)) AS d"


def parameters(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """The parameters that :func:`rows` stands for; ``rows`` are of its columns, and some."""
    if connection.vendor == "postgresql":
        return [array_text(column) for column in zip(*rows, strict=True)]
    return [_encode(rows).decode()]


def array_text(values: Sequence[str | int | None]) -> str:
    """An array as PostgreSQL reads it. Texts must be storable: without NUL."""
    # JSON spells it the same, but for what is around it and all escapes except these two.
    body = _encode(values)[1:-1]
    if b"\\" in body and b"\\" in body.replace(b"\\\\", b"").replace(b'\\"', b""):
        return f"{{{','.join(map(_element, values))}}}"
    return f"{{{body.decode()}}}"


def _element(value: str | int | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
