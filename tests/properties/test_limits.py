"""The quick look at an event never lets through what the thorough one refuses."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.limits import MAX_PROPERTIES_BYTES, TEXT_LENGTHS, is_fine, is_plain_body, problems_of
from clients.submission import MAX_AHEAD, SubmittedEvent, TokenUsage, canonical_body
from tests.clients.recorder import NOW

texts = st.one_of(
    st.text(st.characters(), max_size=4),
    st.sampled_from(["", " ", "\0", "\ud800", "\\u0000", "ü", "x" * 60, "x" * 61]),
    st.sampled_from([100, 101, 200, 201, 255, 256]).map(lambda length: "x" * length),
)
counts = st.sampled_from([None, -1, 0, 1, 5, 10**9, 10**9 + 1, 10**12, 10**12 + 1])
amounts = st.one_of(
    st.decimals(),
    st.sampled_from(
        [Decimal(n) for n in ("0", "-0", "1E+9", "1000000000.1", "0.0000001", "2.0000000", "-1")]
    ),
)
times = st.one_of(
    st.sampled_from(
        [NOW, NOW + MAX_AHEAD, NOW + MAX_AHEAD * 2, NOW.replace(tzinfo=None), NOW.replace(1999)]
    ),
    st.datetimes(timezones=st.just(dt.UTC)),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.decimals(), st.floats(), texts),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
)
events = st.builds(
    SubmittedEvent,
    **{name: st.none() | texts for name in TEXT_LENGTHS} | {"id": texts, "unit": texts},
    time=st.none() | times,
    quantity=st.none() | amounts,
    cost=st.none() | amounts,
    cost_currency=st.sampled_from([None, "USD", "usd", "XXX"]),
    attempts=st.sampled_from([None, 0, 1, 10_000, 10_001]),
    usage=st.none() | st.builds(TokenUsage, **dict.fromkeys(TokenUsage.__struct_fields__, counts)),
    properties=st.none() | st.dictionaries(texts, values, max_size=3),
)


def passes_at_a_glance(event: SubmittedEvent) -> bool:
    if not is_fine(event, latest=NOW + MAX_AHEAD):
        return False
    try:
        return is_plain_body(canonical_body(event))
    except ValueError:
        return False


@given(events)
def test_what_passes_at_a_glance_has_no_problems(event: SubmittedEvent) -> None:
    if passes_at_a_glance(event):
        assert problems_of(event, now=NOW) == []


@pytest.mark.parametrize("name", TEXT_LENGTHS)
def test_a_text_passes_up_to_its_column_and_no_further(name: str) -> None:
    def event(length: int) -> SubmittedEvent:
        said: dict[str, Any] = {"id": "a", "unit": "u", name: "x" * length}
        return SubmittedEvent(**said)

    assert passes_at_a_glance(event(TEXT_LENGTHS[name]))
    assert not is_fine(event(TEXT_LENGTHS[name] + 1), latest=NOW)


def test_an_everyday_event_passes_at_a_glance() -> None:
    everyday: dict[str, Any] = {
        "time": NOW,
        "quantity": Decimal("2.5"),
        "cost": Decimal("0.000000001"),
        "cost_currency": "EUR",
        "usage": TokenUsage(input_tokens=9, cached_input_tokens=9, reasoning_tokens=3),
        "properties": {"pages": 3, "score": Decimal("0.87"), "channel": "web", "vip": True},
    }

    assert passes_at_a_glance(SubmittedEvent(id="a", unit="conversation", **everyday))


def test_a_long_body_is_looked_at_closely() -> None:
    event = SubmittedEvent(id="a", unit="u", properties={"text": "x" * MAX_PROPERTIES_BYTES})

    assert is_fine(event, latest=NOW)
    assert not passes_at_a_glance(event)
    assert [field for field, _ in problems_of(event, now=NOW)] == ["properties"]
