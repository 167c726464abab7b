"""Changes of plan and pauses in a scenario: how they are written, and the stretches that they make
of its time.

A stretch is on one plan and has its own boundaries. Where one ends and the next begins follows the
services of real subscriptions (`plan_changes`, `pauses`). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Literal, get_args

from agencyportal.core.periods import (
    Period,
    local_date,
    local_day_start,
    period_at,
    quarter_ceil,
    quarter_floor,
    resolve_anchor,
)

from .plan_documents import PlanDocument, items_of, read_plan
from .strict_json import DocumentError, Node

When = Literal["now", "period_end"]
WHEN: Final[tuple[When, ...]] = get_args(When)
EndsBy = Literal["end", "change", "pause"]


@dataclass(frozen=True, slots=True)
class ChangeDocument:
    """Another plan takes over, on the day of ``at`` or with the period after it. ``path`` says
    where it is written."""

    plan: PlanDocument
    at: datetime
    when: When = "now"
    path: str = "changes"


@dataclass(frozen=True, slots=True)
class PauseDocument:
    """Nothing is charged or included between ``start`` and ``end``; None: it stays so."""

    start: datetime
    end: datetime | None
    path: str = "pauses"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a scenario's time on one plan. ``planned_end``: where it was to end before
    something else was decided; ``trial_until``: of the first one, its trial."""

    plan: PlanDocument
    timezone: str
    start: datetime
    end: datetime | None
    planned_end: datetime | None
    anchor: date
    ends_by: EndsBy = "end"
    asks_once: bool = True
    trial_until: datetime | None = None

    @property
    def charged_from(self) -> datetime:
        """Where it begins to be paid for."""
        return self.trial_until or self.start

    def holds(self, instant: datetime) -> bool:
        return self.start <= instant and (self.end is None or instant < self.end)

    def planned(self, period: Period) -> Period:
        """A period as it was asked for when it began."""
        if period.end != self.end or self.ends_by != "change":
            return period
        ends = [end for end in (period.full_end, self.planned_end) if end is not None]
        return replace(period, end=min(ends))

    def is_cut(self, period: Period) -> bool:
        """Whether another plan takes over before the period's boundary."""
        return self.planned(period) != period


# --- Reading -----------------------------------------------------------------------------------


def read_changes(fields: dict[str, Node], plan: PlanDocument) -> tuple[ChangeDocument, ...]:
    """``changes`` of a scenario: in its plan's currency and zone."""
    return tuple(_read_change(item, plan) for item in items_of(fields, "changes"))


def _read_change(node: Node, plan: PlanDocument) -> ChangeDocument:
    fields = node.fields(required=("at", "plan"), optional=("when",))
    other = read_plan(fields["plan"])
    if other.currency != plan.currency:
        raise fields["plan"].error(f"is in {other.currency}; a scenario is in one currency")
    if other.timezone not in (None, plan.timezone):
        raise fields["plan"].error(f"must be in the scenario's time zone, {plan.timezone}")
    when = fields["when"].choice(WHEN) if "when" in fields else "now"
    other = replace(other, timezone=plan.timezone)
    return ChangeDocument(other, fields["at"].instant(), when, node.path)


def read_pauses(fields: dict[str, Node]) -> tuple[PauseDocument, ...]:
    """``pauses`` of a scenario; without ``to``, it never goes on."""
    return tuple(_read_pause(item) for item in items_of(fields, "pauses"))


def _read_pause(node: Node) -> PauseDocument:
    fields = node.fields(required=("from",), optional=("to",))
    until = fields.get("to")
    end = None if until is None or until.is_null else until.instant()
    start = fields["from"].instant()
    if end is not None and quarter_floor(end) <= quarter_ceil(start):
        raise fields["to"].error("must be after the pause begins")
    return PauseDocument(start, end, node.path)


# --- Stretches ---------------------------------------------------------------------------------


def stretches(
    plan: PlanDocument,
    *,
    start: datetime,
    end: datetime | None,
    trial_until: datetime | None,
    changes: Sequence[ChangeDocument] = (),
    pauses: Sequence[PauseDocument] = (),
) -> tuple[Stretch, ...]:
    """The stretches that changes and pauses make of a scenario, in order.

    Raises DocumentError for those that no subscription could have: outside of it, in a trial or a
    pause, under fees for longer than a period, or before one that was planned took effect.
    """
    if plan.timezone is None:
        raise ValueError("the plan of a scenario needs a time zone")
    first = quarter_floor(start)
    last = None if end is None else quarter_ceil(end)
    charged_from = trial_until or first
    current: Stretch | None = Stretch(
        plan=plan,
        timezone=plan.timezone,
        start=first,
        end=last,
        planned_end=last,
        anchor=resolve_anchor(charged_from, plan.interval, plan.anchor, plan.timezone),
        trial_until=trial_until,
    )
    done: list[Stretch] = []
    steps: list[ChangeDocument | PauseDocument] = [*changes, *pauses]
    for step in sorted(steps, key=begins):
        if current is None or not current.holds(begins(step)):
            raise DocumentError(step.path, "nothing runs then that could be changed")
        _refuse_unclear(current, step)
        if isinstance(step, ChangeDocument):
            left, current = _changed(current, step)
        else:
            left, current = _paused(current, step)
        done += [left] if left.end is None or left.start < left.end else []
    return (*done, current) if current is not None else tuple(done)


def begins(step: ChangeDocument | PauseDocument) -> datetime:
    """When it is decided, and known."""
    return step.at if isinstance(step, ChangeDocument) else step.start


def _refuse_unclear(current: Stretch, step: ChangeDocument | PauseDocument) -> None:
    plans = [current.plan, *([step.plan] if isinstance(step, ChangeDocument) else [])]
    if any(plan.fee_interval is not None for plan in plans):
        raise DocumentError(step.path, "fees for longer than a period cannot be told apart here")
    if begins(step) < current.charged_from:
        raise DocumentError(step.path, "must come after the trial")


def _changed(current: Stretch, change: ChangeDocument) -> tuple[Stretch, Stretch]:
    plan = current.plan
    running = period_at(
        change.at,
        current.charged_from,
        plan.period_interval,
        current.anchor,
        current.timezone,
        current.end,
    )
    if running is None:
        raise DocumentError(change.path, "nothing runs then that could be changed")
    day = local_day_start(local_date(change.at, current.timezone), current.timezone)
    at = running.end if change.when == "period_end" else max(running.start, day)
    if at == current.end:
        raise DocumentError(change.path, "nothing follows the period then")
    if at == current.charged_from and current.asks_once:
        raise DocumentError(change.path, "on its first day a scenario starts with the other plan")
    intervals = (change.plan.interval, change.plan.allowance_interval)
    stays = intervals == (plan.interval, plan.allowance_interval)
    after = replace(
        current,
        plan=change.plan,
        start=at,
        anchor=current.anchor
        if stays
        else resolve_anchor(at, change.plan.interval, change.plan.anchor, current.timezone),
        asks_once=False,
        trial_until=None,
    )
    return replace(current, end=at, ends_by="change"), after


def _paused(current: Stretch, pause: PauseDocument) -> tuple[Stretch, Stretch | None]:
    ends = quarter_ceil(pause.start)
    if ends <= current.charged_from or (current.end is not None and ends >= current.end):
        raise DocumentError(pause.path, "must begin while the subscription runs")
    left = replace(current, end=ends, ends_by="pause")
    if pause.end is None:
        return left, None
    starts = quarter_floor(pause.end)
    if current.end is not None and starts >= current.end:
        return left, None
    return left, replace(current, start=starts, asks_once=False, trial_until=None)
