"""Frozen waterfalls, burned again from recomputed usage, period after period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from agencyportal.core.money import plain
from billing.asking import billed_of
from billing.models import BillingPeriod, CreditGrant, GrantUse, PeriodUsage, PlanAllowance
from billing.plan_documents import AllowanceDocument
from billing.selectors import as_grant
from billing.selectors.periods import bounds_of
from billing.services.overage import MarginRules, price_overage
from billing.services.plans import Terms
from billing.settlement import allowance_at_end, settle, take_back, usage_of
from billing.terms import opening_allowance
from billing.waterfall import Grant
from clients.models import UsageUnit

from .findings import Checked, Finding, compare, missing, unexpected
from .grants import ExpectedGrants, ExpectedRevocations, check_ends, check_grants
from .periods import Settled, WorkspaceBooks, period_name
from .usage import Quarters

USAGE: Final = "Frozen waterfalls"
USES: Final = "Grant uses"

ZERO: Final = Decimal(0)


@dataclass(slots=True)
class _Carried:
    """What the periods before left of each grant, and what they saw revoked of it."""

    left: dict[int, Decimal] = field(default_factory=dict)
    revoked: dict[int, Decimal] = field(default_factory=dict)


def check_waterfalls(books: WorkspaceBooks, quarters: Quarters) -> Iterator[Finding]:
    """Every closed period in order, each opening with what was recomputed to be left; fills
    ``books.settled``."""
    carried = _Carried()
    expected_grants: ExpectedGrants = {}
    revoked: ExpectedRevocations = {}
    closed = 0
    for period in books.withdrawn:
        terms = books.terms_in(period)
        expected_grants |= _opening_grants(books, period, terms)
    for period in books.periods:
        terms = books.terms_in(period)
        expected_grants |= _opening_grants(books, period, terms)
        if period.state != BillingPeriod.State.CLOSED:
            continue
        closed += 1
        books.settled[period.pk] = []
        for unit in terms.units.values():
            settled, grants = _settle(books, period, unit, quarters, carried, revoked)
            books.settled[period.pk].append(settled)
            expected_grants |= grants
            yield from _check_frozen(books, period, settled)
        yield from _check_unexpected(books, period, terms)
    yield Checked(USAGE, len(books.frozen))
    yield Checked(USES, sum(map(len, books.uses.values())))
    yield from check_grants(books, expected_grants)
    yield from check_ends(books, revoked)


def _opening_grants(books: WorkspaceBooks, period: BillingPeriod, terms: Terms) -> ExpectedGrants:
    """The allowances that a period opens with, by key."""
    expected: ExpectedGrants = {}
    for allowance in terms.plan.allowances:
        unit = terms.units[allowance.unit]
        quantity = opening_allowance(
            allowance, books.as_made(period), period.timezone, places=unit.decimals
        )
        if quantity:
            expected[f"allowance:{period.pk}:{unit.pk}"] = (period, unit, quantity)
        for move, bounds in books.extensions(period):
            planned = opening_allowance(allowance, bounds, period.timezone, places=unit.decimals)
            if planned > quantity:
                key = f"allowance-more:{move.pk}:{unit.pk}"
                expected[key] = (period, unit, planned - quantity)
                quantity = planned
    return expected


def _settle(
    books: WorkspaceBooks,
    period: BillingPeriod,
    unit: UsageUnit,
    quarters: Quarters,
    carried: _Carried,
    revoked: ExpectedRevocations,
) -> tuple[Settled, ExpectedGrants]:
    """The unit's settlement, and the grants that closing made of it; ``carried`` moves on, and
    ``revoked`` gains what closing took back."""
    allowance = _allowance(books.terms_in(period), unit)
    bounds = bounds_of(period)
    usage = usage_of(
        [row for row in quarters.get(unit.pk, ()) if period.start <= row[0] < period.end]
    )
    before = list(_usable_grants(books, period, unit, carried, before_closing=True))
    end = allowance_at_end(
        before,
        usage,
        bounds,
        allowance=allowance,
        timezone=period.timezone,
        places=unit.decimals,
        goes_on=period.subscription.goes_on,
    )
    grants = list(_usable_grants(books, period, unit, carried))
    result = settle(grants, usage, bounds, allowance=allowance, is_last=period.is_last)
    for outcome in result.grants:
        grant_id = int(outcome.grant.id)
        carried.left[grant_id] = outcome.remaining
        carried.revoked[grant_id] = carried.revoked.get(grant_id, ZERO) + outcome.revoked
    price = None
    if allowance is not None:
        overage = allowance.overage
        billed = billed_of(result, overage.ask, books.questions.get((period.pk, unit.pk)))
        rules = MarginRules([period])
        price = price_overage(period, unit.pk, overage, result, usage.cost, rules, billed)
    made: ExpectedGrants = {}
    if end.missing > 0:
        made[f"allowance-end:{period.pk}:{unit.pk}"] = (period, unit, end.missing)
    elif end.missing < 0:
        for old, new in zip(before, take_back(before, -end.missing), strict=True):
            if new.revoked > old.revoked:
                revoked[f"end:{period.pk}:{new.id}"] = new.revoked - old.revoked
    following = _following(books, period)
    if end.ahead and following is not None:
        revoked |= _ahead(books, period, following, unit, end.ahead)
    if result.rolled_over and following is not None:
        made[f"rollover:{period.pk}:{unit.pk}"] = (following, unit, result.rolled_over)
    return Settled(unit, usage, result, price), made


def _allowance(terms: Terms, unit: UsageUnit) -> AllowanceDocument | None:
    return next((a for a in terms.plan.allowances if a.unit == unit.slug), None)


def _following(books: WorkspaceBooks, period: BillingPeriod) -> BillingPeriod | None:
    """What takes over where a period ends, if what rolls over crosses to it."""
    if period.is_last:
        return None
    return next((other for other in books.periods if other.start == period.end), None)


def _ahead(
    books: WorkspaceBooks,
    period: BillingPeriod,
    following: BillingPeriod,
    unit: UsageUnit,
    ahead: Decimal,
) -> ExpectedRevocations:
    """What was used ahead is taken back from the next allowance, as far as there is any."""
    for row in books.grants:
        if row.key == f"allowance:{following.pk}:{unit.pk}":
            key = f"ahead:{period.pk}:{row.pk}"
            revocations = books.revocations.get(row.pk, [])
            keys = [other.key for other in revocations]
            earlier = revocations[: keys.index(key)] if key in keys else revocations
            left = row.quantity - sum((other.quantity for other in earlier), ZERO)
            return {key: min(ahead, left)} if left else {}
    return {}


def _usable_grants(
    books: WorkspaceBooks,
    period: BillingPeriod,
    unit: UsageUnit,
    carried: _Carried,
    *,
    before_closing: bool = False,
) -> Iterator[Grant]:
    """Grants that the closing period could burn: made by then, effective before its end, and
    either new to periods and not expired before its start, or with something left, less what late
    usage drew since. With what was revoked by then; of more than there is, `check_grants` says
    so. ``before_closing``: without what closing itself gave and took back."""
    own = (f"allowance-end:{period.pk}:", f"end:{period.pk}:") if before_closing else ()
    closed_at = period.closed_at or dt.datetime.max.replace(tzinfo=dt.UTC)
    drawn = books.drawn(period)
    for row in books.grants:
        if row.unit_id != unit.pk or row.effective_at >= period.end or row.created_at > closed_at:
            continue
        if row.key.startswith(own) or _is_withdrawn(row):
            continue
        remaining = carried.left.get(row.pk)
        expires_at = as_grant(row, ZERO).expires_at
        if remaining is None and (expires_at is None or expires_at > period.start):
            remaining = row.quantity
        if remaining:
            remaining -= drawn.get(row.pk, ZERO)
            made = (
                r
                for r in books.revocations.get(row.pk, ())
                if r.revoked_at <= closed_at and not r.key.startswith(own)
            )
            total = sum((revocation.quantity for revocation in made), ZERO)
            revoked = total - carried.revoked.get(row.pk, ZERO)
            yield as_grant(row, remaining, max(ZERO, min(revoked, remaining)))


def _is_withdrawn(row: CreditGrant) -> bool:
    return row.period is not None and row.period.state == BillingPeriod.State.WITHDRAWN


def _check_frozen(
    books: WorkspaceBooks, period: BillingPeriod, settled: Settled
) -> Iterator[Finding]:
    result, usage = settled.result, settled.usage
    name = f"{settled.unit.plural}, {period_name(period)}"
    row = books.frozen.get((period.pk, settled.unit.pk))
    if row is None:
        yield missing(USAGE, PeriodUsage, name, f"{plain(result.used)} used")
        return
    allowance = _allowance(books.terms_in(period), settled.unit)
    policy = allowance.overage.policy if allowance else PlanAllowance.Policy.NOTIFY.value
    fields = {
        "policy": (row.policy, policy),
        "used": (row.used, result.used),
        "included": (row.included, result.included),
        "top_up": (row.top_up, result.top_up),
        "overage": (row.overage, result.overage),
        "expired_unused": (row.expired_unused, result.expired),
        "rolled_over": (row.rolled_over, result.rolled_over),
        "overage_amount": (row.overage_amount, settled.price.amount if settled.price else ZERO),
        "currency": (row.currency, period.currency),
        "platform_cost": (row.platform_cost, usage.platform_cost),
        "agency_cost": (row.agency_cost, usage.agency_cost),
    }
    yield from compare(USAGE, row, name, fields)
    yield from _check_uses(books, row, settled, name)


def _check_uses(
    books: WorkspaceBooks, frozen: PeriodUsage, settled: Settled, name: str
) -> Iterator[Finding]:
    rows = dict(books.uses.get(frozen.pk, {}))
    for outcome in settled.result.grants:
        grant_name = f"{outcome.grant.kind} grant {outcome.grant.id}, {name}"
        row = rows.pop(int(outcome.grant.id), None)
        if row is None:
            yield missing(USES, GrantUse, grant_name, f"{plain(outcome.consumed)} consumed")
            continue
        fields = {
            "opening": (row.opening, outcome.grant.quantity),
            "consumed": (row.consumed, outcome.consumed),
            "expired": (row.expired, outcome.expired),
            "rolled_over": (row.rolled_over, outcome.rolled_over),
            "revoked": (row.revoked, outcome.revoked),
            "remaining": (row.remaining, outcome.remaining),
        }
        yield from compare(USES, row, grant_name, fields)
    for row in rows.values():
        yield unexpected(USES, row, f"grant {row.grant_id}, {name}", row.consumed)


def _check_unexpected(
    books: WorkspaceBooks, period: BillingPeriod, terms: Terms
) -> Iterator[Finding]:
    units = {unit.pk for unit in terms.units.values()}
    for (period_id, unit_id), row in books.frozen.items():
        if period_id == period.pk and unit_id not in units:
            yield unexpected(USAGE, row, f"{row.unit.plural}, {period_name(period)}", row.used)
