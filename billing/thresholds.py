"""Which thresholds usage has reached, and which rule watches a unit (ENGINE 10). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

DEFAULT_PERCENTS: Final = (80, 100)
HIGHEST: Final = 1000


@dataclass(frozen=True, slots=True)
class Rule:
    """Percents to watch. ``None`` in its scope: whatever it is."""

    id: int
    percents: tuple[int, ...]
    client_id: int | None = None
    workspace_id: int | None = None
    unit_id: int | None = None


def crossed(percents: Iterable[int], *, used: Decimal, entitled: Decimal) -> list[int]:
    """The percents of ``entitled`` that ``used`` has reached, ascending.

    Where nothing is included, any usage has reached all of them, and none has reached none.
    """
    if used <= 0:
        return []
    return sorted({percent for percent in percents if used * 100 >= entitled * percent})


def rule_for(
    rules: Iterable[Rule], *, client_id: int, workspace_id: int, unit_id: int
) -> Rule | None:
    """The most specific rule: by workspace, then client, then any; of these, one for the unit
    first; of equals, the latest."""
    fitting = [
        rule
        for rule in rules
        if rule.client_id in (None, client_id)
        and rule.workspace_id in (None, workspace_id)
        and rule.unit_id in (None, unit_id)
    ]
    return max(fitting, key=_specificity, default=None)


def _specificity(rule: Rule) -> tuple[bool, bool, bool, int]:
    return (
        rule.workspace_id is not None,
        rule.client_id is not None,
        rule.unit_id is not None,
        rule.id,
    )


def wrong_with(percents: Sequence[object]) -> str | None:
    """What is wrong with a rule's percents, in words; None: nothing."""
    whole = [percent for percent in percents if type(percent) is int]
    if len(whole) != len(percents) or any(not 1 <= percent <= HIGHEST for percent in whole):
        return f"Whole percents from 1 to {HIGHEST}, such as 80 and 100."
    if whole != sorted(set(whole)):
        return "Each percent once, the lowest first."
    return None
