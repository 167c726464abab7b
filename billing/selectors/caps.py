"""Which caps hold over a workspace, and how far each is used. Reads only."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db.models import Q, QuerySet

from billing.caps import CapRow, Limit, Scope, in_force
from billing.models import BillingPeriod, Cap
from clients.caps import month_of
from clients.models import CapBalance, CapKind, Client, UsageUnit, Workspace

from .cap_balances import Balance, sums_of

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)


def limits_over(
    workspace: Workspace, *, now: dt.datetime, unit_id: int | None = None
) -> dict[Scope, Limit]:
    """The caps in force over a workspace: its own, its client's, its agency's, in the client's
    currency. ``unit_id``: of units, only this one's. Reads ``workspace.client``; one query."""
    rows = Cap.objects.over(workspace).filter(effective_from__lte=now)
    if unit_id is not None:
        rows = rows.filter(Q(unit=None) | Q(unit=unit_id))
    found = in_force(map(cap_row, rows), now)
    currency = workspace.client.currency
    return {s: limit for s, limit in found.items() if isinstance(s.of, int) or s.of == currency}


def cap_row(cap: Cap) -> CapRow:
    """A stored cap as the core reads it."""
    of = cap.currency if cap.unit_id is None else cap.unit_id
    return CapRow(
        id=cap.pk,
        scope=Scope(int(cap.level), cap.kind, of),
        set_by=cap.set_by,
        effective_from=cap.effective_from,
        limit=cap.amount if cap.quantity is None else cap.quantity,
    )


def scope_of(row: CapBalance) -> Scope:
    return Scope(row.level, row.kind, row.currency if row.unit_id is None else row.unit_id)


@dataclass(frozen=True, slots=True)
class CapUse:
    """A cap that holds, and how far it is used in the month of the periods that run.

    ``workspace`` and ``client``: whose it is; with neither, it is the agency's.
    """

    level: int
    client: Client | None
    workspace: Workspace | None
    kind: str
    unit: UsageUnit | None
    currency: str
    month: dt.date
    limit: Decimal
    set_by: str
    used: Decimal
    held: Decimal

    @property
    def left(self) -> Decimal:
        return max(ZERO, self.limit - self.used - self.held)

    @property
    def share(self) -> Decimal:
        """Used and held of the limit, as a fraction; of a limit of nothing, all of it."""
        return (self.used + self.held) / self.limit if self.limit else ONE


def caps_over(*, workspace: Workspace, now: dt.datetime) -> list[CapUse]:
    """The caps that a workspace's usage counts in, its own first. Two queries without any cap."""
    return _uses(Cap.objects.over(workspace), workspace.periods.all(), now)


def caps_of_client(*, client: Client, now: dt.datetime) -> list[CapUse]:
    """The caps of a client and of its workspaces, the client's first."""
    return _uses(Cap.objects.for_client(client), client.periods.all(), now)[::-1]


def own_caps_of_client(*, client: Client, now: dt.datetime) -> list[CapUse]:
    """The caps that a client has set itself, whether or not the agency's are smaller."""
    own = Cap.objects.for_client(client).filter(set_by=Cap.SetBy.CLIENT)
    return _uses(own, client.periods.all(), now)[::-1]


def caps_of_agency(*, agency_id: int, now: dt.datetime) -> list[CapUse]:
    """The agency's own caps, over all of its clients."""
    caps = Cap.objects.for_agency(agency_id).filter(client=None)
    return _uses(caps, BillingPeriod.objects.for_agency(agency_id), now)


def _uses(caps: QuerySet[Cap], periods: QuerySet[BillingPeriod], now: dt.datetime) -> list[CapUse]:
    rows = list(caps.filter(effective_from__lte=now).select_related("client", "workspace", "unit"))
    if not rows:
        return []
    by_holder: dict[tuple[int | None, int | None], list[Cap]] = defaultdict(list)
    for row in rows:
        by_holder[row.client_id, row.workspace_id].append(row)
    month = _month(periods, now)
    found: list[tuple[Balance, Cap, Limit]] = []
    for of_holder in by_holder.values():
        known = {cap_row(row).scope: row for row in of_holder}
        for scope, limit in in_force(map(cap_row, of_holder), now).items():
            cap = known[scope]
            found.append((_balance_of(cap, month), cap, limit))
    stored = {
        row.key: row
        for row in CapBalance.objects.filter(key__in=[balance.key for balance, _, _ in found])
    }
    uses = [_use(balance, cap, limit, stored.get(balance.key)) for balance, cap, limit in found]
    return sorted(uses, key=lambda use: (use.level, str(use.workspace or ""), use.kind))


def _month(periods: QuerySet[BillingPeriod], now: dt.datetime) -> dt.date:
    running = periods.filter(start__lte=now, end__gt=now).order_by("-start")
    start = running.values_list("start", flat=True).first()
    return month_of(start or now)


def _balance_of(cap: Cap, month: dt.date) -> Balance:
    return Balance(
        agency_id=cap.agency_id,
        client_id=cap.client_id,
        workspace_id=cap.workspace_id,
        kind=CapKind(cap.kind),
        unit_id=cap.unit_id,
        currency=cap.currency,
        month=month,
    )


def _use(balance: Balance, cap: Cap, limit: Limit, row: CapBalance | None) -> CapUse:
    used, held = sums_of(balance) if row is None else (row.used, row.held)
    return CapUse(
        level=int(cap.level),
        client=cap.client,
        workspace=cap.workspace,
        kind=cap.kind,
        unit=cap.unit,
        currency=cap.currency,
        month=balance.month,
        limit=limit.limit,
        set_by=limit.set_by,
        used=used,
        held=held,
    )
