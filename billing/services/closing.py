"""Closes billing periods: burns the grants, freezes the result, charges, settles the windows.

In batches, each a short transaction under the locks of its workspaces' rows. Recording holds the
same rows, so that no event falls between what is read here and what is frozen, and of two closers
the second waits, reads that the periods are closed, and goes on: that costs a moment, where
skipping locked rows would starve a workspace that records all the time. A process that dies on
the way leaves nothing of its batch, and the next one closes those periods from the start.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence

from django.db import transaction

from billing.models import BillingPeriod
from billing.refusals import RefusedError
from clients.services import windows

from .batches import in_batches
from .late_usage import charge_late_usage, settle_pending
from .periods import make_periods
from .plans import terms_by_version
from .settlements import charge, freeze, roll_over, settle_units

_logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with how many periods were tried so far, and of how many that are known to be due."""


class CannotCloseError(RefusedError):
    """The period is not due yet, or an earlier one of its workspace is still open."""


def close_period(*, period_id: int, now: dt.datetime) -> BillingPeriod:
    """Close one period and return it; a period that is closed already is returned as it is.

    Freezes `PeriodUsage` and `GrantUse`, gives the next period what rolls over, writes the
    charges for overage and minimum, and settles the workspace's windows up to the period's end:
    what still arrives for it is late. Where the subscription goes on, the next period exists
    afterwards.

    Raises CannotCloseError before the period is due, and while an earlier one of its workspace is
    open. Locks the workspace's row; commits once.
    """
    closed = _close([period_id], now)
    return closed[0] if closed else BillingPeriod.objects.get(pk=period_id)


def close_due_periods(
    *, now: dt.datetime, limit: int | None = None, progress: Progress | None = None
) -> list[int]:
    """Close every period that is due, oldest first, in batches of a transaction each.

    Each close makes the periods that follow up to ``now``, and those are closed in turn, so that
    a schedule that stood still catches up. What goes wrong with one is logged and written to its
    ``close_error``; later periods of that workspace wait, all others go on. ``limit``: close at
    most so many. Returns the ids of the periods that this call closed.
    """
    closed: list[int] = []
    held: set[int] = set()
    tried = 0

    def close(batch: Sequence[tuple[int, int]]) -> list[BillingPeriod]:
        return _close([period_id for _, period_id in batch], now)

    while due := _due(now, held, limit, len(closed)):
        total = tried + len(due)
        first: dict[int, int] = {}
        for period_id, workspace_id in due:
            first.setdefault(workspace_id, period_id)
        for pieces, done, error in in_batches(list(first.items()), close):
            closed += [period.pk for period in done]
            if error is not None:
                workspace_id, period_id = pieces[0]
                held.add(workspace_id)
                _record(period_id, error)
            tried += len(pieces)
            if progress is not None:
                progress(tried, total)
    return closed


def _due(now: dt.datetime, held: set[int], limit: int | None, closed: int) -> list[tuple[int, int]]:
    left = None if limit is None else max(0, limit - closed)
    due = BillingPeriod.objects.due(now).exclude(workspace_id__in=held)
    return list(due.values_list("pk", "workspace_id")[:left])


def _record(period_id: int, error: Exception) -> None:
    if isinstance(error, CannotCloseError):
        return
    _logger.error("period %s was not closed", period_id, exc_info=error)
    BillingPeriod.objects.open().filter(pk=period_id).update(
        close_error=f"{type(error).__name__}: {error}"
    )


@transaction.atomic
def _close(period_ids: Sequence[int], now: dt.datetime) -> list[BillingPeriod]:
    """Close periods of different workspaces, all or none; those that nobody had closed before."""
    still_open = BillingPeriod.objects.open().filter(pk__in=period_ids)
    workspaces = {
        workspace.pk: workspace
        for workspace in windows.lock_workspaces(still_open.values_list("workspace_id", flat=True))
    }
    related = ("subscription__agency", "subscription__plan_version__plan", "plan_version__plan")
    periods = list(still_open.select_related(*related).order_by("workspace_id"))
    for period in periods:
        period.workspace = period.subscription.workspace = workspaces[period.workspace_id]
    if periods:
        _refuse_unfit(periods, now)
        _settle(periods, now)
    return periods


def _refuse_unfit(periods: Sequence[BillingPeriod], now: dt.datetime) -> None:
    of_workspaces = BillingPeriod.objects.open().filter(
        workspace__in={period.workspace_id for period in periods}
    )
    first: dict[int, BillingPeriod] = {}
    for other in of_workspaces.order_by("start"):
        first.setdefault(other.workspace_id, other)
    for period in periods:
        if period.due_at > now:
            raise CannotCloseError(
                f"{period} is open for late usage until {period.due_at:%Y-%m-%d %H:%M} UTC; "
                "close it then."
            )
        earlier = first[period.workspace_id]
        if earlier.pk != period.pk:
            earlier.workspace = period.workspace
            why = f" It failed with {earlier.close_error}" if earlier.close_error else ""
            raise CannotCloseError(
                f"{earlier} comes before {period} and is open; close it first.{why}"
            )


def _settle(periods: Sequence[BillingPeriod], now: dt.datetime) -> None:
    """Everything that closing writes, in the order in which it depends on each other."""
    settle_pending([period.workspace for period in periods], now=now)
    subscriptions = [period.subscription for period in periods]
    sold = [subscription.plan_version for subscription in subscriptions]
    terms = terms_by_version([*(period.plan_version for period in periods), *sold])
    make_periods(subscriptions, now=now, terms=terms)
    settlements = settle_units(periods, terms, now=now)
    freeze(settlements)
    roll_over(settlements, now)
    charge(periods, terms, settlements, now)
    charge_late_usage(periods, now=now)
    windows.settle_all([(period.workspace, period.end) for period in periods])
    closed = {"state": BillingPeriod.State.CLOSED, "closed_at": now, "close_error": ""}
    BillingPeriod.objects.filter(pk__in=[period.pk for period in periods]).update(**closed)
    for period in periods:
        vars(period).update(closed)
