"""Measured events as rows: the columns as stored, with their seal.

The inner loop of recording, so amounts stay scaled integers, and the row and the seal are made of
the same spellings. `tests/clients/plain_recording.py` says the same the long way round.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from clients import costing, metering
from clients.seal import digest, spelt_amount, spelt_properties, spelt_time
from clients.services.measuring import MeasuredEvent
from clients.submission import TokenUsage, properties_text

_NO_USAGE: Final = TokenUsage()
_NO_PROPERTIES: Final[Mapping[str, Any]] = {}


class RowMaker:
    """Makes the rows of one batch of a workspace, recorded at ``now``."""

    def __init__(self, workspace_id: int, now: dt.datetime, *, naive: bool) -> None:
        """``naive``: times are written without their zone, which is UTC, as SQLite has them."""
        self._workspace_id = workspace_id
        self._recorded_at = spelt_time(now)
        self._naive = naive
        self._amounts: dict[tuple[int | None, int], str | None] = {}

    def row(self, event: MeasuredEvent, standing: str) -> dict[str, Any]:
        """By column; `properties` is JSON text, amounts are scaled integers."""
        said, usage, cost = event.submitted, event.submitted.usage or _NO_USAGE, event.cost
        at = event.occurred_at.isoformat(timespec="microseconds")
        source, external_id = event.key
        properties = said.properties or _NO_PROPERTIES
        row = {
            "unit_id": event.unit_id,
            "meter_id": event.meter_id,
            "source": source,
            "external_id": external_id,
            "body_hash": event.body_hash,
            "occurred_at": self._stored_time(at),
            "quantity": event.quantity,
            "subject": said.subject or "",
            "label": said.label or "",
            "run_id": said.run_id or "",
            "provider": said.provider or "",
            "model": said.model or "",
            "input_tokens": usage.input_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
            "output_tokens": usage.output_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "tool_calls": usage.tool_calls,
            "attempts": said.attempts or 1,
            "status": said.status or "ok",
            "properties": properties_text(properties).decode() if properties else "{}",
            "cost": cost.amount,
            "cost_currency": cost.currency,
            "cost_payer": event.cost_payer,
            "cost_flag": cost.flag,
            "price_source": cost.source,
            "exchange_rate": cost.exchange_rate,
            "client_cost": cost.client_amount,
        }
        row["seal"] = self._seal(row, at, properties)
        row["standing"] = standing
        return row

    def _seal(self, row: dict[str, Any], at: str, properties: Mapping[str, Any]) -> str:
        # In the order of `seal.SEALED`, which a test holds this to.
        return digest(
            [
                self._workspace_id,
                row["unit_id"],
                row["meter_id"],
                row["source"],
                row["external_id"],
                row["body_hash"],
                at,
                self._recorded_at,
                self._spelt(row["quantity"], metering.PLACES),
                row["subject"],
                row["label"],
                row["run_id"],
                row["provider"],
                row["model"],
                row["input_tokens"],
                row["cached_input_tokens"],
                row["output_tokens"],
                row["reasoning_tokens"],
                row["tool_calls"],
                row["attempts"],
                row["status"],
                spelt_properties(properties) if properties else [],
                spelt_amount(row["cost"], costing.PLACES),
                row["cost_currency"],
                row["cost_payer"],
                row["cost_flag"],
                row["price_source"],
                self._spelt(row["exchange_rate"], costing.PLACES),
                spelt_amount(row["client_cost"], costing.PLACES),
            ]
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
