"""Sums of usage over many stretches of time at once, which the ORM cannot say."""
# ruff: noqa: S608  (statements are put together from the constants below, never from data)

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from clients import json_sql

_COLUMNS: Final = {
    "place": "bigint",
    "workspace_id": "bigint",
    "unit_id": "bigint",
    "start": "timestamptz",
    "until": "timestamptz",
}


class Stretch(NamedTuple):
    """Usage of a unit of a workspace in ``[start, end)``."""

    workspace_id: int
    unit_id: int
    start: dt.datetime
    end: dt.datetime


class StretchSum(NamedTuple):
    """What it came to: scaled integers, as stored."""

    quantity: int
    platform_cost: int
    agency_cost: int


def sum_quarters(stretches: Sequence[Stretch]) -> dict[int, StretchSum]:
    """The sums of stretches by their place in the list; those without usage are left out."""
    found = json_sql.execute(
        "SELECT d.place, SUM(q.quantity), SUM(q.platform_cost), SUM(q.agency_cost) "
        f"FROM {json_sql.rows(_COLUMNS)} CROSS JOIN clients_usagequarter AS q "
        "WHERE q.workspace_id = d.workspace_id AND q.unit_id = d.unit_id "
        "AND q.start >= d.start AND q.start < d.until GROUP BY d.place",
        [],
        [
            {
                "place": place,
                "workspace_id": stretch.workspace_id,
                "unit_id": stretch.unit_id,
                "start": json_sql.instant(stretch.start),
                "until": json_sql.instant(stretch.end),
            }
            for place, stretch in enumerate(stretches)
        ],
    )
    return {place: StretchSum(*map(int, sums)) for place, *sums in found}
