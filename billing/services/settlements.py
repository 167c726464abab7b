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

from billing.asking import Asked, billed_of, cut
from billing.charge_words import OVERAGE
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    GrantRevocation,
    GrantUse,
    LineKind,
    PeriodUsage,
    PlanAllowance,
)
from billing.plan_documents import AllowanceDocument
from billing.selectors.grants import as_grant, opening_grants
from billing.selectors.periods import bounds_of
from billing.selectors.questions import questions_of
from billing.settlement import Usage, allowance_at_end, settle, take_back, usage_of
from billing.waterfall import Grant, GrantKind, WaterfallResult, edges_within
from clients.models import UsageUnit
from clients.selectors import CountedQuarter, counted_in
from clients.sums_sql import Stretch

from .discounts import discount_lines, taken_off_overage
from .minimums import bought_in, minimum_charge
from .overage import MarginRules, OveragePrice, price_overage
from .periods import period_grant
from .plans import Terms, terms_in

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
    ahead: Decimal = ZERO
    """Used beyond the days' share, where another plan takes over."""

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
    asked: Asked | None = None
    counted: list[CountedQuarter] = field(default_factory=list)
    ahead: Decimal = ZERO

    @cached_property
    def usage(self) -> Usage:
        return usage_of(self.counted)


def settle_units(
    periods: Sequence[BillingPeriod], terms: Mapping[int, Terms], *, now: dt.datetime
) -> list[UnitSettlement]:
    """The settlement of every unit of the periods' packages. ``terms``: of versions, by id."""
    units = list(_open_units(periods, terms))
    _count(units)
    _complete_allowances(units, now)
    rules = MarginRules(periods)
    return [_settle(unit, rules) for unit in units]


def _open_units(
    periods: Sequence[BillingPeriod], terms: Mapping[int, Terms]
) -> Iterator[_OpenUnit]:
    grants = opening_grants(periods)
    questions = questions_of(periods, terms)
    for period in periods:
        agreed = terms_in(terms, period)
        allowances = {allowance.unit: allowance for allowance in agreed.plan.allowances}
        for slug, unit in agreed.units.items():
            usable = grants.get((period.pk, unit.pk), [])
            asked = questions.get((period.pk, unit.pk))
            yield _OpenUnit(period, unit, allowances.get(slug), usable, asked)


def _count(units: Iterable[_OpenUnit]) -> None:
    """Read what was used, added up between the edges of grants: so much burns as one."""
    stretches = [
        (open_unit, Stretch(open_unit.period.workspace_id, open_unit.unit.pk, start, end))
        for open_unit in units
        for start, end in pairwise(_edges(open_unit))
    ]
    found = counted_in([stretch for _, stretch in stretches])
    for (open_unit, _), counted in zip(stretches, found, strict=True):
        if counted is not None:
            open_unit.counted.append(counted)


def _edges(open_unit: _OpenUnit) -> list[dt.datetime]:
    """Between two of these all usage burns, and is charged, alike."""
    return cut(edges_within(open_unit.grants, bounds_of(open_unit.period)), open_unit.asked)


def _complete_allowances(units: Iterable[_OpenUnit], now: dt.datetime) -> None:
    """Where a period stops before its boundary, give what its allowance comes to beyond what was
    given at its start, or take back what it does not come to."""
    missing: list[tuple[_OpenUnit, CreditGrant]] = []
    revoked: list[GrantRevocation] = []
    for open_unit in units:
        period, unit = open_unit.period, open_unit.unit
        end = allowance_at_end(
            open_unit.grants,
            open_unit.usage,
            bounds_of(period),
            allowance=open_unit.allowance,
            timezone=period.timezone,
            places=unit.decimals,
            goes_on=period.subscription.goes_on,
        )
        open_unit.ahead = end.ahead
        if end.missing > 0:
            key = f"allowance-end:{period.pk}:{unit.pk}"
            grant = period_grant(
                period, unit.pk, GrantKind.ALLOWANCE, key=key, quantity=end.missing, now=now
            )
            missing.append((open_unit, grant))
        elif end.missing < 0:
            revoked += _taken_back(open_unit, -end.missing, now)
    CreditGrant.objects.bulk_create(grant for _, grant in missing)
    GrantRevocation.objects.bulk_create(revoked)
    for open_unit, grant in missing:
        open_unit.grants.append(as_grant(grant, grant.quantity))


def _taken_back(
    open_unit: _OpenUnit, quantity: Decimal, now: dt.datetime
) -> Iterator[GrantRevocation]:
    """What a period cut short takes back of its allowance; its grants are then what is left."""
    before, period = open_unit.grants, open_unit.period
    open_unit.grants = take_back(before, quantity)
    for old, new in zip(before, open_unit.grants, strict=True):
        if new.revoked > old.revoked:
            yield revocation(
                period,
                int(new.id),
                new.revoked - old.revoked,
                key=f"end:{period.pk}:{new.id}",
                reason="The period ended before its boundary",
                now=now,
            )


