"""Credit grants: those that plans, periods and purchases call for, and what became of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from agencyportal.core.money import plain
from agencyportal.core.periods import quarter_floor
from billing.models import BillingPeriod, CreditGrant, GrantRevocation, GrantUse
from clients.models import UsageUnit

from .findings import Checked, Finding, compare, difference, missing, unexpected
from .periods import WorkspaceBooks

SUBJECT: Final = "Credit grants"
REVOCATIONS: Final = "Revocations"
ZERO: Final = Decimal(0)

ExpectedGrants = dict[str, tuple[BillingPeriod, UsageUnit, Decimal]]
"""By key: the period that a grant lasts for, its unit and its quantity."""

ExpectedRevocations = dict[str, Decimal]
"""By key: what closing takes back where a period ended before its boundary."""

OF_CLOSING: Final = ("end:", "ahead:")
GROWN: Final = "allowance-late:"


def check_grants(
    books: WorkspaceBooks, expected: Mapping[str, tuple[BillingPeriod, UsageUnit, Decimal]]
) -> Iterator[Finding]:
    """Grants that plans and periods call for exist with their quantity; and every grant is
    accounted for: granted = consumed + expired + rolled over + revoked + what is left."""
    wanted = dict(expected)
    for row in books.grants:
        name = f"{row.kind} grant {row.key} of {books.workspace}"
        if row.key in wanted:
            period, unit, quantity = wanted.pop(row.key)
            ends = books.ends_of(period)
            fields = {
                "quantity": (row.quantity, quantity),
                "unit": (row.unit_id, unit.pk),
                "period": (row.period_id, period.pk),
                "effective_at": (row.effective_at, period.start),
                "expires_at": (
                    row.expires_at,
                    row.expires_at if row.expires_at in ends else period.end,
                ),
            }
            yield from compare(SUBJECT, row, name, fields)
        elif row.key.startswith(GROWN):
            pass  # `check_late_usage` says whether late usage calls for it
        elif row.kind in (CreditGrant.Kind.ALLOWANCE, CreditGrant.Kind.ROLLOVER):
            yield unexpected(SUBJECT, row, name, row.quantity)
        yield from _check_purchase(row, name)
    for key, (_period, unit, quantity) in wanted.items():
        yield missing(SUBJECT, CreditGrant, f"{key} of {books.workspace}", f"{quantity} {unit}")
    yield from _check_conservation(books)
    yield Checked(SUBJECT, len(books.grants))


def check_ends(books: WorkspaceBooks, expected: ExpectedRevocations) -> Iterator[Finding]:
    """Where a period ended before its boundary, what it did not come to was taken back, and what
    was used ahead of the plan that took over."""
    wanted = dict(expected)
    for rows in books.revocations.values():
        for row in rows:
            name = f"{row.key} of {books.workspace}"
            if row.key in wanted:
                fields = {"quantity": (row.quantity, wanted.pop(row.key))}
                yield from compare(REVOCATIONS, row, name, fields)
            elif row.key.startswith(OF_CLOSING):
                yield unexpected(REVOCATIONS, row, name, row.quantity)
    for key, quantity in wanted.items():
        yield missing(REVOCATIONS, GrantRevocation, f"{key} of {books.workspace}", quantity)


def _check_purchase(row: CreditGrant, name: str) -> Iterator[Finding]:
    purchase = row.purchase
    if purchase is not None:
        fields = {
            "quantity": (row.quantity, purchase.quantity),
            "unit": (row.unit_id, purchase.unit_id),
            "workspace": (row.workspace_id, purchase.workspace_id),
            "effective_at": (
                row.effective_at,
                purchase.starts_at or quarter_floor(purchase.purchased_at),
            ),
        }
        yield from compare(SUBJECT, row, name, fields)


def _check_conservation(books: WorkspaceBooks) -> Iterator[Finding]:
    """From the stored rows alone: nothing of a grant is lost or comes from nowhere."""
    periods = {period.pk: period for period in books.periods}
    of_grant: dict[int, list[tuple[BillingPeriod, GrantUse]]] = defaultdict(list)
    for (period_id, _unit), frozen in books.frozen.items():
        for use in books.uses.get(frozen.pk, {}).values():
            of_grant[use.grant_id].append((periods[period_id], use))
    drawn: dict[int, Decimal] = defaultdict(Decimal)
    for period in books.periods:
        if period.state == BillingPeriod.State.CLOSED:
            for grant_id, quantity in books.drawn(period).items():
                drawn[grant_id] += quantity
    for row in books.grants:
        uses = sorted(of_grant[row.pk], key=lambda pair: pair[0].start)
        name = f"{row.kind} grant {row.key} of {books.workspace}"
        if uses:
            gone = sum((u.consumed + u.expired + u.rolled_over + u.revoked for _, u in uses), ZERO)
            accounted = gone + drawn[row.pk] + uses[-1][1].remaining
            if accounted != row.quantity:
                yield difference(SUBJECT, row, name, "quantity", row.quantity, accounted)
        yield from _check_revocations(row, uses, books.revocations.get(row.pk, []), name)
    yield Checked(REVOCATIONS, sum(map(len, books.revocations.values())))


def _check_revocations(
    grant: CreditGrant,
    uses: list[tuple[BillingPeriod, GrantUse]],
    revocations: list[GrantRevocation],
    name: str,
) -> Iterator[Finding]:
    """What was revoked before a period closed is in what it froze; what was revoked since is no
    more than it left."""
    seen_until = uses[-1][0].closed_at if uses else None
    settled = [r for r in revocations if seen_until is not None and r.revoked_at <= seen_until]
    since = [r for r in revocations if r not in settled]
    frozen = sum((use.revoked for _, use in uses), ZERO)
    left = uses[-1][1].remaining if uses else grant.quantity
    for row in revocations:
        whose = {"workspace": (row.workspace_id, grant.workspace_id)}
        yield from compare(REVOCATIONS, row, name, whose)
    if _total(settled) != frozen:
        must = f"so that those before the last close come to {plain(frozen)}"
        for row in revocations:
            yield difference(REVOCATIONS, row, name, "quantity", row.quantity, must)
    if _total(since) > left:
        must = f"no more, all of them, than the {plain(left)} that are left"
        for row in since:
            yield difference(REVOCATIONS, row, name, "quantity", row.quantity, must)


def _total(revocations: list[GrantRevocation]) -> Decimal:
    return sum((row.quantity for row in revocations), ZERO)
