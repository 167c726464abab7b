"""Dunning: which step of its schedule an invoice is due for. Pure.

Days are counted from the due date: -3 is three days before it. One step a day; each happens once.
Steps that were missed are passed over, since nobody wants three reminders in a row, with two
exceptions: the last step before the end is never passed over, however late, and the end comes as
long after it as the schedule says. So nobody is cut off without having been told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

NOTIFY: Final = "notify"
SUSPEND: Final = "suspend"
EARLIEST: Final = -30
LATEST: Final = 180
MOST_STEPS: Final = 12
MOST_CHARGES: Final = 4
"""Card schemes frown on more, and banks answer with declines."""

PATIENCE: Final = 7
"""Days after which a step that was missed is passed over."""

Letter = Literal["", "reminder", "final"]


class DunningError(ValueError):
    """A schedule that makes no sense. ``field`` is the part that the message is about."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Step:
    """What happens on one day. ``letter``: what the client is sent where no card is charged."""

    day: int
    charges: bool = False
    letter: Letter = ""
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a client is reminded and its card charged, and what comes at the end."""

    remind_on: tuple[int, ...] = (-3, 3, 7)
    charge_on: tuple[int, ...] = (0, 3)
    final_on: int | None = 14
    ends_on: int = 21
    policy: str = NOTIFY

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Schedule:
        return cls(
            remind_on=tuple(document["remind_on"]),
            charge_on=tuple(document["charge_on"]),
            final_on=document["final_on"],
            ends_on=document["ends_on"],
            policy=document["policy"],
        )

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "remind_on": list(self.remind_on),
            "charge_on": list(self.charge_on),
            "final_on": self.final_on,
            "ends_on": self.ends_on,
            "policy": self.policy,
        }

    def steps(self) -> list[Step]:
        """Every step, by day."""
        days = {*self.remind_on, *self.charge_on, self.ends_on}
        days |= set() if self.final_on is None else {self.final_on}
        return [self._step(day) for day in sorted(days)]

    def _step(self, day: int) -> Step:
        letter: Letter = "reminder" if day in self.remind_on else ""
        if day == self.final_on:
            letter = "final"
        return Step(day, charges=day in self.charge_on, letter=letter, ends=day == self.ends_on)


DEFAULT: Final = Schedule()


def refuse_unfit(schedule: Schedule) -> None:
    """Raise DunningError for a schedule that makes no sense."""
    _refuse_unfit_days("remind_on", schedule.remind_on)
    _refuse_unfit_days("charge_on", schedule.charge_on)
    if any(day < 0 for day in schedule.charge_on):
        raise DunningError(
            "A card is charged on the due date at the earliest: nothing is due before.",
            field="charge_on",
        )
    if len(schedule.charge_on) > MOST_CHARGES:
        raise DunningError(f"A card is tried {MOST_CHARGES} times at most.", field="charge_on")
    if schedule.policy not in (NOTIFY, SUSPEND):
        raise DunningError("What happens at the end is notify or suspend.", field="policy")
    before = [*schedule.remind_on, *schedule.charge_on]
    if schedule.final_on is not None:
        _refuse_unfit_days("final_on", (schedule.final_on,))
        if schedule.final_on <= max(before, default=0):
            raise DunningError("The last notice comes after everything else.", field="final_on")
        before.append(schedule.final_on)
    if schedule.policy == SUSPEND and schedule.final_on is None:
        raise DunningError("Nobody is suspended without a last notice.", field="final_on")
    if not max([0, *before]) < schedule.ends_on <= LATEST:
        raise DunningError(
            f"The end comes after everything else, at most {LATEST} days after the due date.",
            field="ends_on",
        )
    if len(schedule.steps()) > MOST_STEPS:
        raise DunningError(f"A schedule has {MOST_STEPS} days at most.", field="remind_on")


def _refuse_unfit_days(field: str, days: tuple[int, ...]) -> None:
    if len(set(days)) < len(days):
        raise DunningError("Name each day once.", field=field)
    if any(not EARLIEST <= day <= LATEST for day in days):
        raise DunningError(
            f"Days go from {EARLIEST} (before the due date) to {LATEST}.", field=field
        )


@dataclass(frozen=True, slots=True)
class Move:
    """What is due now: steps that are passed over, and the one to do."""

    passed_over: tuple[Step, ...] = ()
    step: Step | None = None


def next_move(
    schedule: Schedule, *, due: dt.date, today: dt.date, done: Mapping[int, dt.date]
) -> Move:
    """What to do today for an invoice that is due on ``due``.

    ``done``: the days of the steps that are over, with when each was done or passed over.
    """
    steps = [step for step in schedule.steps() if step.day not in done]
    last = _last_before_end(schedule)
    reached = [s for s in steps if not s.ends and due + dt.timedelta(days=s.day) <= today]
    doing: Step | None = None
    if reached:
        late = (today - due).days - reached[-1].day
        doing = reached[-1] if reached[-1] == last or late <= PATIENCE else None
    elif any(s.ends for s in steps) and _end(schedule, due, done) <= today:
        doing = next(s for s in steps if s.ends)
    passed = tuple(step for step in reached if step != doing)
    return Move(passed, doing)


def next_day(schedule: Schedule, *, due: dt.date, done: Mapping[int, dt.date]) -> dt.date | None:
    """The day of the first step that is not over; None where all are."""
    for step in schedule.steps():
        if step.day not in done:
            return _end(schedule, due, done) if step.ends else due + dt.timedelta(days=step.day)
    return None


def _last_before_end(schedule: Schedule) -> Step | None:
    before = [step for step in schedule.steps() if not step.ends]
    return before[-1] if before else None


def _end(schedule: Schedule, due: dt.date, done: Mapping[int, dt.date]) -> dt.date:
    """The earliest day of the end: as long after the last step as the schedule says."""
    end = due + dt.timedelta(days=schedule.ends_on)
    last = _last_before_end(schedule)
    if last is None or last.day not in done:
        return end
    return max(end, done[last.day] + dt.timedelta(days=schedule.ends_on - last.day))
