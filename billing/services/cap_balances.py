"""Makes the balances that caps are held by, with what there was until then.

Recording moves them from then on, reservations and purchases through `cap_holding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction

from billing.selectors.cap_balances import Balance, sums_of
from clients.models import CapBalance, Workspace
from clients.services import windows


class BalancesMissingError(Exception):
    """A cap is in force whose balance of this month does not exist yet: make it, try again."""

    def __init__(self, missing: Sequence[Balance]) -> None:
        super().__init__(f"{len(missing)} balances of caps are missing")
        self.missing = missing


def make_balances(missing: Iterable[Balance]) -> None:
    """Make balances with what there was until now; those that are there already stay.

    Each in its own transaction, with every workspace that counts in it held alone, so that
    nothing is counted between the sum and the row.
    """
    for balance in missing:
        with transaction.atomic():
            ids = Workspace.objects.filter(balance.workspaces).values_list("pk", flat=True)
            windows.lock_workspaces(ids, changes_credit=False)
            used, held = sums_of(balance)
            CapBalance.objects.bulk_create([balance.row(used, held)], ignore_conflicts=True)
