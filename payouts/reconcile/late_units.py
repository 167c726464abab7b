"""One unit of a closed period, as late usage moves it on: its books in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from agencyportal.core.money import plain
from billing.late_usage import Change, ClosedUnit, Credit, settle_late
from billing.models import (
    BillingPeriod,
    CreditGrant,
    GrantRevocation,
    LateGrantUse,
    LateSettlement,
)
from billing.selectors import as_grant
from billing.selectors.periods import bounds_of
from billing.services.late_allowances import (
    LATE_AHEAD,
    ShortAllowance,
    ahead_keys,
    is_cut_short,
    late_ahead_key,
)
from billing.waterfall import Grant, GrantKind

from .findings import Finding, difference, unexpected
from .grants import REVOCATIONS
from .periods import Settled, WorkspaceBooks

ZERO: Final = Decimal(0)


@dataclass(slots=True)
class LateUnit:
    """One unit of a closed period, with what was recomputed of its late usage so far."""

    settled: Settled
    pool: dict[int, Decimal]
    buckets: dict[dt.datetime, Decimal]
    used: Decimal
    overage: Decimal
    amount: Decimal
    cost: Decimal
    drawn: dict[int, Decimal] = field(default_factory=dict)
    grants: dict[int, Grant] = field(default_factory=dict)
    grown: dict[int, CreditGrant] = field(default_factory=dict)
    """By which late usage made the allowance grow, as stored."""
    came_back: set[int] = field(default_factory=set)
    """The grants with which units came back that corrections freed, as stored."""
    more_consumed: Decimal = ZERO
    returned: Decimal = ZERO
    """Of the allowance: consumed late, and what came back for what was used ahead."""

    @classmethod
    def of(cls, settled: Settled) -> LateUnit:
        result = settled.result
        return cls(
            settled=settled,
            pool={int(o.grant.id): o.consumed + o.expired for o in result.grants},
            buckets=dict(settled.usage.buckets),
            used=result.used,
            overage=result.overage,
            amount=settled.price.amount if settled.price else ZERO,
            cost=settled.usage.cost,
            grants={int(o.grant.id): o.grant for o in result.grants},
        )

    @property
    def allowances(self) -> set[int]:
        """The grants that are the period's allowance."""
        own = {pk for pk, grant in self.grants.items() if grant.kind is GrantKind.ALLOWANCE}
        return own | set(self.grown)

    def closed(self, period: BillingPeriod) -> ClosedUnit:
        """As the core sees it."""
        return ClosedUnit(
            period=bounds_of(period),
            grants=[
                replace(self.grants[grant_id], quantity=quantity, revoked=ZERO)
                for grant_id, quantity in sorted(self.pool.items())
            ],
            buckets=self.buckets,
            drawn={grant_id: quantity for grant_id, quantity in self.drawn.items() if quantity},
            overage=self.overage,
        )

    def short_allowance(
        self, books: WorkspaceBooks, period: BillingPeriod, number: int
    ) -> ShortAllowance | None:
        """As its settlement ``number`` sees it, from what was recomputed."""
        terms, unit = books.terms[period.plan_version_id], self.settled.unit
        document = next((a for a in terms.plan.allowances if a.unit == unit.slug), None)
        if document is None or not is_cut_short(period, document):
            return None
        own = [o for o in self.settled.result.grants if o.grant.kind is GrantKind.ALLOWANCE]
        revocations = [row for pk in self.allowances for row in books.revocations.get(pk, ())]
        by_hand = [row for row in revocations if not row.key.startswith(f"end:{period.pk}:")]
        units = {grant.pk: grant for grant in books.grants if grant.unit_id == unit.pk}
        ahead = [
            row
            for pk in units
            for row in books.revocations.get(pk, ())
            if row.key.startswith(ahead_keys(period)) and _late_number(row.key) < number
        ]
        for row in ahead:
            row.grant = units[row.grant_id]
        return ShortAllowance(
            period=period,
            unit=unit,
            document=document,
            opened=sum((o.grant.quantity for o in own), ZERO),
            given=sum((o.grant.quantity - o.revoked for o in own), ZERO)
            + sum((grant.quantity for grant in self.grown.values()), ZERO),
            consumed=sum((o.consumed for o in own), self.more_consumed),
            revoked=sum((row.quantity for row in by_hand), ZERO),
            taken_ahead=ahead,
            returned=self.returned,
        )


