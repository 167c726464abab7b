"""Puts workspaces on plans, keeps their next period ready, and ends them (ENGINE 1, 4)."""

from __future__ import annotations

import datetime as dt
import logging
from typing import cast

from django.db import transaction
from django.db.models import F, Max, Q

from agencyportal.core.periods import Interval, quarter_ceil, quarter_floor, resolve_anchor
from billing.lifecycle import FeeRule
from billing.models import BillingPeriod, PlanVersion, Subscription
from billing.plan_documents import LONGEST_TRIAL
from billing.refusals import RefusedError
from billing.trials import trial_end
from clients.models import User, Workspace
from clients.services import windows

from .changes import (
    EndReason,
    Kind,
    drop_planned,
    hold,
    hold_workspace,
    not_empty,
    note,
    set_end,
)
from .period_moves import rehouse_reservations, take_over
from .periods import make_periods
from .plans import anchor_of

_logger = logging.getLogger(__name__)


@transaction.atomic
def activate(
    *,
    workspace: Workspace,
    plan_version: PlanVersion,
    start: dt.datetime,
    now: dt.datetime,
    end: dt.datetime | None = None,
    trial_days: int | None = None,
    created_by: User | None = None,
) -> Subscription:
    """Put a workspace on a published plan version from ``start`` until ``end`` (exclusive).

    ``start`` moves back and ``end`` forward to the quarter hour. Makes the periods up to ``now``
    and the one after, with their windows, allowances and fees. A ``start`` in the past bills from
    then, usage that was reported before included. It begins with a trial of ``trial_days`` local
    days, the day of ``start`` being the first; None: the plan's, 0: without one. Asked for again,
    it answers with the subscription that is there.

    Raises RefusedError for a draft, another agency's plan, a currency that is not the client's, a
    time that another subscription covers, a start before what is closed, and a trial that is
    longer than a year. Locks the client's row, then the workspace's.
    """
    refuse_unfit_trial(trial_days)
    begins = quarter_floor(start)
    ends = None if end is None else quarter_ceil(end)
    locked = hold_workspace(workspace.pk)
    subscription = locked.subscriptions.filter(
        not_empty(), start=begins, plan_version=plan_version
    ).first()
    zone = locked.client.timezone
    days = plan_version.trial_days if trial_days is None else trial_days
    until = trial_end(begins, days, zone) if days else None
    asked = (ends, until)
    if subscription is None or (subscription.end, subscription.trial_until) != asked:
        refuse_unfit_version(locked, plan_version)
        _refuse_unfit_times(locked, begins, ends)
        subscription = Subscription.objects.create(
            agency_id=locked.agency_id,
            client_id=locked.client_id,
            workspace=locked,
            plan_version=plan_version,
            currency=locked.client.currency,
            timezone=zone,
            anchor_date=anchor_date(plan_version, until or begins, zone),
            start=begins,
            trial_until=until,
            end=ends,
            created_at=now,
            created_by=created_by,
        )
        note(
            subscription,
            Kind.ACTIVATED,
            effective_at=begins,
            now=now,
            made_by=created_by,
            to_version=plan_version,
        )
    make_periods([subscription], now=now)
    return subscription


@transaction.atomic
def ensure_periods(*, subscription: Subscription, now: dt.datetime) -> list[BillingPeriod]:
    """Make the periods that are missing up to the one after ``now``; returns what was made.

    Locks the workspace's row.
    """
    locked = windows.lock_workspace(subscription.workspace_id)
    return make_periods([_with_plan(subscription, locked)], now=now)


def ensure_due_periods(*, now: dt.datetime, limit: int | None = None) -> int:
    """Make the next period of every subscription that has none; returns how many were made.

    Each subscription in its own transaction; one that fails is logged and holds up no other.
    """
    made = 0
    for subscription in _without_next_period(now)[:limit]:
        try:
            made += len(ensure_periods(subscription=subscription, now=now))
        except Exception:
            _logger.exception("no next period for subscription %s", subscription.pk)
    return made


@transaction.atomic
def end(
    *,
    subscription: Subscription,
    end: dt.datetime,
    now: dt.datetime,
    ended_by: User | None = None,
    reason: str = "",
) -> Subscription:
    """Let a subscription run out at ``end`` (exclusive), moved forward to the quarter hour.

    The period that ``end`` falls into becomes its last, and a partial one unless ``end`` is its
    boundary: its fees are credited and asked anew for the days until then, usage after it is
    unbilled. Periods that are made beyond it are withdrawn, and so is what was planned to follow.
    An end that has not come may be moved, either way. To cancel on day d, pass the first instant
    of d + 1. Asked for again, it changes nothing.

    Raises RefusedError where ``end`` lies before the start or in what is closed, where the
    subscription has ended, and where another subscription follows earlier. Locks the client's
    row, then the workspace's.
    """
    ends = quarter_ceil(end)
    current = hold(subscription)
    if current.end == ends and current.end_reason in ("", EndReason.ENDED):
        return current
    refuse_unfit_end(current, ends, now)
    drop_planned(current, now=now, made_by=ended_by)
    refuse_overlap(current.workspace, current.start, ends, but=current)
    change = note(current, Kind.ENDED, effective_at=ends, now=now, made_by=ended_by, reason=reason)
    left = set_end(current, change, ends, end_reason=EndReason.ENDED, rule=FeeRule.ANEW)
    take_over(current.workspace, left, None)
    make_periods([current], now=now)
    rehouse_reservations(current.workspace)
    return current


