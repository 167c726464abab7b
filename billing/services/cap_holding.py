"""Holds what is asked for against every cap over a workspace (ENGINE 8).

The guard of each is one conditional UPDATE of its balance, `used + held + q <= limit`, in the
transaction of what it admits; never a SELECT beforehand. The limit is the cap in force.

Lock order: workspace -> windows -> balances of units, then cost, then spend; of each the
workspace's, the client's, the agency's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from django.db.models import F, Q

from agencyportal.core.fields import MoneyField, NanosField, QuantityField
from agencyportal.core.money import plain
from billing.caps import Limit, Scope
from billing.models import Reservation
from billing.refusals import NotAdmittedError
from billing.selectors.cap_balances import Balance
from billing.selectors.caps import limits_over, scope_of
from clients.caps import month_of
from clients.models import CapBalance, CapKind, CapLevel, Workspace

from .cap_balances import BalancesMissingError

ZERO: Final = Decimal(0)
_FIELDS: Final = {
    CapKind.UNITS: QuantityField,
    CapKind.COST: NanosField,
    CapKind.SPEND: MoneyField,
}


def lock_balances(workspace: Workspace, months: Iterable[dt.date]) -> list[CapBalance]:
    """Lock every balance that a workspace's usage of some months counts in, in order."""
    rows = CapBalance.objects.over(workspace).filter(month__in=list(months))
    return list(rows.select_for_update(of=("self",), no_key=True).in_lock_order())


def hold(
    workspace: Workspace,
    *,
    month: dt.date,
    unit_id: int,
    quantity: Decimal,
    cost: Decimal | None,
    spend: Callable[[], Decimal] | None,
    covered: Callable[[], bool] = lambda: False,
    now: dt.datetime,
) -> Decimal:
    """Hold units and money against every cap over a workspace; returns the overage that is held.

    ``cost`` None: not known; then a cost cap must have something left. ``spend`` says what the
    units would add to overage once all balances are locked; None: their overage is not charged.
    ``covered`` says whether credit is known to cover them and all that is held of their unit.
    Call it with the workspace held and the window taken.

    Raises NotAdmittedError at the first cap that does not allow it: roll back. Raises
    BalancesMissingError where a balance has yet to be made.
    """
    limits = limits_over(workspace, now=now, unit_id=unit_id)
    if spend is None:
        limits = {scope: found for scope, found in limits.items() if scope.kind != CapKind.SPEND}
    mine = Q(unit=None) | Q(unit=unit_id)
    rows = list(CapBalance.objects.over(workspace).filter(mine, month=month).in_lock_order())
    _require(workspace, limits, rows, month)
    overage = ZERO
    has_spend = spend is not None and any(row.kind == CapKind.SPEND for row in rows)
    if spend is not None and has_spend and not covered():
        lock_balances(workspace, [month])
        overage = spend()
        # With the workspace's own balance, which may have been made just now.
        rows = list(CapBalance.objects.over(workspace).filter(mine, month=month).in_lock_order())
    amounts = {CapKind.UNITS: quantity, CapKind.COST: cost or ZERO, CapKind.SPEND: overage}
    for row in _counting(rows, workspace):
        amount, limit = amounts[CapKind(row.kind)], limits.get(scope_of(row))
        needs_rest = row.kind == CapKind.COST and cost is None
        if (amount or needs_rest) and not _take(row, amount, limit, needs_rest=needs_rest):
            raise refusal(workspace, row, amount, limit)
    return overage


def _require(
    workspace: Workspace, limits: Iterable[Scope], rows: Iterable[CapBalance], month: dt.date
) -> None:
    there = {scope_of(row) for row in rows}
    missing = [Balance.of(workspace, scope, month) for scope in limits if scope not in there]
    if missing:
        raise BalancesMissingError(missing)


def _counting(rows: Iterable[CapBalance], workspace: Workspace) -> list[CapBalance]:
    """Without balances in another currency than the client's."""
    currency = workspace.client.currency
    return [row for row in rows if row.unit_id is not None or row.currency == currency]


