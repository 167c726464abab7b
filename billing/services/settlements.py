"""Freezes periods: their waterfalls, what rolls over, and what is charged.

Everything here runs inside `closing`'s transaction, under the locks of the workspaces' rows. It
takes periods of different workspaces at once, and asks as many queries for many as for one.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

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
from billing.waterfall import Grant, GrantKind, WaterfallResult, edges_within
from clients.models import UsageUnit
from clients.selectors import CountedQuarter, counted_in
from clients.sums_sql import Stretch

from .overage import MarginRules, OveragePrice, price_overage
from .periods import bounds_of, period_grant
from .plans import Terms

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class UnitSettlement:
    """One unit of a closing period, before anything of it is written."""

    period: BillingPeriod
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


@dataclass
class _OpenUnit:
    """A unit of a closing period with what it burns: usage, and the grants that it opens with."""

    period: BillingPeriod
    unit: UsageUnit
    allowance: AllowanceDocument | None
    grants: list[Grant]
    counted: list[CountedQuarter] = field(default_factory=list)

    @cached_property
    def usage(self) -> Usage:
        return usage_of(self.counted)


def settle_units(
    periods: Sequence[BillingPeriod], terms: Mapping[int, Terms], *, now: dt.datetime
) -> list[UnitSettlement]:
    """The settlement of every unit of the periods' packages, from counted quarters and stored
    grants. ``terms``: of their plan versions, by id."""
    units = list(_open_units(periods, terms))
    _count(units)
    _complete_allowances(units, now)
    rules = MarginRules(periods)
    return [_settle(unit, rules) for unit in units]


def _open_units(
    periods: Sequence[BillingPeriod], terms: Mapping[int, Terms]
) -> Iterator[_OpenUnit]:
    grants = opening_grants(periods)
    for period in periods:
        agreed = terms[period.plan_version_id]
        allowances = {allowance.unit: allowance for allowance in agreed.plan.allowances}
        for slug, unit in agreed.units.items():
            usable = grants.get((period.pk, unit.pk), [])
            yield _OpenUnit(period, unit, allowances.get(slug), usable)


def _count(units: Iterable[_OpenUnit]) -> None:
    """Read what was used, added up between the edges of grants: so much burns as one."""
    stretches = [
        (open_unit, Stretch(open_unit.period.workspace_id, open_unit.unit.pk, start, end))
        for open_unit in units
        for start, end in pairwise(edges_within(open_unit.grants, bounds_of(open_unit.period)))
    ]
    found = counted_in([stretch for _, stretch in stretches])
    for (open_unit, _), counted in zip(stretches, found, strict=True):
        if counted is not None:
            open_unit.counted.append(counted)


def _complete_allowances(units: Iterable[_OpenUnit], now: dt.datetime) -> None:
    """Give what the allowance of a last period comes to beyond what was given at its start."""
    missing = []
    for open_unit in units:
        period, unit = open_unit.period, open_unit.unit
        quantity = missing_allowance(
            open_unit.allowance,
            bounds_of(period),
            period.timezone,
            used=open_unit.usage.used,
            places=unit.decimals,
        )
        if quantity:
            key = f"allowance-end:{period.pk}:{unit.pk}"
            grant = period_grant(
                period, unit.pk, GrantKind.ALLOWANCE, key=key, quantity=quantity, now=now
            )
            missing.append((open_unit, grant))
    CreditGrant.objects.bulk_create(grant for _, grant in missing)
    for open_unit, grant in missing:
        open_unit.grants.append(as_grant(grant, grant.quantity))


def _settle(open_unit: _OpenUnit, rules: MarginRules) -> UnitSettlement:
    period, allowance, usage = open_unit.period, open_unit.allowance, open_unit.usage
    is_last = period.end == period.subscription.end
    result = settle(
        open_unit.grants, usage, bounds_of(period), allowance=allowance, is_last=is_last
    )
    price = (
        price_overage(period, open_unit.unit.pk, allowance.overage, result, usage.cost, rules)
        if allowance is not None
        else None
    )
    return UnitSettlement(period, open_unit.unit, allowance, usage, result, price)


def freeze(settlements: Sequence[UnitSettlement]) -> None:
    """Write down the waterfall of every unit and what became of every grant."""
    rows = PeriodUsage.objects.bulk_create(
        PeriodUsage(
            period=settled.period,
            unit=settled.unit,
            policy=settled.policy,
            used=settled.result.used,
            included=settled.result.included,
            top_up=settled.result.top_up,
            overage=settled.result.overage,
            expired_unused=settled.result.expired,
            rolled_over=settled.result.rolled_over,
            overage_amount=settled.price.amount if settled.price else ZERO,
            currency=settled.period.currency,
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
            revoked=outcome.revoked,
            remaining=outcome.remaining,
        )
        for row, settled in zip(rows, settlements, strict=True)
        for outcome in settled.result.grants
    )


def roll_over(settlements: Sequence[UnitSettlement], now: dt.datetime) -> None:
    """Give the next periods, which exist by now, what rolled over; it expires when they end."""
    rolled = [settled for settled in settlements if settled.result.rolled_over]
    if not rolled:
        return
    following = {
        (period.subscription_id, period.start): period
        for period in BillingPeriod.objects.filter(
            subscription__in={settled.period.subscription_id for settled in rolled},
            start__in={settled.period.end for settled in rolled},
        )
    }
    CreditGrant.objects.bulk_create(
        period_grant(
            following[settled.period.subscription_id, settled.period.end],
            settled.unit.pk,
            GrantKind.ROLLOVER,
            key=f"rollover:{settled.period.pk}:{settled.unit.pk}",
            quantity=settled.result.rolled_over,
            now=now,
        )
        for settled in rolled
    )


def charge(
    periods: Sequence[BillingPeriod],
    terms: Mapping[int, Terms],
    settlements: Sequence[UnitSettlement],
    now: dt.datetime,
) -> None:
    """Ask for the overage of every unit that is billed, and for what each minimum lacks."""
    charges: defaultdict[int, list[Charge]] = defaultdict(list)
    for settled in settlements:
        if settled.price is not None:
            charges[settled.period.pk].append(_overage_charge(settled, settled.price, now))
    bound = [period for period in periods if _minimum_of(period, terms) is not None]
    bought = _bought_in(bound)
    for period in bound:
        overage = sum((row.amount for row in charges[period.pk]), ZERO)
        minimum = _minimum_charge(
            period, _minimum_of(period, terms) or ZERO, overage, bought.get(period.pk, ZERO), now
        )
        charges[period.pk] += [minimum] if minimum.amount else []
    Charge.objects.bulk_create(row for period in periods for row in charges[period.pk])


def _minimum_of(period: BillingPeriod, terms: Mapping[int, Terms]) -> Decimal | None:
    return terms[period.plan_version_id].plan.minimum_commitment


def _bought_in(periods: Sequence[BillingPeriod]) -> dict[int, Decimal]:
    """What top-ups of periods came to, by period."""
    if not periods:
        return {}
    bought = Charge.objects.filter(period__in=periods, kind=LineKind.TOP_UP)
    sums = bought.order_by().values_list("period").annotate(total=Sum("amount"))
    return dict(sums)


def _overage_charge(settled: UnitSettlement, price: OveragePrice, now: dt.datetime) -> Charge:
    period = settled.period
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
    period: BillingPeriod, minimum: Decimal, overage: Decimal, top_ups: Decimal, now: dt.datetime
) -> Charge:
    """What overage and top-ups of the period lack to its minimum; its amount may be 0."""
    due = minimum_due(minimum, bounds_of(period), period.timezone, period.currency)
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
