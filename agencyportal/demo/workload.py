"""Usage that looks like life, made from a seed. Pure: no Django, no clock, no database.

A `Rhythm` says how much a workspace uses in each month of the story, when in the week and in the
day, and what one run consists of. The same rhythm and times make the same events with the same ids,
day by day and in any order of days.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

OFFICE_HOURS = (0,) * 6 + (1, 3, 9, 14, 15, 13, 10, 12, 13, 12, 9, 5, 2, 1, 1, 0, 0, 0)
SHOP_HOURS = (1, 0, 0, 0, 0, 1, 2, 4, 7, 9, 10, 10, 11, 10, 9, 9, 9, 10, 11, 12, 12, 9, 5, 2)
WORKING_WEEK = (1.05, 1.1, 1.0, 1.0, 0.85, 0.12, 0.08)
SHOP_WEEK = (1.0, 0.95, 0.95, 1.0, 1.0, 0.7, 0.6)
"""Weights from Monday to Sunday."""

NOISE = 0.22
MARGIN = dt.timedelta(minutes=2)
"""Runs keep this far from midnight, so that their calls stay within the day."""


@dataclass(frozen=True, slots=True)
class Call:
    """A model call of a run; its tokens are means."""

    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    label: str = ""
    """The step; without one, the workflow's label."""
    cached: float = 0.0
    """Share of the input that was cached."""
    tool_calls: int = 0
    chance: float = 1.0


@dataclass(frozen=True, slots=True)
class Workflow:
    """A kind of run. Its last call brings the units, the others only cost."""

    label: str
    share: float
    calls: tuple[Call, ...]
    tokens_per_unit: bool = False
    """Whether the tokens are those of one unit (a page) or of the whole run."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How one workspace is used."""

    unit: str
    subject: str
    """What a run is about, as the start of its subject: ``chat`` in ``chat-20260803-14``."""
    months: tuple[int, ...]
    """Units of a whole month, oldest first; the last is the pace of the month in progress."""
    workflows: tuple[Workflow, ...]
    week: tuple[float, ...] = WORKING_WEEK
    hours: tuple[int, ...] = OFFICE_HOURS
    units_per_run: int = 1
    by_now: int | None = None
    """Units of the month in progress, whatever the day; else as its pace makes them."""
    starts: tuple[int, int] = (0, 1)
    """Month of the story and day in it from which the workspace is used."""
    errors: float = 0.015
    retries: float = 0.03
    outage: tuple[int, int] | None = None
    """Month of the story, and day in it, on which the provider was mostly down."""


@dataclass(frozen=True, slots=True)
class Day:
    """A local day of the story, as far as it has come."""

    date: dt.date
    month: int
    """Which month of the story it is in."""
    elapsed: float
    """Share of the day's usage that has happened: 1 for days that are over."""


def story_days(rhythm: Rhythm, *, first: dt.date, now: dt.datetime, timezone: str) -> list[Day]:
    """The days on which the workspace is used, up to ``now``. ``first``: the story's first day."""
    local = now.astimezone(ZoneInfo(timezone))
    begins = _nth_month(first, rhythm.starts[0]).replace(day=rhythm.starts[1])
    days = []
    for offset in range((local.date() - begins).days + 1):
        date = begins + dt.timedelta(days=offset)
        elapsed = _share_of_day(rhythm.hours, local.time()) if date == local.date() else 1.0
        days.append(Day(date, _months_between(first, date), elapsed))
    return days


def quotas(rhythm: Rhythm, seed: str, days: Sequence[Day]) -> dict[dt.date, int]:
    """Units of each day. Those of a whole month come to exactly what the rhythm says."""
    shares: dict[dt.date, int] = {}
    for month, group in itertools.groupby(days, key=lambda day: day.month):
        shares |= _quotas_of_month(rhythm, seed, month, list(group))
    return shares


def _quotas_of_month(
    rhythm: Rhythm, seed: str, month: int, days: Sequence[Day]
) -> dict[dt.date, int]:
    weights = [weight_of(rhythm, seed, day.date) * day.elapsed for day in days]
    total = float(rhythm.months[month])
    if month == len(rhythm.months) - 1 and rhythm.by_now is not None:
        whole = sum(weights)
        total = float(rhythm.by_now)
    else:
        whole = sum(weight_of(rhythm, seed, date) for date in _month_of(days[0].date))
    if not whole:
        return dict.fromkeys((day.date for day in days), 0)
    # A hair more than exact, or a month's last unit would be lost in the float's last digit.
    sums = [int(total * sum_ / whole + 1e-9) for sum_ in itertools.accumulate(weights)]
    return {
        day.date: sum_ - before
        for day, sum_, before in zip(days, sums, [0, *sums[:-1]], strict=True)
    }


def weight_of(rhythm: Rhythm, seed: str, date: dt.date) -> float:
    """How busy a day is: its weekday, and some chance."""
    noise = _dice(seed, date, "busy").uniform(1 - NOISE, 1 + NOISE)
    return rhythm.week[date.weekday()] * noise


