"""Pauses subscriptions, and lets them go on.

A pause ends the period like an early end: its fees are credited and asked anew for the days until
then. In between nothing is charged or included: usage is stored unbilled, and admission refuses.
What resumes is a subscription that continues the paused one, under the same version and with the
same boundaries; its first period is a partial one.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from agencyportal.core.periods import quarter_ceil, quarter_floor
from billing.lifecycle import FeeRule
from billing.models import Subscription
from billing.refusals import RefusedError
from clients.models import User

from .changes import (
    EndReason,
    Kind,
    drop_planned,
    hold,
    note,
    set_end,
    start_after,
)
from .period_moves import rehouse_reservations, take_over
from .periods import make_periods
from .subscriptions import refuse_overlap, refuse_settled, refuse_unfit_end


@transaction.atomic
def pause(
    *,
    subscription: Subscription,
    at: dt.datetime,
    now: dt.datetime,
    until: dt.datetime | None = None,
    paused_by: User | None = None,
    reason: str = "",
) -> Subscription:
    """Let a subscription rest from ``at`` (exclusive; moved forward to the quarter hour) until it
    is resumed, or until ``until``. Returns it.

    A day that it touches is charged: to keep day d free, pass its first instant. Raises
    RefusedError where `subscriptions.end` does, and before a trial ends. Locks the
    client's row, then the workspace's.
    """
    current = hold(subscription)
    ends = quarter_ceil(at)
    if current.end_reason == EndReason.PAUSED and current.end == ends:
        return current
    refuse_unfit_end(current, ends, now)
    _refuse_in_trial(current, ends)
    if until is not None and quarter_floor(until) <= ends:
        raise RefusedError("It goes on after it has paused, not before.", field="until")
    drop_planned(current, now=now, made_by=paused_by)
    change = note(
        current, Kind.PAUSED, effective_at=ends, now=now, made_by=paused_by, reason=reason
    )
    left = set_end(current, change, ends, end_reason=EndReason.PAUSED, rule=FeeRule.ANEW)
    take_over(current.workspace, left, None)
    rehouse_reservations(current.workspace)
    if until is not None:
        _go_on(current, quarter_floor(until), now, paused_by, "")
    return current


def _refuse_in_trial(subscription: Subscription, ends: dt.datetime) -> None:
    if subscription.trial_until is not None and ends < subscription.trial_until:
        raise RefusedError(
            f"{subscription} is on trial until {subscription.trial_until:%Y-%m-%d %H:%M} UTC, and "
            "nothing of that is charged; give the trial another end, or pause after it."
        )


@transaction.atomic
def resume(
    *,
    subscription: Subscription,
    at: dt.datetime,
    now: dt.datetime,
    resumed_by: User | None = None,
    reason: str = "",
) -> Subscription:
    """Let a paused subscription go on from ``at``, moved back to the quarter hour; returns the one
    that continues it. Where that was planned for another time and has not begun, ``at`` holds.

    Raises RefusedError for one that is not paused, a time before it is, and one that another
    subscription covers or that is closed. Locks the client's row, then the workspace's.
    """
    current = hold(subscription)
    if current.end_reason != EndReason.PAUSED or current.end is None:
        raise RefusedError(f"{current} is not paused.")
    starts = quarter_floor(at)
    if starts < current.end:
        raise RefusedError(
            f"{current} runs until {current.end:%Y-%m-%d %H:%M} UTC; let it go on then or later.",
            field="at",
        )
    there = current.continued_by.filter(start=starts, end=None).first()
    if there is not None:
        return there
    drop_planned(current, now=now, made_by=resumed_by)
    return _go_on(current, starts, now, resumed_by, reason)


def _go_on(
    paused: Subscription,
    starts: dt.datetime,
    now: dt.datetime,
    made_by: User | None,
    reason: str,
) -> Subscription:
    refuse_settled(paused.workspace, starts)
    refuse_overlap(paused.workspace, starts, None)
    following = start_after(
        paused,
        plan_version=paused.plan_version,
        start=starts,
        end=None,
        anchor_date=paused.anchor_date,
        now=now,
        made_by=made_by,
    )
    note(following, Kind.RESUMED, effective_at=starts, now=now, made_by=made_by, reason=reason)
    make_periods([following], now=now)
    rehouse_reservations(paused.workspace)
    return following
