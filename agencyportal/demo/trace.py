"""A published production trace as usage events of a workspace.

The file has one model call a row: ``TIMESTAMP,ContextTokens,GeneratedTokens``, times in UTC without
a zone, as in the Azure LLM inference traces. Whole days are added to the times, so that the hour of
the day, the weekday and the pace stay as they were. Pure: no Django, no clock, no database.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
WEEK = 7


class TraceError(ValueError):
    """A trace that cannot be replayed; the message names the line."""


@dataclass(frozen=True, slots=True)
class Call:
    """One model call of the trace."""

    row: int
    """Its row in the file, counted from 1 without the header."""
    occurred_at: dt.datetime
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole file. ``digest`` tells it from every other file."""

    digest: str
    calls: Sequence[Call]

    @property
    def input_tokens(self) -> int:
        return sum(call.input_tokens for call in self.calls)

    @property
    def output_tokens(self) -> int:
        return sum(call.output_tokens for call in self.calls)

    @property
    def first(self) -> dt.datetime:
        return min(call.occurred_at for call in self.calls)

    @property
    def last(self) -> dt.datetime:
        return max(call.occurred_at for call in self.calls)


def read_trace(content: bytes) -> Trace:
    """Read a trace file.

    Raises `TraceError` naming the line for a wrong header, a bad value, or an empty file.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TraceError(f"Byte {error.start} is not UTF-8 text.") from error
    reader = csv.reader(io.StringIO(text))
    header = next(reader, None)
    if header is None or tuple(name.strip() for name in header) != COLUMNS:
        raise TraceError(f"Line 1: expected the header {','.join(COLUMNS)}, got {header}.")
    calls = [
        _call(line, row, values) for row, (line, values) in enumerate(_filled(reader), start=1)
    ]
    if not calls:
        raise TraceError("The file has a header, but no calls.")
    return Trace(digest=hashlib.sha256(content).hexdigest(), calls=calls)


def _filled(reader: Any) -> Iterator[tuple[int, list[str]]]:
    for values in reader:
        if values:
            yield reader.line_num, values


def _call(line: int, row: int, values: list[str]) -> Call:
    if len(values) != len(COLUMNS):
        raise TraceError(f"Line {line}: expected {len(COLUMNS)} values, got {len(values)}.")
    moment, context, generated = values
    try:
        # The published files have seven decimals; the seventh is cut off.
        occurred_at = dt.datetime.fromisoformat(moment.strip())
    except ValueError as error:
        raise TraceError(f"Line {line}: TIMESTAMP {moment!r} is not a time.") from error
    if occurred_at.tzinfo is None:
        occurred_at = occurred_at.replace(tzinfo=dt.UTC)
    return Call(
        row=row,
        occurred_at=occurred_at.astimezone(dt.UTC),
        input_tokens=_tokens(line, "ContextTokens", context),
        output_tokens=_tokens(line, "GeneratedTokens", generated),
    )


def _tokens(line: int, column: str, value: str) -> int:
    if not value.strip().isdecimal():
        raise TraceError(f"Line {line}: {column} {value!r} is not a whole number.")
    return int(value)


def days_into(trace: Trace, *, start: dt.datetime, end: dt.datetime) -> dt.timedelta:
    """Whole days to add to the trace's times so that all of them fall into ``[start, end)``.

    Of the shifts that fit, one that keeps the weekday is preferred, and of these the one nearest
    to the middle. Raises `TraceError` when the trace is too long for the period.
    """
    day = dt.timedelta(days=1)
    lowest = -((trace.first - start) // day)
    highest = (end - trace.last) // day
    fitting = [
        days
        for days in range(lowest, highest + 1)
        if trace.first + days * day >= start and trace.last + days * day < end
    ]
    if not fitting:
        raise TraceError(
            f"The trace runs from {trace.first:%Y-%m-%d %H:%M} to {trace.last:%Y-%m-%d %H:%M} UTC "
            f"and does not fit into a period of {(end - start).days} days by whole days."
        )
    middle = (lowest + highest) / 2
    best = min(fitting, key=lambda days: (days % WEEK != 0, abs(days - middle), days))
    return best * day


def as_events(
    trace: Trace, *, shift: dt.timedelta, unit: str, provider: str, model: str, label: str
) -> Iterator[dict[str, Any]]:
    """The trace's calls as event bodies, as a program would send them to the API.

    Ids are made of the file's hash and the row: the same file is the same events.
    """
    for call in trace.calls:
        yield {
            "id": f"{trace.digest[:16]}-{call.row}",
            "unit": unit,
            "time": (call.occurred_at + shift).isoformat(),
            "label": label,
            "provider": provider,
            "model": model,
            "usage": {"input_tokens": call.input_tokens, "output_tokens": call.output_tokens},
        }
