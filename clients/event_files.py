"""Files of events: JSON lines, or CSV with the event's fields as columns. Pure: no database.

A CSV has a header. Its columns are the fields of an event (`id`, `unit`, ...); token counts are
`usage.input_tokens` or just `input_tokens`, properties are `properties.NAME`. An empty cell is a
field that is not given. Lines are numbered from 1, as editors do.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from clients.submission import (
    EVENT_FIELDS,
    USAGE_FIELDS,
    MalformedError,
    Problem,
    SubmittedEvent,
    event_from,
    read_event,
)

Kind = Literal["jsonl", "csv"]
KINDS: Final[tuple[Kind, ...]] = ("jsonl", "csv")

_BOM: Final = b"\xef\xbb\xbf"
_NESTED: Final = ("usage", "properties")
_BARE_NUMBER: Final = re.compile(r"[-+0-9.eE]+")


@dataclass(frozen=True, slots=True)
class Line:
    """What a line holds: an event, or what is wrong with it."""

    number: int
    event: SubmittedEvent | None = None
    problem: Problem | None = None


class HeaderError(ValueError):
    """A CSV whose columns cannot be read, so that none of its lines can."""


def kind_of(name: str, beginning: bytes) -> Kind:
    """JSON lines or CSV: by the file's name, else by how it begins."""
    if name.lower().endswith((".jsonl", ".ndjson", ".json")):
        return "jsonl"
    if name.lower().endswith(".csv"):
        return "csv"
    return "jsonl" if beginning.removeprefix(_BOM).lstrip().startswith(b"{") else "csv"


def read_lines(raw_lines: Iterable[bytes], kind: Kind) -> Iterator[Line]:
    """The events of a file, in order; empty lines are passed over. Raises HeaderError."""
    return _json_lines(raw_lines) if kind == "jsonl" else _csv_lines(raw_lines)


def _json_lines(raw_lines: Iterable[bytes]) -> Iterator[Line]:
    for number, raw in enumerate(raw_lines, 1):
        text = (raw.removeprefix(_BOM) if number == 1 else raw).strip()
        if not text:
            continue
        try:
            yield Line(number, event=read_event(text))
        except MalformedError as error:
            yield Line(number, problem=error.problem)


def _csv_lines(raw_lines: Iterable[bytes]) -> Iterator[Line]:
    rows = csv.reader(_text(raw_lines), strict=True)
    try:
        header = next(rows, [])
    except csv.Error as error:
        raise HeaderError(f"Not readable as CSV: {error}.") from None
    columns = _columns(header)
    while True:
        number = rows.line_num + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield Line(number, problem=(None, f"Not readable as CSV: {error}."))
            continue
        if cells is None:
            return
        if cells:
            yield _csv_line(number, columns, cells)


def _text(raw_lines: Iterable[bytes]) -> Iterator[str]:
    # What is not UTF-8 becomes half a surrogate pair, and is refused where it stands.
    for index, raw in enumerate(raw_lines):
        line = raw.removeprefix(_BOM) if index == 0 else raw
        yield line.decode("utf-8", "surrogateescape")


def _columns(header: Sequence[str]) -> list[tuple[str, ...]]:
    """The path in an event of each column."""
    columns = [_path(name.strip()) for name in header]
    for required in ("id", "unit"):
        if (required,) not in columns:
            raise HeaderError(f"The first line names the columns; “{required}” is not among them.")
    for path in columns:
        if columns.count(path) > 1:
            raise HeaderError(f"The column “{'.'.join(path)}” comes twice.")
    return columns


def _path(name: str) -> tuple[str, ...]:
    if name in USAGE_FIELDS:
        return ("usage", name)
    outer, dot, inner = name.partition(".")
    if outer == "usage" and inner in USAGE_FIELDS:
        return (outer, inner)
    if outer == "properties" and inner:
        return (outer, inner)
    if not dot and name in EVENT_FIELDS and name not in _NESTED:
        return (name,)
    plain = [field for field in EVENT_FIELDS if field not in _NESTED]
    known = ", ".join([*plain, *USAGE_FIELDS, "properties.NAME"])
    raise HeaderError(f"Unknown column {name!a}; known are {known}.")


def _csv_line(number: int, columns: Sequence[tuple[str, ...]], cells: Sequence[str]) -> Line:
    if len(cells) != len(columns):
        return Line(number, problem=(None, f"{len(cells)} cells for {len(columns)} columns."))
    values: dict[str, Any] = {}
    for path, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        if len(path) == 1:
            values[path[0]] = cell
        else:
            values.setdefault(path[0], {})[path[1]] = cell
    if _BARE_NUMBER.fullmatch(values.get("time", "")):
        return Line(number, problem=("time", "A time such as 2026-01-31T09:00:00Z."))
    try:
        return Line(number, event=event_from(values, from_text=True))
    except MalformedError as error:
        return Line(number, problem=error.problem)
