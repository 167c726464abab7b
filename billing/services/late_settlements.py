"""Settles what changed of one unit of one closed period, beside what it froze (ENGINE 7).

Everything here runs inside the caller's transaction, with the workspace held alone.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q, Sum

from agencyportal.core.money import plain
from billing.asking import billable
from billing.late_usage import (
    Change,
    ClosedUnit,
    Credit,
    LateResult,
    goes_on,
    overage_by_time,
    settle_late,
)
from billing.models import (
    BillingPeriod,
    CreditGrant,
    LateEntry,
    LateGrantUse,
    LateSettlement,
    LineKind,
    PeriodUsage,
)
from billing.plan_documents import AllowanceDocument
from billing.rating import minimum_shortfall
from billing.selectors.grants import as_grant
from billing.selectors.late_usage import Entry, changes_of, costs_of, late_cost_by_model
from billing.selectors.periods import bounds_of
from billing.selectors.questions import questions_of
from billing.terms import minimum_due
from billing.waterfall import DEFAULT_PRIORITY, Grant, GrantKind
from clients.models import UsageUnit
from clients.selectors import counted_quarters

from .overage import MarginRules, OveragePrice, price_overage
from .plans import Terms

ZERO: Final = Decimal(0)
Source = LateGrantUse.Source


@dataclass(frozen=True, slots=True)
class Totals:
    """What a unit of a closed period comes to, late usage included."""

    used: Decimal
    overage: Decimal


class LateMarginRules(MarginRules):
    """Those of a closed period, to whose cost that of late events is added."""

    def __init__(self, period: BillingPeriod, entries: Sequence[Entry], number: int) -> None:
        super().__init__([period])
        self._entries = entries
        self._number = number

    def cost_by_model(self, period: BillingPeriod, unit_id: int) -> dict[str | None, Decimal]:
        costs = dict(super().cost_by_model(period, unit_id))
        late = late_cost_by_model(period, unit_id, self._entries, number=self._number)
        for model, cost in late.items():
            costs[model] = costs.get(model, ZERO) + cost
        return costs


@dataclass(slots=True)
class ClosedBooks:
    """The frozen row of one unit of a closed period, with what settled late since."""

    period: BillingPeriod
    unit: UsageUnit
    frozen: PeriodUsage | None
    earlier: list[LateSettlement]

    @classmethod
    def read(cls, period: BillingPeriod, unit: UsageUnit) -> ClosedBooks:
        """``frozen`` is None for a unit outside the period's package."""
        frozen = PeriodUsage.objects.filter(period=period, unit=unit).first()
        earlier = LateSettlement.objects.filter(period=period, unit=unit).order_by("number")
        return cls(period, unit, frozen, list(earlier.prefetch_related("uses__grant")))

    @property
    def next_number(self) -> int:
        return len(self.earlier) + 1

    def total(self, field: str) -> Decimal:
        """The sum of a field over all that settled late."""
        return sum((getattr(row, field) for row in self.earlier), ZERO)

    def as_unit(self, frozen: PeriodUsage) -> ClosedUnit:
        """The unit as the core sees it."""
        uses = [use for row in self.earlier for use in row.uses.all()]
        returned: dict[int, Decimal] = defaultdict(Decimal)
        drawn: dict[int, Decimal] = defaultdict(Decimal)
        for use in uses:
            if use.source == Source.CREDIT:
                drawn[use.grant_id] += use.quantity
            elif use.returned_as_id is not None:
                returned[use.grant_id] -= use.quantity
        frozen_uses = frozen.grants.select_related("grant__period").order_by("pk")
        return ClosedUnit(
            period=bounds_of(self.period),
            grants=[
                as_grant(use.grant, use.consumed + use.expired - returned[use.grant_id])
                for use in frozen_uses
            ],
            buckets=self._buckets(),
            drawn={grant_id: quantity for grant_id, quantity in drawn.items() if quantity},
            overage=frozen.overage + self.total("overage"),
        )

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


def settle_unit(
    *,
    books: ClosedBooks,
    terms: Terms,
    entries: Sequence[Entry],
    credit: dict[int, Credit],
    settled_in: BillingPeriod | None,
    now: dt.datetime,
) -> LateSettlement:
    """Settle ``entries`` of one unit of one closed period and write down what became of them.

    ``credit``: grants that go on, by id; what is drawn is taken off it. ``entries`` are all that
    wait of this unit and period, with their events' meters.
    """
    number = books.next_number
    changes: list[Change] = []
    result = LateResult(ZERO, {}, {}, ZERO, {})
    price: OveragePrice | None = None
    overage_amount = minimum_amount = ZERO
    if books.frozen is not None:
        changes = changes_of(books.period, books.unit.pk, entries, number=number)
        result = settle_late(books.as_unit(books.frozen), changes, list(credit.values()))
        price = late_price(books, books.frozen, terms, entries, result)
        new = price.amount if price else ZERO
        overage_amount = new - books.frozen.overage_amount - books.total("overage_amount")
        minimum_amount = late_minimum(books.period, terms, overage_amount)
    platform_cost, agency_cost = costs_of(entries)
    settlement = LateSettlement.objects.create(
        agency_id=books.period.agency_id,
        client_id=books.period.client_id,
        workspace_id=books.period.workspace_id,
        period=books.period,
        unit=books.unit,
        number=number,
        settled_in=settled_in,
        settled_at=now,
        quantity=result.quantity,
        from_period=sum(result.from_period.values(), ZERO),
        from_grants=sum(result.drawn.values(), ZERO),
        overage=result.overage,
        overage_amount=overage_amount,
        minimum_amount=minimum_amount,
        currency=books.period.currency,
        platform_cost=platform_cost,
        agency_cost=agency_cost,
        buckets=write_buckets(changes),
        details=_details(price),
        created_at=now,
    )
    LateEntry.objects.bulk_create(
        LateEntry(
            workspace_id=books.period.workspace_id,
            event=entry.event,
            correction=entry.correction,
            settlement=settlement,
            created_at=now,
        )
        for entry in entries
    )
    _write_uses(settlement, result, credit, now)
    return settlement


