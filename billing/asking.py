"""Asking the client before usage past the last credit goes on (ENGINE 9). Pure.

Up to a stated quantity of a period's overage is let in and billed while nobody has answered. The
answer decides about usage from then on; what was let in before it stays billed. Times lie on the
grain: the quarter hour in which somebody answers counts whole, as what was let in within it could
be told from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, Protocol

from agencyportal.core.periods import quarter_ceil, quarter_floor

from .durations import Duration

ZERO: Final = Decimal(0)
QUARTER: Final = timedelta(minutes=15)

Verdict = Literal["approved", "refused", "timed_out"]


@dataclass(frozen=True, slots=True)
class AskFirst:
    """What an `ask` policy states: the ``up_to`` units of overage that are let in meanwhile, and
    how long there is to answer, as an ISO 8601 duration (a scenario document's `answer_within`)."""

    up_to: Decimal
    within: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: nobody's answer counts from ``answer_by`` on. ``verdict`` None: not answered,
    which is the same as timed out at ``answer_by``."""

    answer_by: datetime
    verdict: Verdict | None = None
    answered_at: datetime | None = None

    def verdict_at(self, now: datetime) -> Verdict | None:
        """How it stands; None while it is open."""
        if self.verdict is None and now >= self.answer_by:
            return "timed_out"
        return self.verdict

    @property
    def turns_at(self) -> datetime:
        """From which quarter hour on the answer decides: an approval from its own, so that all
        that it lets in is billed; a refusal from the next, so that what was let in is."""
        if self.verdict is None or self.verdict == "timed_out" or self.answered_at is None:
            return self.answer_by
        if self.verdict == "approved":
            return quarter_floor(self.answered_at)
        return quarter_floor(self.answered_at) + QUARTER


def cut(edges: Sequence[datetime], asked: Asked | None) -> list[datetime]:
    """The edges of stretches of a period, with the instant from which an answer decides."""
    if asked is None or not edges[0] < asked.turns_at < edges[-1]:
        return list(edges)
    return sorted({*edges, asked.turns_at})


def answer_by(asked_at: datetime, within: str, period_end: datetime, timezone: str) -> datetime:
    """Until when a question can be answered: counted from the end of the quarter hour in which it
    was asked, and never past the period that it is about."""
    deadline = Duration.parse(within).after(quarter_floor(asked_at) + QUARTER, timezone)
    return min(quarter_ceil(deadline), period_end)


class Burned(Protocol):
    """A waterfall's result."""

    def overage_by_bucket(self) -> Mapping[datetime, Decimal]: ...


def billed_of(result: Burned, ask: AskFirst | None, asked: Asked | None) -> Decimal | None:
    """`billable` of a waterfall; None where nobody is asked: then the policy is about all of it."""
    return None if ask is None else billable(result.overage_by_bucket(), ask, asked)


def billable(overage: Mapping[datetime, Decimal], ask: AskFirst, asked: Asked | None) -> Decimal:
    """How much of a period's overage is charged; the rest is reported only.

    ``overage``: by quarter hour. Without a question it is what is let in meanwhile, at most.
    """
    if asked is None:
        return min(sum(overage.values(), ZERO), ask.up_to)
    turns_at = asked.turns_at
    before = sum((units for start, units in overage.items() if start < turns_at), ZERO)
    after = sum((units for start, units in overage.items() if start >= turns_at), ZERO)
    return min(before, ask.up_to) + (after if asked.verdict == "approved" else ZERO)


def less_the_latest(
    overage: Mapping[datetime, Decimal], quantity: Decimal
) -> dict[datetime, Decimal]:
    """Overage by quarter hour without ``quantity`` of it that credit covered: the latest first."""
    left = dict(overage)
    for start in sorted(left, reverse=True):
        covered = min(quantity, left[start])
        left[start] -= covered
        quantity -= covered
    return left