def revocation(
    period: BillingPeriod,
    grant_id: int,
    quantity: Decimal,
    *,
    key: str,
    reason: str,
    now: dt.datetime,
) -> GrantRevocation:
    """Units of a grant that a period's end takes back, not saved yet."""
    return GrantRevocation(
        agency_id=period.agency_id,
        workspace_id=period.workspace_id,
        grant_id=grant_id,
        quantity=quantity,
        revoked_at=now,
        reason=reason,
        key=key,
    )


def _settle(open_unit: _OpenUnit, rules: MarginRules) -> UnitSettlement:
    period, allowance, usage = open_unit.period, open_unit.allowance, open_unit.usage
    result = settle(
        open_unit.grants, usage, bounds_of(period), allowance=allowance, is_last=period.is_last
    )
    price = None
    if allowance is not None:
        overage = allowance.overage
        billed = billed_of(result, overage.ask, open_unit.asked)
        unit_id = open_unit.unit.pk
        price = price_overage(period, unit_id, overage, result, usage.cost, rules, billed)
    return UnitSettlement(period, open_unit.unit, allowance, usage, result, price, open_unit.ahead)


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
    """Give the next periods, which exist by now, what rolled over; it expires when they end. And
    take back from their allowance what was used ahead of it."""
    rolled = [settled for settled in settlements if settled.result.rolled_over]
    ahead = [settled for settled in settlements if settled.ahead]
    if not (rolled or ahead):
        return
    following = _following([*rolled, *ahead])
    CreditGrant.objects.bulk_create(
        period_grant(
            following[settled.period.workspace_id, settled.period.end],
            settled.unit.pk,
            GrantKind.ROLLOVER,
            key=f"rollover:{settled.period.pk}:{settled.unit.pk}",
            quantity=settled.result.rolled_over,
            now=now,
        )
        for settled in rolled
    )
    if ahead:
        _take_ahead(ahead, following, now)


_Following = dict[tuple[int, dt.datetime], BillingPeriod]


def _following(settlements: Sequence[UnitSettlement]) -> _Following:
    """The periods that begin where those of the settlements end, by workspace and start."""
    periods = BillingPeriod.objects.filter(
        workspace__in={settled.period.workspace_id for settled in settlements},
        start__in={settled.period.end for settled in settlements},
    )
    return {(period.workspace_id, period.start): period for period in periods}


def _take_ahead(
    settlements: Sequence[UnitSettlement], following: _Following, now: dt.datetime
) -> None:
    grants = CreditGrant.objects.filter(
        period__in=following.values(), kind=CreditGrant.Kind.ALLOWANCE
    ).with_left()
    allowances = {(grant.period_id, grant.unit_id): grant for grant in grants.order_by("-pk")}
    revoked = []
    for settled in settlements:
        period = settled.period
        after = following[period.workspace_id, period.end]
        grant = allowances.get((after.pk, settled.unit.pk))
        if grant is None:
            continue
        taken_back: Decimal = grant.taken_back  # type: ignore[attr-defined]
        quantity = min(settled.ahead, grant.quantity - taken_back)
        if quantity:
            key = f"ahead:{period.pk}:{grant.pk}"
            reason = "Used ahead under the plan before"
            revoked.append(revocation(after, grant.pk, quantity, key=key, reason=reason, now=now))
    GrantRevocation.objects.bulk_create(revoked)


def charge(
    periods: Sequence[BillingPeriod],
    terms: Mapping[int, Terms],
    settlements: Sequence[UnitSettlement],
    now: dt.datetime,
) -> None:
    """Ask for the overage of every unit that is billed, less discounts, and for what each minimum
    lacks after them."""
    charges: defaultdict[int, list[Charge]] = defaultdict(list)
    for settled in settlements:
        if settled.price is not None:
            charges[settled.period.pk].append(_overage_charge(settled, settled.price, now))
    Charge.objects.bulk_create(row for period in periods for row in charges[period.pk])
    discounts = Charge.objects.bulk_create(discount_lines(periods, terms, now=now, overage=True))
    taken_off = taken_off_overage(discounts)
    bound = [period for period in periods if _minimum_of(period, terms) is not None]
    bought = bought_in(bound)
    minimums = []
    for period in bound:
        overage = sum((row.amount for row in charges[period.pk]), ZERO) - taken_off[period.pk]
        minimums.append(
            minimum_charge(
                period,
                _minimum_of(period, terms) or ZERO,
                overage,
                bought.get(period.pk, ZERO),
                now,
            )
        )
    Charge.objects.bulk_create(minimum for minimum in minimums if minimum.amount)


def _minimum_of(period: BillingPeriod, terms: Mapping[int, Terms]) -> Decimal | None:
    return terms_in(terms, period).plan.minimum_commitment


def _overage_charge(settled: UnitSettlement, price: OveragePrice, now: dt.datetime) -> Charge:
    period = settled.period
    return Charge(
        agency_id=period.agency_id,
        client_id=period.client_id,
        workspace_id=period.workspace_id,
        period=period,
        unit=settled.unit,
        kind=LineKind.OVERAGE,
        description=OVERAGE % {"units": settled.unit.plural},
        quantity=price.quantity,
        unit_amount=price.unit_amount,
        amount=price.amount,
        currency=period.currency,
        margin_rule_id=price.rule_id,
        details=price.details,
        bill_at=period.end,
        key=f"overage:{period.pk}:{settled.unit.pk}",
        created_at=now,
    )
