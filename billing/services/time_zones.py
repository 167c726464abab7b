"""Moves a client to another time zone, with all that is counted in it (ENGINE 1).

The period in progress keeps its start, its local days and its fees, and runs to the next boundary
in the new zone. What is made beyond it is made anew there. Nothing that has ended moves.
"""

from __future__ import annotations

import datetime as dt
from typing import cast

from django.core.exceptions import ValidationError
from django.db import transaction

from agencyportal.core.fields import validate_timezone
from agencyportal.core.locks import lock_row
from agencyportal.core.periods import Interval, next_boundary_after_zone_change
from billing.lifecycle import FeeRule, fees_boundary_after_zone_change
from billing.models import BillingPeriod, Subscription, SubscriptionChange
from billing.refusals import RefusedError
from billing.selectors.periods import asking_for
from clients.models import Client, User, Workspace
from clients.services import windows

from .changes import Kind, not_empty, note
from .period_moves import move, rehouse_reservations, take_over, withdraw
from .periods import make_periods
from .plans import terms_of
from .trials import move_in_zone


@transaction.atomic
def change_timezone(
    *,
    client: Client,
    timezone: str,
    now: dt.datetime,
    changed_by: User | None = None,
    reason: str = "",
) -> Client:
    """Give a client another time zone (IANA); returns it. The same zone again changes nothing.

    Raises RefusedError for a zone that there is none of. Locks the client's row, then those of all
    its workspaces; whoever puts another one on a plan waits for the client.
    """
    try:
        validate_timezone(timezone)
    except ValidationError as error:
        raise RefusedError(" ".join(error.messages), field="timezone") from None
    current = lock_row(Client.objects.filter(pk=client.pk))
    theirs = Workspace.objects.filter(client=client)
    locked = windows.lock_workspaces(theirs.values_list("pk", flat=True))
    if current.timezone == timezone:
        return current
    before, current.timezone = current.timezone, timezone
    current.save(update_fields=["timezone"])
    for workspace in locked:
        workspace.client = current
        for subscription in _still_to_run(workspace, now):
            change = note(
                subscription,
                Kind.TIMEZONE_CHANGED,
                effective_at=now,
                now=now,
                made_by=changed_by,
                reason=reason,
                from_timezone=before,
                to_timezone=timezone,
            )
            _move(subscription, change, timezone, now)
        make_periods(_still_to_run(workspace, now), now=now)
        rehouse_reservations(workspace)
    return current


def _still_to_run(workspace: Workspace, now: dt.datetime) -> list[Subscription]:
    """The last first, so that what is withdrawn makes room for what is extended."""
    found = list(
        workspace.subscriptions.running_or_planned(now)
        .filter(not_empty())
        .select_related("plan_version__plan", "agency")
        .order_by("-start")
    )
    for subscription in found:
        subscription.workspace = workspace
    return found


def _move(
    subscription: Subscription, change: SubscriptionChange, timezone: str, now: dt.datetime
) -> None:
    before, subscription.timezone = subscription.timezone, timezone
    subscription.save(update_fields=["timezone"])
    workspace, terms = subscription.workspace, terms_of(subscription.plan_version)
    in_trial = subscription.trial_until is not None and now < subscription.trial_until
    if in_trial:
        move_in_zone(subscription, old_timezone=before, now=now)
    for period in subscription.periods.filter(start__gt=now).order_by("-start"):
        left = withdraw(period, workspace, change, terms.of(period), keeps_once=False)
        take_over(workspace, left, None)
    running = subscription.periods.filter(start__lte=now, end__gt=now).first()
    if running is None:
        return
    boundary = (
        subscription.charged_from
        if running.is_trial
        else _boundary(subscription, running, timezone, now)
    )
    asking = asking_for(running)
    fees_boundary = _fees_boundary(asking, boundary, change)
    if subscription.end is not None:
        boundaries = {asking.fees_full_end: fees_boundary, running.full_end: boundary}
        if subscription.end in boundaries:
            _shift_end(subscription, subscription.end, boundaries[subscription.end] or boundary)
    for period in dict.fromkeys((running, asking)):
        full_end = boundary if period == running else period.full_end
        end = _until(subscription, full_end) if period == running else period.end
        fees_full_end = fees_boundary if period == asking else None
        fees_end = fees_full_end and _until(subscription, fees_full_end)
        if (end, full_end, fees_end, fees_full_end) != (
            period.end,
            period.full_end,
            period.fees_end,
            period.fees_full_end,
        ):
            move(
                period,
                workspace,
                change,
                terms.of(period),
                end=end,
                full_end=full_end,
                fees_end=fees_end,
                fees_full_end=fees_full_end,
                rule=FeeRule.KEPT,
            )


def _until(subscription: Subscription, boundary: dt.datetime) -> dt.datetime:
    return boundary if subscription.end is None else min(boundary, subscription.end)


def _fees_boundary(
    asking: BillingPeriod, boundary: dt.datetime, change: SubscriptionChange
) -> dt.datetime | None:
    if asking.fees_full_end is None:
        return None
    return fees_boundary_after_zone_change(
        asking.fees_full_end,
        boundary,
        old_timezone=change.from_timezone,
        new_timezone=change.to_timezone,
    )


def _boundary(
    subscription: Subscription, running: BillingPeriod, timezone: str, now: dt.datetime
) -> dt.datetime:
    return next_boundary_after_zone_change(
        running.start,
        now,
        interval=cast(Interval, subscription.plan_version.period_interval),
        anchor=subscription.anchor_date,
        old_timezone=running.timezone,
        new_timezone=timezone,
    )


def _shift_end(subscription: Subscription, before: dt.datetime, boundary: dt.datetime) -> None:
    """An end that was planned for the boundary moves with it, and so does what takes over."""
    following = subscription.continued_by.filter(start=before).filter(not_empty())
    following.update(start=boundary)
    subscription.end = boundary
    subscription.save(update_fields=["end"])
