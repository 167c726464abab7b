"""Moves workspaces to another plan, or to another version of theirs (ENGINE 4).

The subscription ends where the change takes effect, and one under the new version continues it:
at once, from the first instant of the local day, or with the next period. Where fees and allowances
of both have the same intervals the boundaries stay; where they do not, the new plan's are counted
from the change.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, cast

from django.db import transaction

from agencyportal.core.periods import (
    Interval,
    local_date,
    local_day_start,
    resolve_anchor,
)
from billing.lifecycle import FeeRule
from billing.models import BillingPeriod, PlanVersion, Subscription, SubscriptionChange
from billing.refusals import RefusedError
from clients.models import User

from .changes import (
    EndReason,
    Kind,
    drop_planned,
    hold,
    not_empty,
    note,
    set_end,
    start_after,
)
from .period_moves import rehouse_reservations, take_over
from .periods import first_bounds, make_periods
from .plans import anchor_of
from .subscriptions import refuse_unfit_version

When = Literal["now", "period_end"]


@transaction.atomic
def change_plan(
    *,
    subscription: Subscription,
    plan_version: PlanVersion,
    when: When,
    now: dt.datetime,
    changed_by: User | None = None,
    reason: str = "",
) -> Subscription:
    """Move a running subscription to another plan version; returns the one that continues it.

    ``now``: the day of the change belongs to the new plan. The old period ends with the day
    before; what its fees asked for the rest is credited, the new ones ask for it; the new
    allowance is the share of the rest, less what was used of the old one beyond its share. Top-ups
    stay. ``period_end``: it takes effect where the running period ends. A change that was planned
    before, and has not begun, is dropped; a planned end or pause stays. Fees that are asked once
    are not asked again. Asked for again, it answers with the one that is there.

    In a trial, ``now`` goes on as a trial under the new plan, up to the same end and with the whole
    of its allowance; ``period_end`` is where the trial ends, and the new plan's fees, those that
    are asked once included, are the first ones.

    Raises RefusedError for a draft, another agency's plan, another currency, the version that it
    is on, and a subscription that is not running. Locks the client's row, then the workspace's.
    """
    current = hold(subscription)
    there = current.continued_by.filter(not_empty(), plan_version=plan_version).first()
    if current.goes_on and there is not None and (when == "period_end" or there.start <= now):
        return there
    refuse_unfit_version(current.workspace, plan_version)
    running = _running_period(current, now)
    if plan_version.pk == current.plan_version_id:
        raise RefusedError(f"{current.workspace} is on {plan_version} already.")
    at = _first_of_day(current, running, now) if when == "now" else running.end
    in_trial = running.is_trial
    planned_end = None if current.goes_on or current.end == at else current.end
    planned_reason = "" if planned_end is None else current.end_reason
    drop_planned(current, now=now, made_by=changed_by)
    change = _noted(current, plan_version, at, now, changed_by, reason)
    left = set_end(
        current,
        change,
        at,
        end_reason=EndReason.CHANGED,
        rule=FeeRule.REST,
        keeps_once=not in_trial,
    )
    following = start_after(
        current,
        plan_version=plan_version,
        start=at,
        end=planned_end,
        end_reason=planned_reason,
        asked_once=not in_trial,
        trial_until=current.trial_until if at < current.charged_from else None,
        anchor_date=_anchor(current, plan_version, at, in_trial=in_trial),
        now=now,
        made_by=changed_by,
    )
    take_over(current.workspace, left, first_bounds(following))
    make_periods([following], now=now)
    rehouse_reservations(current.workspace)
    return following


def _noted(
    current: Subscription,
    version: PlanVersion,
    at: dt.datetime,
    now: dt.datetime,
    made_by: User | None,
    reason: str,
) -> SubscriptionChange:
    is_other = version.plan_id != current.plan_version.plan_id
    return note(
        current,
        Kind.PLAN_CHANGED if is_other else Kind.UPGRADED,
        effective_at=at,
        now=now,
        made_by=made_by,
        reason=reason,
        from_version=current.plan_version,
        to_version=version,
    )


def _running_period(subscription: Subscription, now: dt.datetime) -> BillingPeriod:
    period = subscription.periods.filter(start__lte=now, end__gt=now).first()
    if period is None:
        raise RefusedError(
            f"{subscription} is not running at {now:%Y-%m-%d %H:%M} UTC; choose the one that is, "
            "or put the workspace on a plan."
        )
    return period


def _first_of_day(
    subscription: Subscription, running: BillingPeriod, now: dt.datetime
) -> dt.datetime:
    zone = subscription.timezone
    return max(running.start, local_day_start(local_date(now, zone), zone))


def _anchor(
    current: Subscription, version: PlanVersion, at: dt.datetime, *, in_trial: bool
) -> dt.date:
    """The boundaries stay where both have the same intervals, unless none was paid for yet."""
    before = current.plan_version
    intervals = (version.interval, version.allowance_interval)
    if intervals == (before.interval, before.allowance_interval) and not in_trial:
        return current.anchor_date
    interval = cast(Interval, version.interval)
    first = max(at, current.charged_from) if in_trial else at
    return resolve_anchor(first, interval, anchor_of(version), current.workspace.client.timezone)
