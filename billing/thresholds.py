"""Kinds of alerts, when their levels are reached, and which rule watches what (ENGINE 10). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from agencyportal.core.money import exact_arithmetic, plain

ZERO: Final = Decimal(0)


class Kind(StrEnum):
    """What a rule watches. Its levels are:"""

    PERCENT = "percent"
    """Percents of what the period entitles to: credits of every kind."""
    UNITS = "units"
    """Units used in the period, included ones with them."""
    MONEY = "money"
    """Net amounts, in the client's currency, of overage and top-ups of the period."""
    FORECAST = "forecast"
    """Days before the period's end at which the units run out, at the pace so far."""
    SPIKE = "spike"
    """Percents of what is usual that the last 24 hours came to (`spikes`)."""
    OVERAGE = "overage"
    """Closed periods in a row, up to the last one, with usage beyond the package."""
    MARGIN = "margin"
    """Points of percent by which the margin is below its floor; 0 is anything below it."""


AGENCY_ONLY: Final = frozenset({Kind.MARGIN})
"""What a client is never told of, whatever a rule says."""

OF_WORKSPACE: Final = frozenset({Kind.MONEY})
"""What is watched of a workspace as a whole, unless a rule names a unit."""

SHARES: Final = frozenset({Kind.PERCENT, Kind.SPIKE})
"""Kinds whose levels are percents of something that is measured, too."""

DEFAULT_PERCENTS: Final = (Decimal(80), Decimal(100))
MOST_LEVELS: Final = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Which levels a kind can have, and how that is said."""

    lowest: Decimal
    highest: Decimal
    places: int
    words: str


LIMITS: Final[Mapping[Kind, Limits]] = {
    Kind.PERCENT: Limits(
        Decimal(1), Decimal(1000), 0, "Whole percents from 1 to 1000, such as 80 and 100."
    ),
    Kind.UNITS: Limits(
        Decimal("0.000001"), Decimal(10**9), 6, "Quantities of the unit, such as 5000 and 8000."
    ),
    Kind.MONEY: Limits(
        Decimal("0.01"), Decimal(10**9), 4, "Amounts in the client's currency, such as 250 and 500."
    ),
    Kind.FORECAST: Limits(
        Decimal(0), Decimal(365), 0, "Whole days before the period's end, from 0 to 365."
    ),
    Kind.SPIKE: Limits(
        Decimal(101), Decimal(100_000), 0, "Whole percents of what is usual, above 100."
    ),
    Kind.OVERAGE: Limits(Decimal(1), Decimal(24), 0, "Whole numbers of periods, from 1 to 24."),
    Kind.MARGIN: Limits(Decimal(0), Decimal(100), 2, "Points below the floor, from 0 to 100."),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Levels to watch. ``None`` in its scope: whatever it is.

    ``is_clients``: a client's own rule. It tells the client alone, and where one fits, rules of
    the agency leave telling the client to it.
    """

    id: int
    kind: Kind
    levels: tuple[Decimal, ...]
    client_id: int | None = None
    workspace_id: int | None = None
    unit_id: int | None = None
    is_clients: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a kind came to. ``against``: what its levels are percents of, for `SHARES`; for the
    others it is there to be told. ``details``: what else there is to tell, as plain values."""

    kind: Kind
    measured: Decimal
    against: Decimal | None = None
    details: Mapping[str, str] = field(default_factory=dict)


def crossed(levels: Iterable[Decimal], reading: Reading) -> list[Decimal]:
    """The levels that a reading has reached, ascending.

    Where there is nothing to take a share of, anything has reached every level; what is nothing
    has reached none. A margin is below its floor or it is not; reaching the floor is enough for
    it, so that a measure of 0 has reached nothing.
    """
    if reading.measured <= 0 and reading.kind is not Kind.FORECAST:
        return []
    if reading.kind not in SHARES:
        return sorted({level for level in levels if reading.measured >= level})
    whole = reading.against or ZERO
    with exact_arithmetic():
        return sorted({level for level in levels if reading.measured * 100 >= whole * level})


def rule_for(
    rules: Iterable[Rule],
    *,
    kind: Kind = Kind.PERCENT,
    client_id: int,
    workspace_id: int,
    unit_id: int | None,
    is_clients: bool = False,
) -> Rule | None:
    """The most specific rule of a kind: by workspace, then client, then any; of these, one for
    the unit first; of equals, the latest. ``unit_id`` None: of a workspace as a whole."""
    units = {None, unit_id}
    if kind in OF_WORKSPACE:
        units = {unit_id}  # a rule for one unit watches that, beside what watches all of them
    fitting = [
        rule
        for rule in rules
        if rule.kind is kind
        and rule.is_clients is is_clients
        and rule.client_id in (None, client_id)
        and rule.workspace_id in (None, workspace_id)
        and rule.unit_id in units
    ]
    return max(fitting, key=_specificity, default=None)


@dataclass(frozen=True, slots=True)
class Watch:
    """A rule at work on one thing, and whom it tells there."""

    rule: Rule
    tells_client: bool
    tells_agency: bool


def watches(
    rules: Sequence[Rule],
    *,
    kind: Kind,
    client_id: int,
    workspace_id: int,
    unit_id: int | None,
    tells: Mapping[int, tuple[bool, bool]],
) -> list[Watch]:
    """Who watches one thing: the agency's rule, and the client's own, which alone tells the client
    where there is one. ``tells``: whether a rule (by id) tells the client, and the agency.

    A rule of the agency that has nobody left to tell because of that is not at work.
    """
    ours, own = (
        rule_for(
            rules,
            kind=kind,
            client_id=client_id,
            workspace_id=workspace_id,
            unit_id=unit_id,
            is_clients=is_clients,
        )
        for is_clients in (False, True)
    )
    found = []
    if ours is not None:
        client, agency = tells[ours.id]
        client = client and kind not in AGENCY_ONLY
        if own is None or agency or not client:
            found.append(Watch(ours, client and own is None, agency))
    if own is not None and kind not in AGENCY_ONLY:
        found.append(Watch(own, tells_client=True, tells_agency=False))
    return found


def _specificity(rule: Rule) -> tuple[bool, bool, bool, int]:
    return (
        rule.workspace_id is not None,
        rule.client_id is not None,
        rule.unit_id is not None,
        rule.id,
    )


def read_levels(kind: Kind, given: Sequence[object]) -> list[Decimal]:
    """Levels from numbers or text. Raises ValueError, in words, for what are none of the kind:
    wrong numbers, one twice, or not the lowest first."""
    limits = LIMITS[kind]
    if len(given) > MOST_LEVELS:
        raise ValueError(f"At most {MOST_LEVELS} of them.")
    levels = [_number(level) for level in given]
    for level in levels:
        if level is None or not limits.lowest <= level <= limits.highest:
            raise ValueError(limits.words)
        if level != round(level, limits.places):
            raise ValueError(limits.words)
    read = [level for level in levels if level is not None]
    if read != sorted(set(read)):
        raise ValueError("Each of them once, the lowest first.")
    return read


def as_text(levels: Iterable[Decimal]) -> list[str]:
    """Levels as they are stored: plain decimals."""
    return [plain(level) for level in levels]


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
