"""What usage is charged so far: overage as it would be priced now, and top-ups bought (ENGINE 8).

Overage is priced as closing would price it, from the waterfall of what is counted. The balance of
the workspace says what came of it when it was last looked at; what has changed since goes on to
its client and its agency. Whoever changes what overage costs looks again, in its own transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Sum

from agencyportal.core.money import BIGINT_MAX, unscaled
from billing.capacity import Capacity, cover_of
from billing.models import BillingPeriod, Charge, LineKind, PeriodUsage, Reservation
from billing.selectors.balances import Balance, Held, open_balances
from billing.selectors.cap_balances import Balance as OwnBalance
from billing.selectors.caps import limits_over
from clients.caps import month_of, starts_within
from clients.metering import PLACES
from clients.models import CapBalance, CapKind, CapLevel, UsageWindow, Workspace
from clients.services import windows

from .cap_holding import add_spend, lock_balances
from .overage import MarginRules, price_overage

ZERO: Final = Decimal(0)
MOST: Final = unscaled(BIGINT_MAX, PLACES)
"""As much as a window can count."""


def look(
    *, workspace: Workspace, months: Iterable[dt.date], window_ids: Collection[int] = ()
) -> None:
    """Work out again what a workspace is charged in some months, and count what has changed.

    Does nothing where no spend cap is set over it. Call it in a transaction with the workspace
    held; reads ``workspace.client``. In ``window_ids``, which are locked, it writes down how far
    credit covers usage, so that recording need not look again before.
    """
    wanted = sorted(set(months))
    locked = lock_balances(workspace, wanted)  # of all months at once, as recorders lock them
    for month in wanted:
        rows = [row for row in locked if row.kind == CapKind.SPEND and row.month == month]
        if rows:
            own = own_balance(workspace, month)
            others = [row.pk for row in rows if row.level != CapLevel.WORKSPACE]
            charged, open_units = _charged(workspace, month)
            changed = charged - own.spend_used
            if changed:
                mine = CapBalance.objects.filter(
                    pk__in=[own.pk, *others], currency=workspace.client.currency
                )
                mine.update(spend_used=F("spend_used") + changed)
            for balance in open_units if window_ids else ():
                _note_cover(balance, window_ids)


def _note_cover(balance: Balance, window_ids: Collection[int]) -> None:
    cover = cover_of(balance.result, balance.bounds)
    if not _may_be_charged(balance):
        cover = Capacity(limit=MOST, since=balance.period.start, until=balance.period.end)
    if cover is not None:
        UsageWindow.objects.filter(
            pk__in=window_ids,
            workspace_id=balance.period.workspace_id,
            unit_id=balance.unit.pk,
            start=balance.period.start,
        ).update(covered=cover.limit, covered_since=cover.since, covered_until=cover.until)


def _may_be_charged(balance: Balance) -> bool:
    return balance.allowance is not None and balance.allowance.overage.is_charged


def prepare(balance: OwnBalance) -> None:
    """Make the own balances of spend of the workspaces that count in one, with what each was
    charged so far. Each in its own transaction, held alone."""
    first, last = starts_within(balance.month)
    began = BillingPeriod.objects.filter(start__gte=first, start__lt=last)
    spaces = Workspace.objects.filter(
        balance.workspaces, client__currency=balance.currency, pk__in=began.values("workspace")
    )
    for workspace_id in spaces.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            workspace = windows.lock_workspace(workspace_id, changes_credit=False)
            lock_balances(workspace, [balance.month])
            own_balance(workspace, balance.month)
            look(workspace=workspace, months=[balance.month])


def look_everywhere(*, workspace: Workspace) -> None:
    """The same of every month that an open period counts in: after credit was given or taken."""
    if CapBalance.objects.over(workspace).filter(kind=CapKind.SPEND).exists():
        starts = workspace.periods.open().values_list("start", flat=True)
        look(workspace=workspace, months={month_of(start) for start in starts})


def own_balance(workspace: Workspace, month: dt.date) -> CapBalance:
    """The workspace's own balance of spend, made with nothing in it where there is none.

    Locked. Call it with the other balances locked.
    """
    balance = OwnBalance(
        agency_id=workspace.agency_id,
        client_id=workspace.client_id,
        workspace_id=workspace.pk,
        kind=CapKind.SPEND,
        unit_id=None,
        currency=workspace.client.currency,
        month=month,
    )
    CapBalance.objects.bulk_create([balance.row()], ignore_conflicts=True)
    return CapBalance.objects.select_for_update(of=("self",), no_key=True).get(key=balance.key)


def hold_more(workspace: Workspace, month: dt.date, held: Held) -> Decimal:
    """What the overage of a workspace comes to beyond what is counted and held already, if
    everything ``held`` is used. Call it with all balances locked."""
    own = own_balance(workspace, month)
    return spend_of(workspace, month, held) - own.spend_used - own.spend_held


def buy(
    *,
    workspace: Workspace,
    month: dt.date,
    amount: Decimal,
    now: dt.datetime,
    is_paid: bool = False,
) -> None:
    """Count a price that was just charged to a workspace, held alone, in a period of a month.

    Raises NotAdmittedError where a cap does not allow it: roll back. What ``is_paid`` counts
    whatever the caps say: they were asked before it was paid. A cap's balances have to be there
    (`caps.make_ready`).
    """
    limits = {} if is_paid else limits_over(workspace, now=now)
    rows = [row for row in lock_balances(workspace, [month]) if row.kind == CapKind.SPEND]
    if not rows:
        return
    own = own_balance(workspace, month)
    others = [row for row in rows if row.level != CapLevel.WORKSPACE]
    add_spend(workspace, [own, *others], amount, limits)
    look(workspace=workspace, months=[month])  # credit may cover what was overage


def is_covered(window: UsageWindow, now: dt.datetime) -> bool:
    """Whether credit is known to cover what is used and held of a unit, all of what is held being
    of the same segment as ``now``. Then none of it is charged, nor does it change what anything
    else is. Call it with the workspace held, after a reservation was taken from the window."""
    covers = UsageWindow.objects.filter(
        pk=window.pk,
        covered_since__lte=now,
        covered_until__gt=now,
        covered__gte=F("used") + F("reserved"),
    )
    mine = UsageWindow.objects.filter(workspace=window.workspace_id, unit=window.unit_id)
    held_before = Reservation.objects.open().filter(
        workspace=window.workspace_id,
        unit=window.unit_id,
        reserved_at__lt=OuterRef("covered_since"),
    )
    used_later = mine.filter(start__gt=window.start, events__gt=0)
    return covers.filter(~Exists(held_before), ~Exists(used_later)).exists()


def spend_of(workspace: Workspace, month: dt.date, held: Held | None = None) -> Decimal:
    """Overage and top-ups of a workspace's periods of a month, net, in the client's currency.

    Closed ones as they were charged; open ones as they would be if they closed now.
    """
    return _charged(workspace, month, held)[0]


def _charged(
    workspace: Workspace, month: dt.date, held: Held | None = None
) -> tuple[Decimal, list[Balance]]:
    """What a workspace is charged in a month, and the units of its open periods."""
    first, last = starts_within(month)
    periods = list(
        BillingPeriod.objects.filter(
            workspace=workspace,
            start__gte=first,
            start__lt=last,
            currency=workspace.client.currency,
        )
    )
    top_ups = Charge.objects.filter(period__in=periods, kind=LineKind.TOP_UP)
    closed = PeriodUsage.objects.filter(period__in=periods)
    total = (top_ups.aggregate(total=Sum("amount"))["total"] or ZERO) + (
        closed.aggregate(total=Sum("overage_amount"))["total"] or ZERO
    )
    ids = {period.pk for period in periods if period.state != BillingPeriod.State.CLOSED}
    if not ids:
        return total, []
    rules = MarginRules(periods)
    settled = open_balances(workspace=workspace, until=last, held=held)
    mine = [balance for each in settled for balance in each if balance.period.pk in ids]
    return total + sum((_price(balance, rules) for balance in mine), ZERO), mine


def _price(balance: Balance, rules: MarginRules) -> Decimal:
    """What the overage of a unit would be charged at, if its period closed now."""
    if balance.allowance is None:
        return ZERO
    price = price_overage(
        balance.period,
        balance.unit.pk,
        balance.allowance.overage,
        balance.result,
        balance.cost,
        rules,
        balance.billed,
    )
    return ZERO if price is None else price.amount
