"""The seal of a stored event: a hash over everything that its row says, taken when it is recorded.

Sums and prices betray a changed quantity or token count; the seal betrays any change, and names the
row. The standing stays out of it, because billing may move it (append_only.py). Pure: no database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from agencyportal.core.money import plain

DIGEST_BYTES: Final = 16

_encode: Final = msgspec.json.Encoder().encode

SEALED: Final = (
    "workspace_id",
    "unit_id",
    "meter_id",
    "source",
    "external_id",
    "body_hash",
    "occurred_at",
    "recorded_at",
    "quantity",
    "subject",
    "label",
    "run_id",
    "provider",
    "model",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "tool_calls",
    "attempts",
    "status",
    "properties",
    "cost",
    "cost_currency",
    "cost_payer",
    "cost_flag",
    "price_source",
    "exchange_rate",
    "client_cost",
)
"""Columns under the seal: all but the row's own id, its standing and the seal itself."""


def seal_of(values: Mapping[str, Any]) -> str:
    """BLAKE2b-128, in hex, over the values of `SEALED` by column name.

    Amounts are Decimals, times aware. The zone of a time, trailing zeros and how a number inside
    JSON is spelt make no difference: a database may change these.
    """
    return digest([_canonical(values[name]) for name in SEALED])


def digest(parts: Sequence[Any]) -> str:
    """The seal over the values of `SEALED`, in that order, as the functions below spell them;
    texts, whole numbers and null as they are."""
    return hashlib.blake2b(_encode(parts), digest_size=DIGEST_BYTES).hexdigest()


def spelt_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def spelt_amount(units: int | None, places: int) -> str | None:
    """A scaled integer in plain digits, without trailing zeros."""
    if units is None:
        return None
    if units < 0:
        return f"-{spelt_amount(-units, places)}"
    digits = f"{units:0{places + 1}}"
    return f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")


def spelt_properties(value: Mapping[str, Any]) -> list[list[Any]]:
    """What JSON says, whatever the order of its keys: 1, 1.0 and 1e0 are the same number."""
    return [[key, _spelt(value[key])] for key in sorted(value)]


def _canonical(value: Any) -> Any:
    if isinstance(value, datetime):
        return spelt_time(value)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return spelt_properties(value)
    return value


def _spelt(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None:  # nearly all of them
        return value
    if kind is int or kind is Decimal:
        return {"number": repr(float(value) + 0.0)}
    if isinstance(value, Mapping):
        return spelt_properties(value)
    if isinstance(value, list | tuple):
        return [_spelt(item) for item in value]
    return {"number": repr(float(value) + 0.0)}
