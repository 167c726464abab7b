"""What changing a subscription takes, whatever the change: locks, history, a new end, a new start.

Lock order: the client's row, then the workspace's, as drafting locks the client and then refers to
workspaces. The client is locked so that no charge comes onto an invoice between being looked at
and being taken back, and so that its time zone stands.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import F, Q

from agencyportal.core.locks import lock_row
from billing.lifecycle import FeeRule
from billing.models import PlanVersion, Subscription, SubscriptionChange
from billing.refusals import RefusedError
from clients.models import Client, UsageWindow, User, Workspace
from clients.services import windows

from .period_moves import fit_periods

Kind = SubscriptionChange.Kind
EndReason = Subscription.EndReason
LONGEST_REASON = 500


def hold_workspace(workspace_id: int) -> Workspace:
    """Lock a workspace, its client first, and return it as it is by now."""
    client = lock_row(Client.objects.filter(workspaces=workspace_id))
    workspace = windows.lock_workspace(workspace_id)
    workspace.client = client
    return workspace


def hold(subscription: Subscription) -> Subscription:
    """The subscription as it is with its workspace and client locked, and what periods need."""
    workspace = hold_workspace(subscription.workspace_id)
    found = Subscription.objects.select_related("plan_version__plan", "agency")
    current = found.get(pk=subscription.pk)
    current.workspace = workspace
    return current


def note(
    subscription: Subscription,
    kind: str,
    *,
    effective_at: dt.datetime,
    now: dt.datetime,
    made_by: User | None,
    reason: str = "",
    **more: Any,
) -> SubscriptionChange:
    """Write down what is being done. Raises RefusedError for a reason that is too long."""
    if len(reason) > LONGEST_REASON:
        raise RefusedError(f"Say why in at most {LONGEST_REASON} characters.", field="reason")
    return SubscriptionChange.objects.create(
        agency_id=subscription.agency_id,
        client_id=subscription.client_id,
        workspace_id=subscription.workspace_id,
        subscription=subscription,
        kind=kind,
        effective_at=effective_at,
        in_trial=subscription.is_in_trial(now),
        reason=reason.strip(),
        made_at=now,
        made_by=made_by,
        created_at=now,
        **more,
    )


def set_end(
    subscription: Subscription,
    change: SubscriptionChange,
    ends: dt.datetime | None,
    *,
    end_reason: str,
    rule: FeeRule,
    keeps_once: bool = False,
) -> list[UsageWindow]:
    """Give a subscription another end, and let its periods fit; see `fit_periods`."""
    subscription.end = ends
    subscription.end_reason = end_reason
    subscription.save(update_fields=["end", "end_reason"])
    return fit_periods(
        subscription,
        subscription.workspace,
        change,
        ends=ends,
        rule=rule,
        keeps_once=keeps_once,
    )


def drop_planned(
    subscription: Subscription, *, now: dt.datetime, made_by: User | None
) -> list[Subscription]:
    """Let what was to follow a subscription, and has not begun, never come to be."""
    dropped = []
    for planned in _planned_after(subscription, now):
        change = note(planned, Kind.DROPPED, effective_at=planned.start, now=now, made_by=made_by)
        left = set_end(
            planned, change, planned.start, end_reason=EndReason.ENDED, rule=FeeRule.ANEW
        )
        if left:
            raise RefusedError(f"Something was reserved under {planned} already.")
        dropped.append(planned)
    return dropped


def _planned_after(subscription: Subscription, now: dt.datetime) -> list[Subscription]:
    """What continues a subscription and has yet to begin, the last first."""
    found: list[Subscription] = []
    ids = [subscription.pk]
    while ids:
        planned = list(
            Subscription.objects.filter(continues__in=ids, start__gt=now)
            .filter(not_empty())
            .select_related("plan_version__plan", "agency")
        )
        for each in planned:
            each.workspace = subscription.workspace
        found += planned
        ids = [each.pk for each in planned]
    return sorted(found, key=lambda each: each.start, reverse=True)


def not_empty() -> Q:
    """Subscriptions that came to be."""
    return Q(end=None) | Q(end__gt=F("start"))


def start_after(
    before: Subscription,
    *,
    plan_version: PlanVersion,
    start: dt.datetime,
    end: dt.datetime | None,
    anchor_date: dt.date,
    now: dt.datetime,
    made_by: User | None,
    trial_until: dt.datetime | None = None,
    end_reason: str = "",
    asked_once: bool = False,
) -> Subscription:
    """A subscription that continues another one; its periods are the caller's to make.

    What is asked once is due with it only where the one before has never been charged, and, with
    ``asked_once``, not even then.
    """
    workspace = before.workspace
    never_charged = before.end is not None and before.end <= before.charged_from
    made = Subscription.objects.create(
        agency_id=before.agency_id,
        client_id=before.client_id,
        workspace=workspace,
        plan_version=plan_version,
        currency=workspace.client.currency,
        timezone=workspace.client.timezone,
        anchor_date=anchor_date,
        start=start,
        end=end,
        end_reason=end_reason,
        trial_until=trial_until,
        once_due=(
            before.once_due and before.trial_until is not None and never_charged and not asked_once
        ),
        continues=before,
        created_at=now,
        created_by=made_by,
    )
    made.agency, made.workspace = before.agency, workspace
    return made
