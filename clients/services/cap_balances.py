"""Moves the balances that caps are held by, in the transaction that moves what they count.

Lock order: after the windows; units, then cost, then spend; of each the workspace's, the
client's, the agency's (`CapBalanceQuerySet.in_lock_order`).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from typing import Final

from django.db.models import Case, F, Q, When

from agencyportal.core.money import unscaled
from clients import costing, metering
from clients.caps import month_of
from clients.models import CapBalance, CapKind, UsageWindow, Workspace
from clients.tally import Tally

from .listeners import spend_changed

ZERO: Final = Decimal(0)
_COVERED: Final = Q(covered_until__isnull=False, used__lte=F("covered"))


def count(workspace: Workspace, tally: Tally, *, sign: int = 1, alone: bool = True) -> None:
    """Add what was just counted to the balances of the caps over a workspace; with a ``sign`` of
    -1, take away what was just taken off the sums. Call it with the windows locked.

    What usage is charged is worked out again where credit is not known to cover it. ``alone``:
    with the workspace held alone, so that credit may still change in the same transaction, and
    nobody writes down how far it covers usage.
    """
    units, costs, uncovered = _changes(tally, sign)
    months = {month for _, month in units}
    spends = Q(kind=CapKind.SPEND)
    rows = list(
        CapBalance.objects.over(workspace)
        .filter(~spends | Q(month__in=uncovered), month__in=months)
        .select_for_update(of=("self",), no_key=True)
        .in_lock_order()
    )
    currency = workspace.client.currency
    for row in rows:
        mine = CapBalance.objects.filter(pk=row.pk)
        if row.kind == CapKind.UNITS:
            if more := units.get((row.unit_id, row.month)):
                mine.update(units_used=F("units_used") + more)
        elif row.kind == CapKind.COST and row.currency == currency and costs[row.month]:
            mine.update(cost_used=F("cost_used") + costs[row.month])
    if spent := sorted({row.month for row in rows if row.kind == CapKind.SPEND}):
        counted = tally.windows.keys() | tally.costs.keys()
        spend_changed(workspace, spent, frozenset() if alone else frozenset(counted))


def lock_over(workspaces: Collection[Workspace]) -> None:
    """Lock, in one order, every balance that usage of some workspaces may count in, whatever the
    month. Whoever counts more than once in a transaction takes them all beforehand: those of a
    second workspace, or of another month, lie before the agency's of the first, and a recorder
    between them would wait for ever. Call it with the workspaces held alone."""
    if workspaces:
        rows = CapBalance.objects.over_any(workspaces).in_lock_order()
        list(rows.select_for_update(of=("self",), no_key=True).values_list("pk"))


def _changes(
    tally: Tally, sign: int
) -> tuple[dict[tuple[int | None, dt.date], Decimal], dict[dt.date, Decimal], set[dt.date]]:
    """Units by unit and month, and cost by month; the months in which something that changed may
    be charged."""
    units: dict[tuple[int | None, dt.date], Decimal] = defaultdict(Decimal)
    costs: dict[dt.date, Decimal] = defaultdict(Decimal)
    uncovered: set[dt.date] = set()
    windows = UsageWindow.objects.filter(pk__in=tally.windows.keys() | tally.costs.keys())
    is_covered = Case(When(_COVERED, then=True), default=False)
    rows = windows.values_list("pk", "unit_id", "start", is_covered)
    for pk, unit_id, start, covers in rows:
        month = month_of(start)
        if not covers:
            uncovered.add(month)
        used = tally.windows[pk].used if pk in tally.windows else 0
        units[unit_id, month] += sign * unscaled(used, metering.PLACES)
        costs[month] += sign * unscaled(tally.costs.get(pk, 0), costing.PLACES)
    return units, costs, uncovered
