"""Closes billing periods: burns the grants, freezes the result, charges, settles the windows.

One short transaction for each period, under the lock of its workspace's row. Recording holds the
same row, so that no event falls between what is read here and what is frozen, and of two closers
the second waits, reads that the period is closed, and goes on: that costs a moment, where skipping
locked rows would starve a workspace that records all the time. A process that dies on the way
leaves nothing, and the next one closes the period from the start.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable

from django.db import transaction

from billing.models import BillingPeriod
from billing.refusals import RefusedError
from clients.models import Workspace
from clients.services import windows

from .periods import make_periods
from .plans import terms_of
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
    return _close(period_id, now)[0]


def close_due_periods(
    *, now: dt.datetime, limit: int | None = None, progress: Progress | None = None
) -> list[int]:
    """Close every period that is due, oldest first, each in its own transaction.

    Each close makes the periods that follow up to ``now``, and those are closed in turn, so that
    a schedule that stood still catches up. What goes wrong with one is logged and written to its
    ``close_error``; later periods of that workspace wait, all others go on. ``limit``: close at
    most so many. Returns the ids of the periods that this call closed.
    """
    closed: list[int] = []
    held: set[int] = set()
    tried = 0
    while due := _due(now, held, limit, len(closed)):
        total = tried + len(due)
        for period_id, workspace_id in due:
            if workspace_id not in held and not _close_or_record(period_id, now, closed):
                held.add(workspace_id)
            tried += 1
            if progress is not None:
                progress(tried, total)
    return closed


def _due(now: dt.datetime, held: set[int], limit: int | None, closed: int) -> list[tuple[int, int]]:
    left = None if limit is None else max(0, limit - closed)
    due = BillingPeriod.objects.due(now).exclude(workspace_id__in=held)
    return list(due.values_list("pk", "workspace_id")[:left])


def _close_or_record(period_id: int, now: dt.datetime, closed: list[int]) -> bool:
    """Whether the workspace's next period may be tried."""
    try:
        _, is_ours = _close(period_id, now)
    except CannotCloseError:
        return False
    except Exception as error:
        _logger.exception("period %s was not closed", period_id)
        BillingPeriod.objects.open().filter(pk=period_id).update(
            close_error=f"{type(error).__name__}: {error}"
        )
        return False
    if is_ours:
        closed.append(period_id)
    return True


def _close(period_id: int, now: dt.datetime) -> tuple[BillingPeriod, bool]:
    """The closed period, and whether this call closed it."""
    period = BillingPeriod.objects.get(pk=period_id)
    if period.state == BillingPeriod.State.CLOSED:
        return period, False
    with transaction.atomic():
        workspace = windows.lock_workspace(period.workspace_id)
        period = _read_again(period_id)
        if period.state == BillingPeriod.State.CLOSED:
            return period, False
        _refuse_unfit(period, now)
        _settle(period, workspace, now)
    return period, True


def _read_again(period_id: int) -> BillingPeriod:
    return BillingPeriod.objects.select_related(
        "subscription__agency", "subscription__plan_version__plan", "plan_version__plan"
    ).get(pk=period_id)


def _refuse_unfit(period: BillingPeriod, now: dt.datetime) -> None:
    if period.due_at > now:
        raise CannotCloseError(
            f"{period} is open for late usage until {period.due_at:%Y-%m-%d %H:%M} UTC; "
            "close it then."
        )
    earlier = (
        BillingPeriod.objects.open()
        .filter(workspace_id=period.workspace_id, start__lt=period.start)
        .order_by("start")
        .first()
    )
    if earlier is not None:
        why = f" It failed with {earlier.close_error}" if earlier.close_error else ""
        raise CannotCloseError(f"{earlier} comes before {period} and is open; close it first.{why}")


def _settle(period: BillingPeriod, workspace: Workspace, now: dt.datetime) -> None:
    """Everything that closing writes, in the order in which it depends on each other."""
    terms = terms_of(period.plan_version)
    make_periods(period.subscription, workspace, now=now, terms=terms)
    settlements = settle_units(period, terms, now=now)
    freeze(period, settlements)
    roll_over(period, settlements, now)
    charge(period, terms, settlements, now)
    windows.settle(workspace=workspace, until=period.end)
    period.state = BillingPeriod.State.CLOSED
    period.closed_at = now
    period.close_error = ""
    period.save(update_fields=["state", "closed_at", "close_error"])
