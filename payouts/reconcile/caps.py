"""What counts against caps, added up again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from django.db.models import Sum

from billing.models import Reservation
from billing.selectors.cap_balances import Balance, sums_of
from billing.services.spend import spend_of
from clients.caps import starts_within
from clients.models import CapBalance, CapKind, CapLevel

from .findings import Checked, Finding, compare
from .scope import Scope

SUBJECT: Final = "Caps"
ZERO: Final = Decimal(0)


def check_caps(scope: Scope) -> Iterator[Finding]:
    """Every balance is what windows, quarter hours and open reservations come to; of spend, what
    the workspace's overage and top-ups are priced at, and the sum of these above it."""
    rows = scope.of(CapBalance.objects.select_related("workspace__client", "unit", "client"))
    count = 0
    for row in rows.order_by("pk"):
        count += 1
        used, held = _expected(row)
        fields = {f"{row.kind}_used": (row.used, used), f"{row.kind}_held": (row.held, held)}
        yield from compare(SUBJECT, row, str(row), fields)
    if count:
        yield Checked(SUBJECT, count)


def _expected(row: CapBalance) -> tuple[Decimal, Decimal]:
    if row.kind == CapKind.SPEND and row.level == CapLevel.WORKSPACE and row.workspace:
        first, last = starts_within(row.month)
        mine = Reservation.objects.open().filter(
            workspace=row.workspace, window__start__gte=first, window__start__lt=last
        )
        held = mine.aggregate(total=Sum("spend"))["total"] or ZERO
        return spend_of(row.workspace, row.month), held
    balance = Balance(
        agency_id=row.agency_id,
        client_id=row.client_id,
        workspace_id=row.workspace_id,
        kind=CapKind(row.kind),
        unit_id=row.unit_id,
        currency=row.currency,
        month=row.month,
    )
    return sums_of(balance)
