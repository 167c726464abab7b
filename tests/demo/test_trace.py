"""A published trace becomes events: read strictly, moved by whole days, named by its hash."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest

from agencyportal.demo.trace import Trace, TraceError, as_events, days_into, read_trace

FILE = b"""TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 19:14:19.9280160,549,173"""

SEPTEMBER = {
    "start": dt.datetime(2026, 9, 1, 4, tzinfo=dt.UTC),
    "end": dt.datetime(2026, 10, 1, 4, tzinfo=dt.UTC),
}


def test_a_file_is_read_with_its_sums_even_without_a_last_line_end() -> None:
    trace = read_trace(FILE)

    assert len(trace.calls) == 3
    assert trace.input_tokens == 8_537
    assert trace.output_tokens == 191
    assert trace.digest == hashlib.sha256(FILE).hexdigest()
    assert trace.first == dt.datetime(2023, 11, 16, 18, 17, 3, 979_960, tzinfo=dt.UTC)
    assert trace.last == dt.datetime(2023, 11, 16, 19, 14, 19, 928_016, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Line 1: expected the header"),
        (b"time,in,out\n", "Line 1: expected the header"),
        (b"TIMESTAMP,ContextTokens,GeneratedTokens\n", "no calls"),
        (b"TIMESTAMP,ContextTokens,GeneratedTokens\nx,1,2\n", "Line 2: TIMESTAMP 'x'"),
        (
            b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,-1,2\n",
            "Line 2: ContextTokens '-1'",
        ),
        (
            b"TIMESTAMP,ContextTokens,GeneratedTokens\n\n2023-11-16 18:17:03,1,1.5\n",
            "Line 3: GeneratedTokens '1.5'",
        ),
        (
            b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1\n",
            "Line 2: expected 3 values, got 2",
        ),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_file_that_is_not_a_trace_is_refused_with_its_line(content: bytes, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        read_trace(content)


def test_it_moves_by_whole_days_to_the_same_weekday_near_the_middle() -> None:
    trace = read_trace(FILE)

    shift = days_into(trace, **SEPTEMBER)

    assert shift == dt.timedelta(days=1036)
    assert (trace.first + shift).strftime("%A %d %B %H:%M") == "Thursday 17 September 18:17"


def test_a_short_period_takes_any_weekday() -> None:
    """From Sunday to Tuesday there is no Thursday."""
    start = dt.datetime(2026, 9, 6, tzinfo=dt.UTC)

    shift = days_into(read_trace(FILE), start=start, end=start + dt.timedelta(days=2))

    assert start <= read_trace(FILE).first + shift < start + dt.timedelta(days=2)


def test_a_trace_longer_than_the_period_is_refused() -> None:
    start = dt.datetime(2026, 9, 6, 18, 30, tzinfo=dt.UTC)

    with pytest.raises(TraceError, match="does not fit"):
        days_into(read_trace(FILE), start=start, end=start + dt.timedelta(hours=12))


def test_events_are_named_by_the_file_and_the_row() -> None:
    trace = read_trace(FILE)
    events = _events(trace)

    assert events[0] == {
        "id": f"{trace.digest[:16]}-1",
        "unit": "completion",
        "time": "2023-11-18T18:17:03.979960+00:00",
        "label": "code-completion",
        "provider": "openai",
        "model": "gpt-4.1",
        "usage": {"input_tokens": 4808, "output_tokens": 10},
    }
    assert [event["id"] for event in events] == [f"{trace.digest[:16]}-{row}" for row in (1, 2, 3)]
    assert _events(read_trace(FILE)) == events
    assert _events(read_trace(FILE + b"\n"))[0]["id"] != events[0]["id"]


def _events(trace: Trace) -> list[dict[str, object]]:
    return list(
        as_events(
            trace,
            shift=dt.timedelta(days=2),
            unit="completion",
            provider="openai",
            model="gpt-4.1",
            label="code-completion",
        )
    )
