"""Which caps hold at an instant, and how far. Pure.

Of each scope and setter the latest row in force counts; the agency's and the client's own hold
side by side, so the smaller of them is the limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


class Scope(NamedTuple):
    """What a cap is about: whose level (1 workspace, 2 client, 3 agency), what, and in which
    unit (its id) or currency."""

    level: int
    kind: str
    of: int | str


@dataclass(frozen=True, slots=True)
class CapRow:
    """A cap as it was set; ``limit`` None: none from then on. ``id`` grows with each."""

    id: int
    scope: Scope
    set_by: str
    effective_from: datetime
    limit: Decimal | None


@dataclass(frozen=True, slots=True)
class Limit:
    """The cap that holds: the smallest of those set side by side, and who set it."""

    limit: Decimal
    set_by: str


def in_force(rows: Iterable[CapRow], at: datetime) -> dict[Scope, Limit]:
    """What holds at an instant, by scope; scopes without a limit are left out."""
    latest: dict[tuple[Scope, str], CapRow] = {}
    for row in rows:
        key = (row.scope, row.set_by)
        known = latest.get(key)
        if row.effective_from <= at and (known is None or _order(known) < _order(row)):
            latest[key] = row
    limits: dict[Scope, Limit] = {}
    for row in latest.values():
        if row.limit is None:
            continue
        known_limit = limits.get(row.scope)
        if known_limit is None or row.limit < known_limit.limit:
            limits[row.scope] = Limit(row.limit, row.set_by)
    return limits


def _order(row: CapRow) -> tuple[datetime, int]:
    return (row.effective_from, row.id)