@transaction.atomic
def keep(
    *,
    subscription: Subscription,
    now: dt.datetime,
    kept_by: User | None = None,
    reason: str = "",
) -> Subscription:
    """Let a subscription go on without an end, where one was planned and has not come.

    What was planned to follow it is dropped, and its last period runs to its boundary again.
    Raises RefusedError for one that has ended, and where another subscription is in the way. Locks
    the client's row, then the workspace's.
    """
    current = hold(subscription)
    if current.end is None:
        return current
    if current.end <= now:
        raise RefusedError(
            f"{current} has ended at {current.end:%Y-%m-%d %H:%M} UTC; start a new subscription "
            "there instead."
        )
    drop_planned(current, now=now, made_by=kept_by)
    refuse_overlap(current.workspace, current.start, None, but=current)
    change = note(current, Kind.KEPT, effective_at=now, now=now, made_by=kept_by, reason=reason)
    set_end(current, change, None, end_reason="", rule=FeeRule.ANEW)
    make_periods([current], now=now)
    return current


def _with_plan(subscription: Subscription, locked: Workspace) -> Subscription:
    """The subscription as it is under the lock, with what making periods reads."""
    found = Subscription.objects.select_related("plan_version__plan", "agency")
    current = found.get(pk=subscription.pk)
    current.workspace = locked
    return current


def _without_next_period(now: dt.datetime) -> list[Subscription]:
    standing = ~Q(periods__state=BillingPeriod.State.WITHDRAWN)
    running = Subscription.objects.annotate(
        last_start=Max("periods__start", filter=standing),
        last_end=Max("periods__end", filter=standing),
    )
    return list(
        running.filter(not_empty())
        .filter(Q(last_start=None) | Q(last_start__lte=now))
        .filter(Q(end=None) | Q(last_end=None) | Q(last_end__lt=F("end")))
        .order_by("pk")
    )


def refuse_unfit_version(workspace: Workspace, version: PlanVersion) -> None:
    """Raise RefusedError for a plan version that a workspace cannot be put on."""
    if version.published_at is None:
        raise RefusedError(f"{version} is a draft; publish it before anyone is put on it.")
    if version.plan.agency_id != workspace.agency_id:
        raise RefusedError(f"{version.plan} is not a plan of {workspace.agency}.")
    if version.plan.currency != workspace.client.currency:
        raise RefusedError(
            f"{version.plan} is sold in {version.plan.currency}, and {workspace.client} pays in "
            f"{workspace.client.currency}; choose a plan in the client's currency."
        )


def _refuse_unfit_times(
    workspace: Workspace, begins: dt.datetime, ends: dt.datetime | None
) -> None:
    if ends is not None and ends <= begins:
        raise RefusedError(
            f"A subscription must end after it starts, at {begins:%Y-%m-%d %H:%M} UTC."
        )
    refuse_settled(workspace, begins)
    refuse_overlap(workspace, begins, ends)


def refuse_settled(workspace: Workspace, begins: dt.datetime) -> None:
    """Raise RefusedError for a start in what is closed."""
    settled = workspace.settled_until
    if settled is not None and begins < settled:
        raise RefusedError(
            f"{workspace} is closed up to {settled:%Y-%m-%d %H:%M} UTC; start there or later."
        )


def refuse_overlap(
    workspace: Workspace,
    begins: dt.datetime,
    ends: dt.datetime | None,
    *,
    but: Subscription | None = None,
) -> None:
    """Raise RefusedError where another subscription covers some of ``[begins, ends)``."""
    overlapping = workspace.subscriptions.filter(not_empty(), Q(end=None) | Q(end__gt=begins))
    if ends is not None:
        overlapping = overlapping.filter(start__lt=ends)
    if but is not None:
        overlapping = overlapping.exclude(pk=but.pk)
    other = overlapping.select_related("plan_version__plan").order_by("start").first()
    if other is not None:
        until = f"{other.end:%Y-%m-%d %H:%M} UTC" if other.end else "further notice"
        raise RefusedError(
            f"{workspace} is on {other.plan_version} from {other.start:%Y-%m-%d %H:%M} UTC until "
            f"{until}; end that first, or choose times around it."
        )


def refuse_unfit_end(subscription: Subscription, ends: dt.datetime, now: dt.datetime) -> None:
    """Raise RefusedError for an end that a subscription cannot get any more."""
    if ends <= subscription.start:
        raise RefusedError(
            f"A subscription must end after it starts, at {subscription.start:%Y-%m-%d %H:%M} UTC."
        )
    if subscription.end is not None and subscription.end <= now:
        raise RefusedError(
            f"{subscription} has ended at {subscription.end:%Y-%m-%d %H:%M} UTC; start a new "
            "subscription there instead."
        )
    settled = subscription.workspace.settled_until
    if settled is not None and ends < settled:
        raise RefusedError(
            f"{subscription.workspace} is closed up to {settled:%Y-%m-%d %H:%M} UTC; end there or "
            "later."
        )


def refuse_unfit_trial(days: int | None) -> None:
    """Raise RefusedError for a trial that nobody can be given."""
    if days is not None and not 0 <= days <= LONGEST_TRIAL:
        raise RefusedError(
            f"A trial lasts at most {LONGEST_TRIAL} days; 0 is none.", field="trial_days"
        )


def anchor_date(version: PlanVersion, begins: dt.datetime, timezone: str) -> dt.date:
    """The local date from which the boundaries of what is paid from ``begins`` are counted."""
    interval = cast(Interval, version.interval)
    return resolve_anchor(begins, interval, anchor_of(version), timezone)
