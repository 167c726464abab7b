"""Trials: the days that a subscription begins with and does not pay for. Pure.

A trial is a period of its own, from the subscription's start to a boundary at which the first paid
one begins. It gives the whole allowance once, whatever its length, and nothing of it costs
anything: no fees, no overage, no minimum. What is used up stops admission, whatever the package's
policy is, so that nobody's free days cost more than was agreed on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from agencyportal.core.periods import Period, local_date, local_day_start

from .overage_documents import OverageDocument
from .plan_documents import AllowanceDocument, PlanDocument

_ONE_DAY: Final = timedelta(days=1)


def trial_end(start: datetime, days: int, timezone: str) -> datetime:
    """Where a trial of so many local days ends; the day of ``start`` is the first of them."""
    return local_day_start(local_date(start, timezone) + timedelta(days=days), timezone)


def trial_bounds(start: datetime, until: datetime, end: datetime | None) -> Period:
    """The period that a trial is: its own whole interval, cut short by the subscription's end."""
    return Period(start, until if end is None else min(until, end), start, until)


def in_trial(plan: PlanDocument) -> PlanDocument:
    """What a package's terms are in its trial."""
    return replace(
        plan,
        fees=(),
        allowances=tuple(_on_trial(allowance) for allowance in plan.allowances),
        minimum_commitment=None,
        discounts=(),
    )


def _on_trial(allowance: AllowanceDocument) -> AllowanceDocument:
    """The whole of it, and no more: nothing of a trial rolls over."""
    return replace(
        allowance, overage=OverageDocument("block"), rollover_max=Decimal(0), prorate=False
    )


def trial_end_in_zone(
    until: datetime, *, start: datetime, now: datetime, old_timezone: str, new_timezone: str
) -> datetime:
    """Where a trial ends after its client moved to another time zone: with the same local date,
    or, where that has begun there, with the first one that has not."""
    day = local_date(until, old_timezone)
    while (moved := local_day_start(day, new_timezone)) <= max(start, now):
        day += _ONE_DAY
    return moved
