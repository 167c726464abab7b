"""What changing a subscription would come to, found out by doing it and taking it back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from billing.models import Charge, ChargeVoid
from billing.selectors.balances import balances
from clients.models import UsageUnit, Workspace


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """A line that would be written, or, with ``is_taken_back``, a charge that would be."""

    description: str
    amount: Decimal
    bill_at: dt.datetime
    is_taken_back: bool = False


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """The lines of a change, and what would be left of each unit right after it."""

    lines: list[PreviewLine]
    left: list[tuple[UsageUnit, Decimal]]

    @property
    def total(self) -> Decimal:
        """What it adds to what is asked, or takes off it."""
        signs = ((-1 if line.is_taken_back else 1) * line.amount for line in self.lines)
        return sum(signs, Decimal(0))


def preview_change(
    change: Callable[[], object], *, workspace: Workspace, now: dt.datetime
) -> ChangePreview:
    """Make a change in a transaction that is rolled back, and say what came of it.

    Raises what the change raises.
    """
    charges = Charge.objects.filter(workspace=workspace)
    voids = ChargeVoid.objects.filter(charge__workspace=workspace).select_related("charge")
    with transaction.atomic():
        asked = set(charges.values_list("pk", flat=True))
        voided = set(voids.values_list("pk", flat=True))
        change()
        lines = [
            PreviewLine(row.description, row.amount, row.bill_at)
            for row in charges.standing().exclude(pk__in=asked).order_by("bill_at", "pk")
        ]
        lines += [
            PreviewLine(
                row.charge.description, row.charge.amount, row.charge.bill_at, is_taken_back=True
            )
            for row in voids.exclude(pk__in=voided).order_by("pk")
            if row.charge_id in asked
        ]
        left = [(each.unit, each.remaining) for each in balances(workspace=workspace, now=now)]
        transaction.set_rollback(True)
    return ChangePreview(lines, left)
