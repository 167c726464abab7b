"""Credit grants: those that plans, periods and purchases call for, and what became of each."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from billing.models import BillingPeriod, CreditGrant, GrantUse
from clients.models import UsageUnit

from .findings import Checked, Finding, compare, difference, missing, unexpected
from .periods import WorkspaceBooks

SUBJECT: Final = "Credit grants"
ZERO: Final = Decimal(0)

ExpectedGrants = dict[str, tuple[BillingPeriod, UsageUnit, Decimal]]
"""By key: the period that a grant lasts for, its unit and its quantity."""


def check_grants(
    books: WorkspaceBooks, expected: Mapping[str, tuple[BillingPeriod, UsageUnit, Decimal]]
) -> Iterator[Finding]:
    """Grants that plans and periods call for exist with their quantity; and every grant is
    accounted for: granted = consumed + expired + rolled over + what is left."""
    wanted = dict(expected)
    for row in books.grants:
        name = f"{row.kind} grant {row.key} of {books.workspace}"
        if row.key in wanted:
            period, unit, quantity = wanted.pop(row.key)
            fields = {
                "quantity": (row.quantity, quantity),
                "unit": (row.unit_id, unit.pk),
                "period": (row.period_id, period.pk),
                "effective_at": (row.effective_at, period.start),
                "expires_at": (row.expires_at, period.end),
            }
            yield from compare(SUBJECT, row, name, fields)
        elif row.kind in (CreditGrant.Kind.ALLOWANCE, CreditGrant.Kind.ROLLOVER):
            yield unexpected(SUBJECT, row, name, row.quantity)
        yield from _check_purchase(row, name)
    for key, (_period, unit, quantity) in wanted.items():
        yield missing(SUBJECT, CreditGrant, f"{key} of {books.workspace}", f"{quantity} {unit}")
    yield from _check_conservation(books)
    yield Checked(SUBJECT, len(books.grants))


def _check_purchase(row: CreditGrant, name: str) -> Iterator[Finding]:
    purchase = row.purchase
    if purchase is not None:
        fields = {
            "quantity": (row.quantity, purchase.quantity),
            "unit": (row.unit_id, purchase.unit_id),
            "workspace": (row.workspace_id, purchase.workspace_id),
        }
        yield from compare(SUBJECT, row, name, fields)


def _check_conservation(books: WorkspaceBooks) -> Iterator[Finding]:
    """From the stored rows alone: nothing of a grant is lost or comes from nowhere."""
    starts = {period.pk: period.start for period in books.periods}
    of_grant: dict[int, list[tuple[dt.datetime, GrantUse]]] = defaultdict(list)
    for (period_id, _unit), frozen in books.frozen.items():
        for use in books.uses.get(frozen.pk, {}).values():
            of_grant[use.grant_id].append((starts[period_id], use))
    for row in books.grants:
        uses = [use for _start, use in sorted(of_grant[row.pk], key=lambda pair: pair[0])]
        if uses:
            gone = sum((use.consumed + use.expired + use.rolled_over for use in uses), ZERO)
            accounted = gone + uses[-1].remaining
            if accounted != row.quantity:
                name = f"{row.kind} grant {row.key} of {books.workspace}"
                yield difference(SUBJECT, row, name, "quantity", row.quantity, accounted)