def credit_drawn(row: LateSettlement) -> list[Credit]:
    """What a settlement drew of grants that go on, as stored."""
    return [
        Credit(as_grant(use.grant, use.quantity), use.quantity)
        for use in row.uses.all()
        if use.source == LateGrantUse.Source.CREDIT and use.quantity > 0
    ]


def _late_number(key: str) -> int:
    """Which settlement a revocation of what was used ahead is of; 0: of the close."""
    return int(key.split(":")[2]) if key.startswith(LATE_AHEAD) else 0


def grow(
    books: WorkspaceBooks,
    unit: LateUnit,
    row: LateSettlement,
    short: ShortAllowance,
    changes: Sequence[Change],
    returned: dict[str, CreditGrant],
) -> Iterator[Finding]:
    """By what the allowance of a period that stopped early grows before a settlement; joins the
    unit's pool. Where another plan took over, just that was taken from the next allowance."""
    taken = _taken_ahead(books, unit, row)
    if short.goes_on:
        came_back = [item for item in credit_drawn(row) if int(item.grant.id) in unit.came_back]
        uncovered = settle_late(unit.closed(row.period), changes, came_back).overage
        most = short.growth_ahead(uncovered)
        growth = min(most, _total(taken))
    else:
        growth = short.growth(unit.used + sum((change.quantity for change in changes), ZERO))
    for part in taken if not short.goes_on or growth < _total(taken) else ():
        must = f"no more, all of them, than {plain(growth)}"
        name = f"{part.key} of {books.workspace}"
        yield difference(REVOCATIONS, part, name, "quantity", part.quantity, must)
    if not growth:
        return
    grown = short.grown(growth, row.number, row.settled_at)
    returned[grown.key] = grown
    stored = next((grant for grant in books.grants if grant.key == grown.key), None)
    if stored is None:
        return  # `_check_returned` says that it is missing
    unit.grown[stored.pk] = stored
    unit.grants[stored.pk] = as_grant(stored, grown.quantity)
    unit.pool[stored.pk] = grown.quantity


def _taken_ahead(
    books: WorkspaceBooks, unit: LateUnit, row: LateSettlement
) -> list[GrantRevocation]:
    """What the settlement took back of the next allowance, as stored. What was left of that then is
    nowhere written down; the grant's own account bounds it."""
    prefix = late_ahead_key(row.period, row.number)
    mine = {grant.pk for grant in books.grants if grant.unit_id == unit.settled.unit.pk}
    return [
        part
        for pk in sorted(mine)
        for part in books.revocations.get(pk, ())
        if part.key.startswith(prefix)
    ]


def check_taken_late(books: WorkspaceBooks) -> Iterator[Finding]:
    """What late usage took of a next allowance is of a settlement; `grow` says how much."""
    settled = {(late_ahead_key(row.period, row.number), row.unit_id) for row in books.late}
    units = {grant.pk: grant.unit_id for grant in books.grants}
    for row in (part for parts in books.revocations.values() for part in parts):
        if row.key.startswith(LATE_AHEAD):
            name = f"{row.key} of {books.workspace}"
            prefix = row.key.rpartition(":")[0] + ":"
            if (prefix, units[row.grant_id]) not in settled:
                yield unexpected(REVOCATIONS, row, name, row.quantity)


def _total(revocations: Sequence[GrantRevocation]) -> Decimal:
    return sum((row.quantity for row in revocations), ZERO)
