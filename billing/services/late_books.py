"""The frozen books of one unit of a closed period, with what settled late since. Reads only."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q, Sum

from agencyportal.core.money import plain
from billing.late_usage import Change, ClosedUnit
from billing.models import (
    BillingPeriod,
    CreditGrant,
    GrantRevocation,
    GrantUse,
    LateGrantUse,
    LateSettlement,
    PeriodUsage,
)
from billing.plan_documents import AllowanceDocument
from billing.selectors.grants import as_grant
from billing.selectors.periods import bounds_of
from billing.waterfall import GrantKind
from clients.models import UsageUnit
from clients.selectors import counted_quarters

from .late_allowances import ShortAllowance, ahead_keys, grown_key, is_cut_short
from .plans import Terms

ZERO: Final = Decimal(0)
Source = LateGrantUse.Source


@dataclass(slots=True)
class ClosedBooks:
    """The frozen row of one unit of a closed period, with what settled late since."""

    period: BillingPeriod
    unit: UsageUnit
    frozen: PeriodUsage | None
    frozen_uses: list[GrantUse]
    earlier: list[LateSettlement]
    grown: list[CreditGrant]
    """By which late usage has made the allowance grow so far."""

    @classmethod
    def read(cls, period: BillingPeriod, unit: UsageUnit) -> ClosedBooks:
        """``frozen`` is None for a unit outside the period's package."""
        frozen = PeriodUsage.objects.filter(period=period, unit=unit).first()
        uses = GrantUse.objects.filter(period_usage=frozen).select_related("grant__period")
        earlier = LateSettlement.objects.filter(period=period, unit=unit).order_by("number")
        grown = CreditGrant.objects.filter(
            workspace=period.workspace_id, key__startswith=grown_key(period, unit)
        )
        return cls(
            period,
            unit,
            frozen,
            list(uses.order_by("pk")) if frozen is not None else [],
            list(earlier.prefetch_related("uses__grant", "uses__returned_as")),
            list(grown.select_related("period").order_by("pk")),
        )

    @property
    def next_number(self) -> int:
        return len(self.earlier) + 1

    def total(self, field: str) -> Decimal:
        """The sum of a field over all that settled late."""
        return sum((getattr(row, field) for row in self.earlier), ZERO)

    @property
    def came_back(self) -> set[int]:
        """The grants with which units came back that corrections freed."""
        uses = [use for row in self.earlier for use in row.uses.all()]
        return {use.returned_as_id for use in uses if use.returned_as_id is not None}

    def as_unit(self, frozen: PeriodUsage) -> ClosedUnit:
        """The unit as the core sees it."""
        uses = [use for row in self.earlier for use in row.uses.all()]
        returned: dict[int, Decimal] = defaultdict(Decimal)
        drawn: dict[int, Decimal] = defaultdict(Decimal)
        for use in uses:
            if use.source == Source.CREDIT:
                drawn[use.grant_id] += use.quantity
            elif use.returned_as is not None:
                returned[use.grant_id] += use.returned_as.quantity
        pool = [(use.grant, use.consumed + use.expired) for use in self.frozen_uses]
        pool += [(grant, grant.quantity) for grant in self.grown]
        return ClosedUnit(
            period=bounds_of(self.period),
            grants=[as_grant(grant, quantity - returned[grant.pk]) for grant, quantity in pool],
            buckets=self._buckets(),
            drawn={grant_id: quantity for grant_id, quantity in drawn.items() if quantity},
            overage=frozen.overage + self.total("overage"),
        )

    def short_allowance(self, terms: Terms) -> ShortAllowance | None:
        """The allowance as it stands; None where the period reached its boundary."""
        document = allowance_of(terms, self.unit)
        if document is None or not is_cut_short(self.period, document):
            return None
        own = [use for use in self.frozen_uses if use.grant.kind == GrantKind.ALLOWANCE]
        grants = {use.grant_id for use in own} | {grant.pk for grant in self.grown}
        late = [use for row in self.earlier for use in row.uses.all() if use.grant_id in grants]
        revocations = GrantRevocation.objects.filter(grant__in=grants)
        by_hand = revocations.exclude(key__startswith=f"end:{self.period.pk}:")
        at_close, since = ahead_keys(self.period)
        ahead = GrantRevocation.objects.filter(
            Q(key__startswith=at_close) | Q(key__startswith=since),
            workspace=self.period.workspace_id,
            grant__unit=self.unit,
        )
        return ShortAllowance(
            period=self.period,
            unit=self.unit,
            document=document,
            opened=sum((use.opening for use in own), ZERO),
            given=sum((use.opening - use.revoked for use in own), ZERO)
            + sum((grant.quantity for grant in self.grown), ZERO),
            consumed=sum((use.consumed for use in own), ZERO)
            + sum((use.quantity for use in late), ZERO),
            revoked=total_of(by_hand.aggregate(total=Sum("quantity"))),
            taken_ahead=list(ahead.select_related("grant__period")),
            returned=sum((use.returned_as.quantity for use in late if use.returned_as), ZERO),
        )

    def next_allowances(self) -> list[CreditGrant]:
        """The unit's allowance in the open period that follows, where one does."""
        following = BillingPeriod.objects.open().filter(
            workspace=self.period.workspace_id, start=self.period.end
        )
        allowances = CreditGrant.objects.filter(
            period__in=following, unit=self.unit, kind=CreditGrant.Kind.ALLOWANCE
        )
        return list(allowances.select_related("period").order_by("pk"))

    def _buckets(self) -> dict[dt.datetime, Decimal]:
        counted = counted_quarters(
            workspace_id=self.period.workspace_id,
            unit_id=self.unit.pk,
            start=self.period.start,
            end=self.period.end,
        )
        buckets = {row.start: row.quantity for row in counted}
        for settled in self.earlier:
            for start, quantity in read_buckets(settled.buckets).items():
                buckets[start] = buckets.get(start, ZERO) + quantity
        return buckets


def write_buckets(changes: Sequence[Change]) -> dict[str, str]:
    """Changes by quarter hour, as a settlement keeps them."""
    sums: dict[dt.datetime, Decimal] = defaultdict(Decimal)
    for change in sorted(changes):
        sums[change.start] += change.quantity
    return {start.isoformat(): plain(quantity) for start, quantity in sums.items() if quantity}


def read_buckets(stored: dict[str, str]) -> dict[dt.datetime, Decimal]:
    return {dt.datetime.fromisoformat(start): Decimal(q) for start, q in stored.items()}


def allowance_of(terms: Terms, unit: UsageUnit) -> AllowanceDocument | None:
    return next((a for a in terms.plan.allowances if a.unit == unit.slug), None)


def total_of(found: dict[str, Any]) -> Decimal:
    return found["total"] or ZERO
