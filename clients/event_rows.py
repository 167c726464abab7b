"""Measured events as rows: the columns as stored, with their seal.

The inner loop of recording, so amounts stay scaled integers, and the row and the seal are made of
the same spellings. `tests/clients/plain_recording.py` says the same the long way round.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec

from clients import costing, metering
from clients.seal import digest, spelt_amount, spelt_properties, spelt_time
from clients.services.measuring import MeasuredEvent
from clients.submission import TokenUsage, properties_text

_NO_USAGE: Final = TokenUsage()

COLUMNS: Final = {
    "unit_id": "bigint",
    "meter_id": "bigint",
    "source": "text",
    "external_id": "text",
    "body_hash": "text",
    "occurred_at": "timestamptz",
    "quantity": "bigint",
    "subject": "text",
    "label": "text",
    "run_id": "text",
    "provider": "text",
    "model": "text",
    "input_tokens": "bigint",
    "cached_input_tokens": "bigint",
    "output_tokens": "bigint",
    "reasoning_tokens": "bigint",
    "tool_calls": "bigint",
    "attempts": "integer",
    "status": "text",
    "properties": "jsonb",
    "cost": "bigint",
    "cost_currency": "text",
    "cost_payer": "text",
    "cost_flag": "text",
    "price_source": "text",
    "exchange_rate": "bigint",
    "client_cost": "bigint",
    "seal": "text",
    "standing": "text",
}
"""The columns of a row, in its order, and how PostgreSQL reads them."""

SHARED: Final = frozenset(
    {
        "unit_id",
        "meter_id",
        "source",
        "provider",
        "reasoning_tokens",
        "tool_calls",
        "attempts",
        "status",
        "cost_currency",
        "cost_payer",
        "cost_flag",
        "price_source",
        "exchange_rate",
        "standing",
    }
)
"""Columns in which the events of a batch usually agree."""


_encode: Final = msgspec.json.Encoder().encode


def _spelt_utc(at: dt.datetime) -> str:
    """`seal.spelt_time` of an instant that is in UTC, in less than half the time."""
    text = _encode(at)[1:-2].decode()  # between a quote, and "Z" with a quote
    return f"{text}+00:00" if len(text) > _TO_SECONDS else f"{text}.000000+00:00"


_TO_SECONDS: Final = len("2026-01-31T09:00:00")


class RowMaker:
    """Makes the rows of one batch of a workspace, recorded at ``now``."""

    def __init__(self, workspace_id: int, now: dt.datetime, *, naive: bool) -> None:
        """``naive``: times are written without their zone, which is UTC, as SQLite has them."""
        self._workspace_id = workspace_id
        self._recorded_at = spelt_time(now)
        self._naive = naive
        self._amounts: dict[tuple[int | None, int], str | None] = {}

    def row(self, event: MeasuredEvent, standing: str) -> tuple[Any, ...]:
        """In the order of `COLUMNS`; `properties` is JSON text, amounts are scaled integers."""
        said, usage = event.submitted, event.submitted.usage or _NO_USAGE
        cost, currency, price_source, flag, rate, client_cost = event.cost
        at, properties = _spelt_utc(event.occurred_at), said.properties
        # What the row and the seal have in common, and in the same order.
        what = (event.unit_id, event.meter_id, *event.key, event.body_hash)
        whence = (
            said.subject or "",
            said.label or "",
            said.run_id or "",
            said.provider or "",
            said.model or "",
            usage.input_tokens,
            usage.cached_input_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
            usage.tool_calls,
            said.attempts or 1,
            said.status or "ok",
        )
        priced = (currency, event.cost_payer, flag, price_source)
        seal = digest(  # in the order of `seal.SEALED`, which a test holds this to
            (
                self._workspace_id,
                *what,
                at,
                self._recorded_at,
                self._spelt(event.quantity, metering.PLACES),
                *whence,
                spelt_properties(properties) if properties else (),
                spelt := spelt_amount(cost, costing.PLACES),
                *priced,
                self._spelt(rate, costing.PLACES),
                spelt if client_cost == cost else spelt_amount(client_cost, costing.PLACES),
            )
        )
        return (
            *what,
            self._stored_time(at),
            event.quantity,
            *whence,
            properties_text(properties).decode() if properties else "{}",
            cost,
            *priced,
            rate,
            client_cost,
            seal,
            standing,
        )

    def _spelt(self, units: int | None, places: int) -> str | None:
        """An amount that many events of a batch share."""
        key = (units, places)
        if key not in self._amounts:
            self._amounts[key] = spelt_amount(units, places)
        return self._amounts[key]

    def _stored_time(self, at: str) -> str:
        """As the database reads it; on SQLite as Django writes it, naive and without zeros."""
        if not self._naive:
            return at
        return f"{at[:10]} {at[11:19]}" + ("" if at[19:26] == ".000000" else at[19:26])
