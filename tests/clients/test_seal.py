"""The seal of an event: the same for what is the same, another for any change."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clients.models import UsageEvent, UsageUnit, Workspace
from clients.seal import SEALED, seal_of
from clients.services.recording import record_events
from clients.submission import read_event

AT = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
EVENT: dict[str, Any] = dict.fromkeys(SEALED) | {
    "workspace_id": 1,
    "external_id": "a",
    "source": "",
    "occurred_at": AT,
    "quantity": Decimal("1.5"),
    "properties": {"pages": 3, "deep": {"list": [1, "x", None, True]}},
    "cost": Decimal("0.001202"),
}


def seal(**changes: Any) -> str:
    return seal_of(EVENT | changes)


def test_a_seal_is_128_bits_in_hex() -> None:
    assert len(bytes.fromhex(seal())) == 16


@pytest.mark.parametrize(
    "spelling",
    [
        {"quantity": Decimal("1.500000")},
        {"occurred_at": AT.astimezone(ZoneInfo("America/New_York"))},
        {"properties": {"deep": {"list": [Decimal("1.0"), "x", None, True]}, "pages": 3.0}},
    ],
)
def test_what_a_database_may_spell_otherwise_is_the_same(spelling: dict[str, Any]) -> None:
    assert seal(**spelling) == seal()


@pytest.mark.parametrize(
    "change",
    [
        {"workspace_id": 2},
        {"external_id": "b"},
        {"source": "a", "external_id": ""},
        {"occurred_at": AT + dt.timedelta(microseconds=1)},
        {"quantity": Decimal("1.500001")},
        {"cost": None},
        {"cost": Decimal("0.001203")},
        {"cost": None, "exchange_rate": Decimal("0.001202")},
        {"properties": {}},
        {"properties": {"pages": "3", "deep": {"list": [1, "x", None, True]}}},
        {"properties": {"pages": 3, "deep": {"list": [1, "x", None, 1]}}},
        {"properties": {"pages": 3, "deep": {"list": ["x", 1, None, True]}}},
        {"properties": {"pages": 3, "deep": {"list": 1}}},
    ],
)
def test_any_change_is_another_seal(change: dict[str, Any]) -> None:
    assert seal(**change) != seal()


def test_an_event_without_a_column_cannot_be_sealed() -> None:
    with pytest.raises(KeyError, match="client_cost"):
        seal_of({name: value for name, value in EVENT.items() if name != "client_cost"})


@pytest.mark.parametrize(
    "properties",
    [
        b'{"n": 1.10, "m": 1e3, "zero": -0.0, "big": 12345678901234567890, "tiny": 1e-12}',
        b'{"huge": 1e25, "long": 0.1234567890123456789, "t": true, "none": null, "": ""}',
        '{"ü": "é😀", "b": {"y": [], "x": {}}, "a": [[1.50, {"k": "v"}]]}'.encode(),
    ],
)
def test_a_stored_event_keeps_its_seal(
    acme_support: Workspace, conversation: UsageUnit, now: dt.datetime, properties: bytes
) -> None:
    """PostgreSQL and SQLite spell JSON, numbers and times in their own ways."""
    event = read_event(
        b'{"id": "a", "unit": "conversation", "quantity": "2.50", '
        b'"time": "2026-03-10T07:59:59.123456-04:00", "properties": ' + properties + b"}"
    )
    record_events(workspace=acme_support, events=[event], now=now)

    stored = UsageEvent.objects.get()

    assert stored.seal == seal_of({name: getattr(stored, name) for name in SEALED})
