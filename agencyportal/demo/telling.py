"""Tells the whole story: the cast, the sample agencies' life, and a trace's pilot among it."""

from __future__ import annotations

import datetime as dt

from agencyportal.demo.life import Life
from agencyportal.demo.replay import pilot_steps
from agencyportal.demo.script import Progress, play
from agencyportal.demo.seeding import Stage, set_stage
from agencyportal.demo.trace import Trace


def tell(
    *,
    now: dt.datetime,
    trace: Trace | None = None,
    progress: Progress = lambda _played, _all: None,
    units_per_event: int = 1,
    days_per_batch: int = 2,
) -> Stage:
    """Make the sample data, or what is missing of it, up to the instant of the first telling.

    A trace that comes with the first telling happens among the others' business, so that numbers
    ascend with dates over all of it, and its payout is that of its month. One that comes later is
    invoiced after them. Raises `TraceError` before anything but the cast is written.

    Commits step by step. Interrupted anywhere and told again, it comes to the same rows.
    Documents and mail are left to `delivery.deliver` or to the worker.
    """
    stage = set_stage(now=now)
    steps = list(Life(stage, units_per_event, days_per_batch).steps())
    if trace:
        steps += pilot_steps(trace, now=max(stage.now, now))
    play(steps, until=now, progress=progress)
    return stage
