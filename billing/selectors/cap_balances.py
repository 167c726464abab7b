"""What a balance of a cap is, and what it must say. Reads only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum

from billing.caps import Scope
from billing.models import Reservation
from clients.caps import starts_within
from clients.models import (
    CapBalance,
    CapKind,
    CapLevel,
    UsageQuarter,
    UsageWindow,
    Workspace,
)

ZERO: Final = Decimal(0)
RANK: Final = {CapKind.UNITS: 1, CapKind.COST: 2, CapKind.SPEND: 3}


@dataclass(frozen=True, slots=True)
class Balance:
    """Which balance: whose, of what, in which month."""

    agency_id: int
    client_id: int | None
    workspace_id: int | None
    kind: CapKind
    unit_id: int | None
    currency: str
    month: dt.date

    @classmethod
    def of(cls, workspace: Workspace, scope: Scope, month: dt.date) -> Balance:
        """The balance of a scope over a workspace."""
        return cls(
            agency_id=workspace.agency_id,
            client_id=None if scope.level == CapLevel.AGENCY else workspace.client_id,
            workspace_id=workspace.pk if scope.level == CapLevel.WORKSPACE else None,
            kind=CapKind(scope.kind),
            unit_id=scope.of if isinstance(scope.of, int) else None,
            currency="" if isinstance(scope.of, int) else scope.of,
            month=month,
        )

    @property
    def level(self) -> CapLevel:
        if self.workspace_id is not None:
            return CapLevel.WORKSPACE
        return CapLevel.AGENCY if self.client_id is None else CapLevel.CLIENT

    @property
    def key(self) -> str:
        return CapBalance.key_of(
            self.kind,
            self.month,
            agency_id=self.agency_id,
            client_id=self.client_id,
            workspace_id=self.workspace_id,
            unit_id=self.unit_id,
            currency=self.currency,
        )

    @property
    def workspaces(self) -> Q:
        """The workspaces whose usage counts in it."""
        if self.workspace_id is not None:
            return Q(pk=self.workspace_id)
        mine = Q(agency=self.agency_id)
        return mine if self.client_id is None else mine & Q(client=self.client_id)

    def row(self, used: Decimal = ZERO, held: Decimal = ZERO) -> CapBalance:
        """An unsaved row."""
        amounts = {f"{self.kind}_used": used, f"{self.kind}_held": held}
        return CapBalance(
            agency_id=self.agency_id,
            client_id=self.client_id,
            workspace_id=self.workspace_id,
            level=self.level,
            kind=self.kind,
            rank=RANK[self.kind],
            unit_id=self.unit_id,
            currency=self.currency,
            month=self.month,
            key=self.key,
            **amounts,
        )


def sums_of(balance: Balance) -> tuple[Decimal, Decimal]:
    """What a balance must say: (used, held), from windows, quarter hours and reservations; of
    spend from the balances of the workspaces."""
    spaces = Workspace.objects.filter(balance.workspaces)
    if balance.currency:
        spaces = spaces.filter(client__currency=balance.currency)
    first, last = starts_within(balance.month)
    mine = UsageWindow.objects.filter(workspace__in=spaces, start__gte=first, start__lt=last)
    match balance.kind:
        case CapKind.UNITS:
            sums = mine.filter(unit=balance.unit_id).aggregate(Sum("used"), Sum("reserved"))
            return sums["used__sum"] or ZERO, sums["reserved__sum"] or ZERO
        case CapKind.COST:
            held = Reservation.objects.open().filter(window__in=mine).aggregate(Sum("cost"))
            return _cost_of(mine), held["cost__sum"] or ZERO
    if balance.level == CapLevel.WORKSPACE:
        return ZERO, ZERO
    own = CapBalance.objects.filter(
        kind=CapKind.SPEND,
        level=CapLevel.WORKSPACE,
        month=balance.month,
        currency=balance.currency,
        workspace__in=spaces,
    )
    sums = own.aggregate(Sum("spend_used"), Sum("spend_held"))
    return sums["spend_used__sum"] or ZERO, sums["spend_held__sum"] or ZERO


def _cost_of(rows: QuerySet[UsageWindow]) -> Decimal:
    """What the calls in some windows cost, whoever pays."""
    quarters = (
        UsageQuarter.objects.filter(
            workspace=OuterRef("workspace"),
            unit=OuterRef("unit"),
            start__gte=OuterRef("start"),
            start__lt=OuterRef("end"),
        )
        .order_by()
        .values("workspace")
        .annotate(cost=Sum(F("platform_cost") + F("agency_cost")))
        .values("cost")
    )
    found = rows.annotate(cost=Subquery(quarters)).values_list("cost", flat=True)
    return sum((cost for cost in found if cost is not None), ZERO)
