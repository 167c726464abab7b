"""Settles what changed of one unit of one closed period, beside what it froze (ENGINE 7).

Everything here runs inside the caller's transaction, with the workspace held alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q, Sum

from agencyportal.core.money import plain
from billing.asking import billable
from billing.late_usage import (
    Change,
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
from billing.rating import minimum_shortfall
from billing.selectors.balances import left_of
from billing.selectors.grants import as_grant
from billing.selectors.late_usage import Entry, changes_of, costs_of, late_cost_by_model
from billing.selectors.periods import bounds_of
from billing.selectors.questions import questions_of
from billing.terms import minimum_due
from billing.waterfall import DEFAULT_PRIORITY, Grant, GrantKind

from .late_allowances import Ahead, ShortAllowance, late_ahead_key
from .late_books import ClosedBooks, allowance_of, total_of, write_buckets
from .overage import MarginRules, OveragePrice, price_overage
from .plans import Terms
from .settlements import revocation

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
    short: ShortAllowance | None = None
    if books.frozen is not None:
        changes = changes_of(books.period, books.unit.pk, entries, number=number)
        short = books.short_allowance(terms)
        if short is not None:
            _grow_allowance(books, books.frozen, short, changes, credit, now)
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
            pricing=entry.pricing,
            settlement=settlement,
            created_at=now,
        )
        for entry in entries
    )
    _write_uses(settlement, result, credit, now, None if short is None else short.ahead())
    return settlement


def _grow_allowance(
    books: ClosedBooks,
    frozen: PeriodUsage,
    short: ShortAllowance,
    changes: Sequence[Change],
    credit: dict[int, Credit],
    now: dt.datetime,
) -> None:
    """Neither an early end nor a change of plan turns included usage into overage, however late
    that is reported. Under a change it is the next allowance's that is used, as far as that is
    left; before it, what came back of what was used ahead."""
    if short.goes_on:
        came_back = [item for grant_id, item in credit.items() if grant_id in books.came_back]
        uncovered = settle_late(books.as_unit(frozen), changes, came_back).overage
        growth = _taken_ahead(books, short.growth_ahead(uncovered), now)
    else:
        used = frozen.used + books.total("quantity")
        growth = short.growth(used + sum((change.quantity for change in changes), ZERO))
    if growth:
        grown = short.grown(growth, books.next_number, now)
        grown.save(force_insert=True)
        books.grown.append(grown)


def _taken_ahead(books: ClosedBooks, quantity: Decimal, now: dt.datetime) -> Decimal:
    """Take up to ``quantity`` back of what is unused of the next allowance; how much that was."""
    taken = ZERO
    for grant in books.next_allowances() if quantity else ():
        part = min(quantity - taken, left_of(grant, now=now))
        if part > 0:
            revocation(
                books.period,
                grant.pk,
                part,
                key=f"{late_ahead_key(books.period, books.next_number)}{grant.pk}",
                reason="Used ahead under the plan before, and reported late",
                now=now,
            ).save(force_insert=True)
            taken += part
    return taken


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
    allowance = allowance_of(terms, books.unit)
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


def late_minimum(period: BillingPeriod, terms: Terms, more_overage: Decimal) -> Decimal:
    """What more overage of a closed period changes in what it lacked to its minimum."""
    minimum = terms.plan.minimum_commitment
    if minimum is None or not more_overage:
        return ZERO
    due = minimum_due(minimum, bounds_of(period), period.timezone, period.currency)
    charged = total_of(period.usage.aggregate(total=Sum("overage_amount")))
    charged += total_of(period.late_settlements.aggregate(total=Sum("overage_amount")))
    # What was taken off at the close; what discounts take off late usage itself comes after.
    discounts = Q(
        kind=LineKind.DISCOUNT, details__group="overage", created_at__lte=period.closed_at
    )
    others = Q(kind=LineKind.TOP_UP) | discounts
    charged += total_of(period.charges.filter(others).aggregate(total=Sum("amount")))
    return minimum_shortfall(due, charged + more_overage) - minimum_shortfall(due, charged)


# --- Grants ------------------------------------------------------------------------------------


def _write_uses(
    settlement: LateSettlement,
    result: LateResult,
    credit: dict[int, Credit],
    now: dt.datetime,
    ahead: Ahead | None,
) -> None:
    """What was taken of which grant; freed units come back where their grant still goes on, and
    where they were used ahead of the next allowance."""
    grants = CreditGrant.objects.in_bulk(
        [int(grant_id) for grant_id in (*result.from_period, *result.drawn)]
    )
    uses = [
        (source, grants[int(grant_id)], quantity)
        for source, taken in ((Source.PERIOD, result.from_period), (Source.CREDIT, result.drawn))
        for grant_id, quantity in taken.items()
    ]
    for source, grant, quantity in uses:
        back = freed_grant(settlement, source, grant, quantity, now, ahead)
        if back is not None:
            back.save(force_insert=True)
        ahead = still_ahead(ahead, grant, source, quantity)
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
    ahead: Ahead | None = None,
) -> CreditGrant | None:
    """The adjustment, not saved yet, with which freed units come back; None where nothing does.

    It has the original's own times, so that it covers what the original would have covered. Units
    of an allowance that were used ahead come back as long as the next one would last.
    """
    if quantity >= 0:
        return None
    core: Grant = as_grant(grant, grant.quantity)
    expires_at, freed = grant.expires_at, -quantity
    if ahead is not None and _is_ahead(grant, source):
        expires_at, freed = ahead.until, ahead.owed(freed)
    elif not goes_on(core, bounds_of(settlement.period)):
        return None
    if not freed or (expires_at is not None and expires_at <= now):
        return None
    return CreditGrant(
        agency_id=settlement.agency_id,
        workspace_id=settlement.workspace_id,
        unit_id=settlement.unit_id,
        kind=GrantKind.ADJUSTMENT.value,
        quantity=freed,
        priority=DEFAULT_PRIORITY[GrantKind.ADJUSTMENT],
        effective_at=grant.effective_at,
        expires_at=expires_at,
        reason=f"Freed by a correction of the period from {settlement.period.start:%Y-%m-%d}",
        key=f"late:{settlement.pk}:{source}:{grant.pk}",
        created_at=now,
    )


def still_ahead(
    ahead: Ahead | None, grant: CreditGrant, source: str, quantity: Decimal
) -> Ahead | None:
    """What is left of it once some units of a grant were taken, or freed."""
    if ahead is None or quantity >= 0 or not _is_ahead(grant, source):
        return ahead
    return ahead.without(-quantity)


def _is_ahead(grant: CreditGrant, source: str) -> bool:
    return source == Source.PERIOD and grant.kind == GrantKind.ALLOWANCE
