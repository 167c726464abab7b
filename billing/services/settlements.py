"""Freezes a period: its waterfalls, what rolls over, and what is charged.

Everything here runs inside `closing`'s transaction, under the lock of the workspace's row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from agencyportal.core.money import plain
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    GrantUse,
    LineKind,
    PeriodUsage,
    PlanAllowance,
)
from billing.plan_documents import AllowanceDocument
from billing.rating import minimum_shortfall
from billing.selectors.grants import as_grant, opening_grants
from billing.settlement import Usage, missing_allowance, settle, usage_of
from billing.terms import minimum_due
from billing.waterfall import Grant, GrantKind, WaterfallResult
from clients.models import UsageUnit
from clients.selectors import counted_quarters

from .overage import OveragePrice, price_overage
from .periods import bounds_of, period_grant
from .plans import Terms

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class UnitSettlement:
    """One unit of the closing period, before anything of it is written."""

    unit: UsageUnit
    allowance: AllowanceDocument | None
    usage: Usage
    result: WaterfallResult
    price: OveragePrice | None

    @property
    def policy(self) -> str:
        """A unit that is only on sale has no policy: its overage is reported, not charged."""
        if self.allowance is None:
            return PlanAllowance.Policy.NOTIFY
        return self.allowance.overage.policy


def settle_units(period: BillingPeriod, terms: Terms, *, now: dt.datetime) -> list[UnitSettlement]:
    """The settlement of every unit of the package, from counted quarters and stored grants."""
    grants = opening_grants(
        workspace_id=period.workspace_id,
        unit_ids=[unit.pk for unit in terms.units.values()],
        start=period.start,
        end=period.end,
    )
    allowances = {allowance.unit: allowance for allowance in terms.plan.allowances}
    return [
        _settle_unit(period, unit, allowances.get(slug), grants.get(unit.pk, []), now=now)
        for slug, unit in terms.units.items()
    ]


def _settle_unit(
    period: BillingPeriod,
    unit: UsageUnit,
    allowance: AllowanceDocument | None,
    grants: Sequence[Grant],
    *,
    now: dt.datetime,
) -> UnitSettlement:
    bounds = bounds_of(period)
    usage = usage_of(
        counted_quarters(
            workspace_id=period.workspace_id,
            unit_id=unit.pk,
            start=period.start,
            end=period.end,
        )
    )
    missing = missing_allowance(
        allowance, bounds, period.timezone, used=usage.used, places=unit.decimals
    )
    if missing:
        row = period_grant(
            period,
            unit.pk,
            GrantKind.ALLOWANCE,
            key=f"allowance-end:{period.pk}:{unit.pk}",
            quantity=missing,
            now=now,
        )
        row.save(force_insert=True)
        grants = [*grants, as_grant(row, missing)]
    is_last = period.end == period.subscription.end
    result = settle(grants, usage, bounds, allowance=allowance, is_last=is_last)
    price = (
        price_overage(period, unit.pk, allowance.overage, result, usage.cost)
        if allowance is not None
        else None
    )
    return UnitSettlement(unit, allowance, usage, result, price)


def freeze(period: BillingPeriod, settlements: Sequence[UnitSettlement]) -> None:
    """Write down the waterfall of every unit and what became of every grant."""
    rows = PeriodUsage.objects.bulk_create(
        PeriodUsage(
            period=period,
            unit=settled.unit,
            policy=settled.policy,
            used=settled.result.used,
            included=settled.result.included,
            top_up=settled.result.top_up,
            overage=settled.result.overage,
            expired_unused=settled.result.expired,
            rolled_over=settled.result.rolled_over,
            overage_amount=settled.price.amount if settled.price else ZERO,
            currency=period.currency,
            platform_cost=settled.usage.platform_cost,
            agency_cost=settled.usage.agency_cost,
        )
        for settled in settlements
    )
    GrantUse.objects.bulk_create(
        GrantUse(
            period_usage=row,
            grant_id=int(outcome.grant.id),
            opening=outcome.grant.quantity,
            consumed=outcome.consumed,
            expired=outcome.expired,
            rolled_over=outcome.rolled_over,
            remaining=outcome.remaining,
        )
        for row, settled in zip(rows, settlements, strict=True)
        for outcome in settled.result.grants
    )


def roll_over(
    period: BillingPeriod, settlements: Sequence[UnitSettlement], now: dt.datetime
) -> None:
    """Give the next period, which exists by now, what rolled over; it expires when that ends."""
    if not any(settled.result.rolled_over for settled in settlements):
        return
    following = period.subscription.periods.get(start=period.end)
    CreditGrant.objects.bulk_create(
        period_grant(
            following,
            settled.unit.pk,
            GrantKind.ROLLOVER,
            key=f"rollover:{period.pk}:{settled.unit.pk}",
            quantity=settled.result.rolled_over,
            now=now,
        )
        for settled in settlements
        if settled.result.rolled_over
    )


def charge(
    period: BillingPeriod,
    terms: Terms,
    settlements: Sequence[UnitSettlement],
    now: dt.datetime,
) -> None:
    """Ask for the overage of every unit that is billed, and for what the minimum lacks."""
    charges = [
        _overage_charge(period, settled, settled.price, now)
        for settled in settlements
        if settled.price is not None
    ]
    overage = sum((row.amount for row in charges), ZERO)
    if terms.plan.minimum_commitment is not None:
        minimum = _minimum_charge(period, terms.plan.minimum_commitment, overage, now)
        charges += [minimum] if minimum.amount else []
    Charge.objects.bulk_create(charges)


def _overage_charge(
    period: BillingPeriod, settled: UnitSettlement, price: OveragePrice, now: dt.datetime
) -> Charge:
    return Charge(
        agency_id=period.agency_id,
        client_id=period.client_id,
        workspace_id=period.workspace_id,
        period=period,
        unit=settled.unit,
        kind=LineKind.OVERAGE,
        description=f"Overage: {settled.unit.plural}",
        quantity=settled.result.overage,
        unit_amount=price.unit_amount,
        amount=price.amount,
        currency=period.currency,
        margin_rule_id=price.rule_id,
        details=price.details,
        bill_at=period.end,
        key=f"overage:{period.pk}:{settled.unit.pk}",
        created_at=now,
    )


def _minimum_charge(
    period: BillingPeriod, minimum: Decimal, overage: Decimal, now: dt.datetime
) -> Charge:
    """What overage and top-ups of the period lack to its minimum; its amount may be 0."""
    due = minimum_due(minimum, bounds_of(period), period.timezone, period.currency)
    bought = period.charges.filter(kind=LineKind.TOP_UP).aggregate(total=Sum("amount"))["total"]
    top_ups = bought or ZERO
    return Charge(
        agency_id=period.agency_id,
        client_id=period.client_id,
        workspace_id=period.workspace_id,
        period=period,
        kind=LineKind.MINIMUM,
        description="Minimum commitment",
        amount=minimum_shortfall(due, overage + top_ups),
        currency=period.currency,
        details={
            "minimum": plain(minimum),
            "due": plain(due),
            "overage": plain(overage),
            "top_ups": plain(top_ups),
        },
        bill_at=period.end,
        key=f"minimum:{period.pk}",
        created_at=now,
    )
