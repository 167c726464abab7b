"""Works out what can still be taken of each unit, and caches it on the balance rows (ENGINE 8).

`UsageWindow.available` is the most that `used + reserved` may come to; with `available_until` but
without `available` there is no limit. It holds inside one segment (`billing.capacity`). What
changes it from outside makes it void, by clearing `available_until`:

- whoever holds the workspace alone (`windows.lock_workspace`): credit, periods;
- recording, where a quantity changes outside the segment or in an earlier window;
- settling a reservation that was made outside the segment or in an earlier window.

The next reservation then works it out again.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

from django.db.models import Exists, F, OuterRef, Q

from agencyportal.core.fields import QuantityField
from agencyportal.core.locks import lock_rows
from agencyportal.core.periods import quarter_floor
from agencyportal.core.prepared import PreparedUpdate
from billing.selectors.balances import Balance, balances, held_by
from clients.models import UsageWindow, Workspace


def work_out(*, workspace: Workspace, now: dt.datetime) -> None:
    """Write `available` of every window of the workspace in progress at ``now``.

    Call it with the workspace held alone: nothing is recorded, reserved or granted between what
    is read here and the end of the transaction.
    """
    for balance in balances(workspace=workspace, now=now, held=held_by(workspace)):
        _write(balance, now)


def _write(balance: Balance, now: dt.datetime) -> None:
    # The waterfall has burned what is held as well, each at its own time.
    capacity = balance.capacity(now)
    UsageWindow.objects.filter(
        workspace_id=balance.period.workspace_id,
        unit_id=balance.unit.pk,
        start=balance.period.start,
    ).update(
        available=capacity.limit if balance.is_limited else None,
        available_since=capacity.since,
        available_until=capacity.until,
    )


Freed = tuple[UsageWindow, dt.datetime, Decimal]
"""What a reservation held: of which window, since when, how much."""

_FREED: Final = PreparedUpdate(
    lambda slots: (
        UsageWindow.objects.filter(
            ~Exists(
                UsageWindow.objects.filter(
                    workspace=OuterRef("workspace"),
                    unit=OuterRef("unit"),
                    start__gt=OuterRef("start"),
                    available_until__isnull=False,
                )
            ),
            pk=slots.number("window"),
            available_since__lte=slots.instant("at"),
            available_until__gt=slots.instant("at"),
        ),
        {"reserved": F("reserved") - slots.like(QuantityField, "quantity")},
    )
)


def give_back(*, workspace_id: int, unit_id: int, freed: list[Freed]) -> None:
    """Take settled reservations of one unit off `reserved`.

    Locks the unit's windows from the earliest of these on, by key. Call it with the workspace
    held, after the reservations are settled.
    """
    if len(freed) == 1 and _give_back_within(*freed[0]):
        return
    starts = min(window.start for window, _, _ in freed)
    # Of later windows only those that something is cached in, which recording has locked, too:
    # nothing comes after the balances of caps.
    known = Q(pk__in=[window.pk for window, _, _ in freed]) | Q(available_until__isnull=False)
    windows = lock_rows(
        UsageWindow.objects.filter(
            known, workspace_id=workspace_id, unit_id=unit_id, start__gte=starts
        )
    )
    for window in windows:
        mine = [(at, quantity) for whose, at, quantity in freed if whose.pk == window.pk]
        earlier = any(at < window.start for _, at, _ in freed)
        window.reserved -= sum((quantity for _, quantity in mine), Decimal(0))
        if earlier or not all(is_known(window, quarter_floor(at)) for at, _ in mine):
            window.available_until = None
        if mine or earlier:
            window.save(update_fields=["reserved", "available_until"])


def _give_back_within(window: UsageWindow, at: dt.datetime, quantity: Decimal) -> bool:
    """The usual one: made in the segment that is cached, and nothing is cached of a later window,
    where only whoever holds the workspace alone caches it. Nothing becomes void then."""
    return _FREED.run(window=window.pk, at=quarter_floor(at), quantity=quantity) == 1


def is_known(window: UsageWindow, at: dt.datetime) -> bool:
    """Whether what is available in a window is worked out for ``at``, and usage then."""
    since, until = window.available_since, window.available_until
    return since is not None and until is not None and since <= at < until