def events_of(
    rhythm: Rhythm, seed: str, day: Day, units: int, *, timezone: str, units_per_event: int = 1
) -> list[dict[str, Any]]:
    """A day's events as a program would send them, in time order; they come to ``units``.

    ``units_per_event`` above 1 puts so many runs into one, for a story told faster.
    """
    dice = _dice(seed, day.date, "runs")
    begins = dt.datetime.combine(day.date, dt.time(), ZoneInfo(timezone))
    is_outage = rhythm.outage == (day.month, day.date.day)
    events: list[dict[str, Any]] = []
    left, number = units, 0
    while left > 0:
        number += 1
        quantity = min(left, _size(rhythm, dice) * units_per_event)
        left -= quantity
        time = begins + _moment(rhythm.hours, dice.random() * day.elapsed)
        flow = dice.choices(rhythm.workflows, [flow.share for flow in rhythm.workflows])[0]
        tokens = quantity if flow.tokens_per_unit else units_per_event
        run = _Run(rhythm, flow, f"{day.date:%Y%m%d}-{number}", time, quantity, tokens)
        events += run.events(dice, errors=0.4 if is_outage else rhythm.errors)
    return sorted(events, key=lambda event: (event["time"], event["id"]))


def _dice(seed: str, date: dt.date, what: str) -> random.Random:
    """Chance that falls the same way every time, on every machine."""
    return random.Random(f"{seed}:{date}:{what}")  # noqa: S311 - nothing secret hangs on it


def _size(rhythm: Rhythm, dice: random.Random) -> int:
    mean = rhythm.units_per_run
    return 1 if mean == 1 else max(1, round(dice.triangular(0.1, 2.5, 0.4) * mean))


@dataclass(frozen=True, slots=True)
class _Run:
    rhythm: Rhythm
    flow: Workflow
    name: str
    time: dt.datetime
    """When its last call was answered; the others came before."""
    quantity: int
    tokens: int
    """How often the calls' tokens."""

    def events(self, dice: random.Random, *, errors: float) -> Iterator[dict[str, Any]]:
        *steps, last = self.flow.calls
        made = [call for call in steps if dice.random() < call.chance]
        if dice.random() < errors:
            yield self._event(dice, last, "e", -90, status="error")
        for index, call in enumerate(made):
            yield self._event(dice, call, str(index), -20 * (len(made) - index), quantity="0")
        attempts = dice.choice((2, 2, 2, 3)) if dice.random() < self.rhythm.retries else 1
        yield self._event(dice, last, "x", 0, quantity=str(self.quantity), attempts=attempts)

    def _event(
        self, dice: random.Random, call: Call, mark: str, seconds: int, **facts: Any
    ) -> dict[str, Any]:
        spread = dice.triangular(0.5, 1.7, 0.8)
        taken = max(1, round(call.input_tokens * self.tokens * spread))
        made = round(call.output_tokens * self.tokens * dice.triangular(0.5, 1.7, 0.8))
        usage = {"input_tokens": taken, "output_tokens": made}
        if call.cached:
            usage["cached_input_tokens"] = round(taken * call.cached)
        if call.tool_calls:
            usage["tool_calls"] = dice.randint(0, 2 * call.tool_calls)
        if facts.get("status") == "error":
            usage["output_tokens"] = 0
        time = self.time + dt.timedelta(seconds=seconds + dice.uniform(-6, 6))
        return {
            "id": f"{self.name}-{mark}",
            "unit": self.rhythm.unit,
            "time": time.astimezone(dt.UTC).isoformat(timespec="milliseconds"),
            "subject": f"{self.rhythm.subject}-{self.name}",
            "run_id": self.name,
            "label": call.label or self.flow.label,
            "provider": call.provider,
            "model": call.model,
            "usage": usage,
            **facts,
        }


def _share_of_day(hours: Sequence[int], time: dt.time) -> float:
    done = sum(hours[: time.hour]) + hours[time.hour] * (time.minute / 60)
    return done / sum(hours)


def _moment(hours: Sequence[int], share: float) -> dt.timedelta:
    """How far into the day ``share`` of its usage has happened."""
    left = share * sum(hours)
    for hour, weight in enumerate(hours):
        if left < weight:
            into = dt.timedelta(hours=hour + left / weight)
            return min(max(into, MARGIN), dt.timedelta(days=1) - MARGIN)
        left -= weight
    return dt.timedelta(days=1) - MARGIN


def _nth_month(first: dt.date, months: int) -> dt.date:
    years, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return dt.date(years, month + 1, 1)


def _months_between(first: dt.date, date: dt.date) -> int:
    return (date.year - first.year) * 12 + date.month - first.month


def _month_of(date: dt.date) -> Iterator[dt.date]:
    start, end = date.replace(day=1), _nth_month(date, 1)
    for offset in range((end - start).days):
        yield start + dt.timedelta(days=offset)