def _take(row: CapBalance, amount: Decimal, limit: Limit | None, *, needs_rest: bool) -> bool:
    """The guard."""
    used, held = f"{row.kind}_used", f"{row.kind}_held"
    mine = CapBalance.objects.filter(pk=row.pk)
    if limit is not None:
        room = _FIELDS[CapKind(row.kind)].literal(limit.limit - amount) - F(held)
        mine = mine.filter(**{f"{used}__{'lt' if needs_rest else 'lte'}": room})
    return mine.update(**{held: F(held) + amount}) == 1


def give_back(workspace: Workspace, rows: Iterable[Reservation]) -> None:
    """Take settled reservations of a workspace off what is held. With the windows locked."""
    settled = [(month_of(row.window.start), row) for row in rows]
    for balance in _counting(lock_balances(workspace, {m for m, _ in settled}), workspace):
        mine = [row for month, row in settled if month == balance.month]
        match balance.kind:
            case CapKind.UNITS:
                amount = sum((r.quantity for r in mine if r.unit_id == balance.unit_id), ZERO)
            case CapKind.COST:
                amount = sum((row.cost for row in mine), ZERO)
            case _:
                amount = sum((row.spend for row in mine), ZERO)
        if amount:
            held = f"{balance.kind}_held"
            CapBalance.objects.filter(pk=balance.pk).update(**{held: F(held) - amount})


def add_spend(
    workspace: Workspace, rows: Iterable[CapBalance], amount: Decimal, limits: dict[Scope, Limit]
) -> None:
    """Count a price in every spend balance; refused by the first cap that it would pass."""
    for row in _counting(rows, workspace):
        if row.kind != CapKind.SPEND:
            continue
        limit = limits.get(scope_of(row))
        mine = CapBalance.objects.filter(pk=row.pk)
        if limit is not None:
            room = MoneyField.literal(limit.limit - amount) - F("spend_held")
            mine = mine.filter(spend_used__lte=room)
        if mine.update(spend_used=F("spend_used") + amount) != 1:
            raise refusal(workspace, row, amount, limit)


# --- Refusing ----------------------------------------------------------------------------------


def refusal(
    workspace: Workspace, row: CapBalance, amount: Decimal, limit: Limit | None
) -> NotAdmittedError:
    """Which cap refused, how far it is used, and what to do. What an agency's other clients use
    is nobody's business: of its own cap no figures are told."""
    row.refresh_from_db()
    client, agency = workspace.client, workspace.agency
    what = row.unit.plural if row.unit else f"{row.currency} of {WORDS[CapKind(row.kind)]}"
    month = f"{row.month:%B %Y}"
    cap: dict[str, str | None] = {
        "scope": CapLevel(row.level).name.lower(),
        "kind": row.kind,
        "unit": row.unit.slug if row.unit else None,
        "currency": row.currency or None,
        "month": f"{row.month:%Y-%m}",
    }
    if row.level == CapLevel.AGENCY:
        return NotAdmittedError(
            f"{agency}'s own cap on {what} in the periods that begin in {month} leaves no room "
            f"for it. {agency} can raise it.",
            cap=cap,
        )
    most = ZERO if limit is None else limit.limit
    left = max(ZERO, most - row.used - row.held)
    whose = workspace if row.level == CapLevel.WORKSPACE else client
    who = f"An admin of {client}" if limit and limit.set_by == "client" else agency
    cap |= {
        "limit": plain(most),
        "used": plain(row.used),
        "reserved": plain(row.held),
        "left": plain(left),
        "set_by": limit.set_by if limit else None,
    }
    return NotAdmittedError(
        f"{plain(amount)} {what} more would pass the cap of {whose}: {plain(most)} in the periods "
        f"that begin in {month}, of which {plain(row.used)} are used and {plain(row.held)} held, "
        f"so {plain(left)} are left. {who} can raise it.",
        cap=cap,
    )


WORDS: Final = {CapKind.COST: "routed cost", CapKind.SPEND: "overage and top-ups"}
