"""Ends trials elsewhere than agreed: earlier, because the client buys, or later.

Only where a trial ends moves: it stays one period, without a fee, and the first paid one begins at
its end. Periods that were made from the old end on are withdrawn and made anew, and a boundary
that is counted from the first paid day is counted from the new one.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from agencyportal.core.periods import local_day_start, quarter_floor
from billing.lifecycle import FeeRule
from billing.models import Subscription, SubscriptionChange
from billing.plan_documents import LONGEST_TRIAL
from billing.refusals import RefusedError
from billing.trials import trial_end, trial_end_in_zone
from clients.models import User

from .changes import Kind, hold, note
from .period_moves import move, rehouse_reservations, take_over, withdraw
from .periods import first_bounds, make_periods
from .plans import terms_of
from .subscriptions import anchor_date

ONE_DAY = dt.timedelta(days=1)


@transaction.atomic
def move_trial_end(
    *,
    subscription: Subscription,
    last_day: dt.date,
    now: dt.datetime,
    moved_by: User | None = None,
    reason: str = "",
) -> Subscription:
    """Let a running or planned trial last up to and including a local day; returns it.

    Raises RefusedError without a trial to come to an end, for a day that has passed, for one that
    makes it longer than a year, and where something is planned for its end already. Asked for
    again, it changes nothing. Locks the client's row, then the workspace's.
    """
    current = hold(subscription)
    zone = current.timezone
    _refuse_unfit(current, now)
    until = local_day_start(last_day + ONE_DAY, zone)
    longest = trial_end(current.start, LONGEST_TRIAL, zone)
    if until <= max(current.start, now) or until > longest:
        raise RefusedError(
            f"A trial ends today or later, and lasts at most {LONGEST_TRIAL} days.",
            field="last_day",
        )
    if until == current.trial_until:
        return current
    change = note(
        current, Kind.TRIAL_MOVED, effective_at=until, now=now, made_by=moved_by, reason=reason
    )
    return _move(current, change, until, now)


@transaction.atomic
def convert_trial(
    *,
    subscription: Subscription,
    now: dt.datetime,
    converted_by: User | None = None,
    reason: str = "",
) -> Subscription:
    """Let a trial end with the quarter hour of ``now``, and what is paid begin; returns it.

    What was used before stays free. Today is charged, since the paid period touches it. Raises
    RefusedError where there is no trial in progress, and where something is planned for its end
    already. Asked for again, it changes nothing. Locks the client's row, then the workspace's.
    """
    current = hold(subscription)
    at = quarter_floor(now)
    converted = current.changes.filter(kind=Kind.TRIAL_CONVERTED).exists()
    if converted and current.charged_from <= now:
        return current
    _refuse_unfit(current, now)
    if current.start > now:
        raise RefusedError(f"{current} has yet to begin; start it without a trial instead.")
    change = note(
        current, Kind.TRIAL_CONVERTED, effective_at=at, now=now, made_by=converted_by, reason=reason
    )
    return _move(current, change, at, now)


def move_in_zone(subscription: Subscription, *, old_timezone: str, now: dt.datetime) -> None:
    """Let a trial end where its last day does in the subscription's new zone; its periods are the
    caller's to move."""
    until = subscription.trial_until
    if until is None:
        return
    subscription.trial_until = trial_end_in_zone(
        until,
        start=subscription.start,
        now=now,
        old_timezone=old_timezone,
        new_timezone=subscription.timezone,
    )
    _count_from_end(subscription)


def _refuse_unfit(subscription: Subscription, now: dt.datetime) -> None:
    until = subscription.trial_until
    if until is None or until <= now or (subscription.end is not None and subscription.end <= now):
        raise RefusedError(f"{subscription} is not on trial.")
    if subscription.end is not None and subscription.end <= until:
        raise RefusedError(
            f"{subscription} is to end, or to change, at {subscription.end:%Y-%m-%d %H:%M} UTC; "
            "call that off first."
        )


def _move(
    subscription: Subscription,
    change: SubscriptionChange,
    until: dt.datetime,
    now: dt.datetime,
) -> Subscription:
    """Let the trial end at ``until``, or, at the very start, never have been."""
    workspace, agreed = subscription.workspace, terms_of(subscription.plan_version)
    left = []
    for period in subscription.periods.order_by("-start"):
        if not period.is_trial or until <= period.start:
            terms = agreed.of(period)
            left += withdraw(period, workspace, change, terms, keeps_once=False)
            continue
        move(
            period,
            workspace,
            change,
            agreed.of(period),
            end=until if subscription.end is None else min(until, subscription.end),
            full_end=until,
            rule=FeeRule.KEPT,
        )
    subscription.trial_until = until if until > subscription.start else None
    _count_from_end(subscription)
    take_over(workspace, left, first_bounds(subscription))
    make_periods([subscription], now=now)
    rehouse_reservations(workspace)
    return subscription


def _count_from_end(subscription: Subscription) -> None:
    """Boundaries are those of what is paid, so they are counted from where that begins."""
    subscription.anchor_date = anchor_date(
        subscription.plan_version, subscription.charged_from, subscription.timezone
    )
    subscription.save(update_fields=["trial_until", "anchor_date"])
