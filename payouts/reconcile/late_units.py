"""One unit of a closed period, as late usage moves it on: its books in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from billing.late_usage import Change
from billing.models import BillingPeriod, CreditGrant, LateSettlement
from billing.selectors import as_grant
from billing.services.late_allowances import ShortAllowance, ahead_key, is_cut_short
from billing.waterfall import Grant, GrantKind

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

    def short_allowance(
        self, books: WorkspaceBooks, period: BillingPeriod
    ) -> ShortAllowance | None:
        """As late settlements see it, from what was recomputed."""
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
            if row.key.startswith(ahead_key(period))
        ]
        for row in ahead:
            row.grant = units[row.grant_id]
        return ShortAllowance(
            period=period,
            unit=unit,
            document=document,
            given=sum((o.grant.quantity - o.revoked for o in own), ZERO)
            + sum((grant.quantity for grant in self.grown.values()), ZERO),
            consumed=sum((o.consumed for o in own), self.more_consumed),
            revoked=sum((row.quantity for row in by_hand), ZERO),
            taken_ahead=ahead,
            returned=self.returned,
        )


def grow(
    books: WorkspaceBooks,
    unit: LateUnit,
    row: LateSettlement,
    short: ShortAllowance,
    changes: Sequence[Change],
    returned: dict[str, CreditGrant],
) -> None:
    """By what the allowance of an early end grows before a settlement; joins the unit's pool."""
    used = unit.used + sum((change.quantity for change in changes), ZERO)
    grown = short.grown(used, row.number, row.settled_at)
    if grown is None:
        return
    returned[grown.key] = grown
    stored = next((grant for grant in books.grants if grant.key == grown.key), None)
    if stored is None:
        return  # `_check_returned` says that it is missing
    unit.grown[stored.pk] = stored
    unit.grants[stored.pk] = as_grant(stored, grown.quantity)
    unit.pool[stored.pk] = grown.quantity