def _details(price: OveragePrice | None) -> dict[str, Any]:
    return {} if price is None else {**price.details, "price": plain(price.amount)}


def late_price(
    books: ClosedBooks,
    frozen: PeriodUsage,
    terms: Terms,
    entries: Sequence[Entry],
    result: LateResult,
) -> OveragePrice | None:
    """What all of the period's overage costs now, by the period's own terms."""
    allowance = _allowance(terms, books.unit)
    if allowance is None:
        return None
    totals = Totals(
        used=frozen.used + books.total("quantity") + result.quantity,
        overage=frozen.overage + books.total("overage") + result.overage,
    )
    billed, ask = None, allowance.overage.ask
    if ask is not None:
        by_time = overage_by_time(books.as_unit(frozen), result.buckets, totals.overage)
        asked = questions_of([books.period], {books.period.plan_version_id: terms})
        billed = billable(by_time, ask, asked.get((books.period.pk, books.unit.pk)))
    cost = frozen.platform_cost + frozen.agency_cost
    cost += books.total("platform_cost") + books.total("agency_cost") + sum(costs_of(entries))
    return price_overage(
        books.period,
        books.unit.pk,
        allowance.overage,
        totals,
        cost,
        LateMarginRules(books.period, entries, books.next_number),
        billed,
    )


def _allowance(terms: Terms, unit: UsageUnit) -> AllowanceDocument | None:
    return next((a for a in terms.plan.allowances if a.unit == unit.slug), None)


def late_minimum(period: BillingPeriod, terms: Terms, more_overage: Decimal) -> Decimal:
    """What more overage of a closed period changes in what it lacked to its minimum."""
    minimum = terms.plan.minimum_commitment
    if minimum is None or not more_overage:
        return ZERO
    due = minimum_due(minimum, bounds_of(period), period.timezone, period.currency)
    charged = _sum(period.usage.aggregate(total=Sum("overage_amount")))
    charged += _sum(period.late_settlements.aggregate(total=Sum("overage_amount")))
    # What was taken off at the close; what discounts take off late usage itself comes after.
    discounts = Q(
        kind=LineKind.DISCOUNT, details__group="overage", created_at__lte=period.closed_at
    )
    others = Q(kind=LineKind.TOP_UP) | discounts
    charged += _sum(period.charges.filter(others).aggregate(total=Sum("amount")))
    return minimum_shortfall(due, charged + more_overage) - minimum_shortfall(due, charged)


def _sum(found: dict[str, Any]) -> Decimal:
    return found["total"] or ZERO


# --- Grants ------------------------------------------------------------------------------------


def _write_uses(
    settlement: LateSettlement, result: LateResult, credit: dict[int, Credit], now: dt.datetime
) -> None:
    """What was taken of which grant; freed units come back where their grant still goes on."""
    grants = CreditGrant.objects.in_bulk(
        [int(grant_id) for grant_id in (*result.from_period, *result.drawn)]
    )
    uses = [
        (source, grants[int(grant_id)], quantity)
        for source, taken in ((Source.PERIOD, result.from_period), (Source.CREDIT, result.drawn))
        for grant_id, quantity in taken.items()
    ]
    for source, grant, quantity in uses:
        back = freed_grant(settlement, source, grant, quantity, now)
        if back is not None:
            back.save(force_insert=True)
        LateGrantUse.objects.create(
            settlement=settlement,
            grant=grant,
            source=source,
            quantity=quantity,
            returned_as=back,
            after=grant.uses.order_by("pk").last() if source == Source.CREDIT else None,
        )
        known = credit.get(grant.pk)
        if source == Source.CREDIT and quantity > 0 and known is not None:
            credit[grant.pk] = replace(known, left=known.left - quantity)


def freed_grant(
    settlement: LateSettlement,
    source: str,
    grant: CreditGrant,
    quantity: Decimal,
    now: dt.datetime,
) -> CreditGrant | None:
    """The adjustment, not saved yet, with which freed units come back; None where nothing does.

    It has the original's own times, so that it covers what the original would have covered.
    """
    core: Grant = as_grant(grant, grant.quantity)
    is_over = grant.expires_at is not None and grant.expires_at <= now
    if quantity >= 0 or is_over or not goes_on(core, bounds_of(settlement.period)):
        return None
    return CreditGrant(
        agency_id=settlement.agency_id,
        workspace_id=settlement.workspace_id,
        unit_id=settlement.unit_id,
        kind=GrantKind.ADJUSTMENT.value,
        quantity=-quantity,
        priority=DEFAULT_PRIORITY[GrantKind.ADJUSTMENT],
        effective_at=grant.effective_at,
        expires_at=grant.expires_at,
        reason=f"Freed by a correction of the period from {settlement.period.start:%Y-%m-%d}",
        key=f"late:{settlement.pk}:{source}:{grant.pk}",
        created_at=now,
    )
