"""Makes billing periods with what they open with: windows, allowances, fees.

Everything here runs inside the caller's transaction, under the locks of the workspaces' rows, and
repeated it makes nothing twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import cast

from django.db.models import Exists, OuterRef

from agencyportal.core.money import plain
from agencyportal.core.periods import Interval, Period, next_period, period_at
from billing.charge_words import fee_in_words
from billing.models import BillingPeriod, Charge, CreditGrant, PlanFee, Subscription
from billing.plan_documents import FeeDocument
from billing.proration import share_of
from billing.selectors.periods import bounds_of, fees_time_of
from billing.terms import fee_amount, fees_time, is_prorated, opening_allowance
from billing.trials import trial_bounds
from billing.waterfall import DEFAULT_PRIORITY, GrantKind
from clients.services import windows

from .discounts import discount_lines
from .plans import Terms, fee_interval_of, terms_by_version, terms_in


def make_periods(
    subscriptions: Sequence[Subscription],
    *,
    now: dt.datetime,
    terms: Mapping[int, Terms] | None = None,
) -> list[BillingPeriod]:
    """The periods of subscriptions that are missing up to the one after ``now``.

    A subscription that has yet to start gets its first period. Each comes with its workspace,
    locked by the caller. ``terms``: those of their plan versions by id, if they are read already.
    As many queries for many as for one. Returns what was made, each subscription's in order.
    """
    last = _last_periods(subscriptions)
    missing = [
        (subscription, period)
        for subscription in subscriptions
        for period in _missing(subscription, last.get(subscription.pk), now)
    ]
    if not missing:
        return []
    terms = terms or terms_by_version(subscription.plan_version for subscription, _ in missing)
    made = BillingPeriod.objects.bulk_create(
        _period(subscription, period, asked, now)
        for subscription, period, asked in _with_fees_times(missing)
    )
    windows.open_windows(
        [
            windows.Opening(
                period.subscription.workspace,
                unit,
                period.start,
                period.end,
                period.timezone,
                attention_at=attention_of(terms_in(terms, period), unit.slug),
            )
            for period in made
            for unit in terms_in(terms, period).units.values()
        ]
    )
    CreditGrant.objects.bulk_create(
        grant for period in made for grant in _allowances(period, terms_in(terms, period), now)
    )
    fees = [fee for period in made for fee in _fees(period, terms_in(terms, period), now)]
    Charge.objects.bulk_create([*fees, *discount_lines(made, terms, now=now, charges=fees)])
    return made


def attention_of(terms: Terms, slug: str) -> Decimal | None:
    """What a new window has to come to for its policy to be looked at: anything, where usage can
    make it act."""
    acts = any(
        allowance.unit == slug
        and (allowance.overage.auto_top_up is not None or allowance.overage.ask is not None)
        for allowance in terms.plan.allowances
    )
    return Decimal(0) if acts else None


def _last_periods(subscriptions: Iterable[Subscription]) -> dict[int, BillingPeriod]:
    """The latest period of each subscription that has any."""
    later = BillingPeriod.objects.filter(
        subscription=OuterRef("subscription"), start__gt=OuterRef("start")
    )
    latest = BillingPeriod.objects.filter(~Exists(later), subscription__in=subscriptions)
    return {period.subscription_id: period for period in latest}


def _with_fees_times(
    missing: Sequence[tuple[Subscription, Period]],
) -> Iterator[tuple[Subscription, Period, Period | None]]:
    """With each period, what time the fees are for that it asks. One query more where any plan's
    fees have a longer interval than its periods."""
    asked_until = _asked_until({each for each, _ in missing if each.plan_version.fee_interval})
    for subscription, period in missing:
        if is_trial(subscription, period):
            yield subscription, period, None
            continue
        asked = fees_time(
            period,
            fee_interval_of(subscription.plan_version),
            asked_until=asked_until.get(subscription.pk),
            anchor=subscription.anchor_date,
            timezone=subscription.timezone,
            end=subscription.end,
        )
        if asked is not None:
            asked_until[subscription.pk] = asked.full_end
        yield subscription, period, asked


def _asked_until(subscriptions: Collection[Subscription]) -> dict[int, dt.datetime]:
    """Until when fees of subscriptions were asked for so far, where they were."""
    if not subscriptions:
        return {}
    asking = BillingPeriod.objects.filter(subscription__in=subscriptions, asks_fees=True)
    rows = asking.order_by("start").values_list("subscription_id", "fees_full_end", "full_end")
    return {pk: fees_full_end or full_end for pk, fees_full_end, full_end in rows}


def _period(
    subscription: Subscription, period: Period, asked: Period | None, now: dt.datetime
) -> BillingPeriod:
    longer = asked if asked is not None and asked != period else None
    return BillingPeriod(
        agency_id=subscription.agency_id,
        client_id=subscription.client_id,
        workspace_id=subscription.workspace_id,
        subscription=subscription,
        plan_version_id=subscription.plan_version_id,
        currency=subscription.currency,
        timezone=subscription.timezone,
        start=period.start,
        end=period.end,
        full_start=period.full_start,
        full_end=period.full_end,
        asks_fees=asked is not None,
        fees_end=longer.end if longer else None,
        fees_full_start=longer.full_start if longer else None,
        fees_full_end=longer.full_end if longer else None,
        is_trial=is_trial(subscription, period),
        asks_once=subscription.once_due and period.start == subscription.charged_from,
        due_at=period.end + dt.timedelta(hours=subscription.agency.grace_hours),
        created_at=now,
    )


def _missing(
    subscription: Subscription, last: BillingPeriod | None, now: dt.datetime
) -> Iterator[Period]:
    interval = cast(Interval, subscription.plan_version.period_interval)
    anchor = subscription.anchor_date
    zone, end = subscription.timezone, subscription.end
    period: Period | None
    if last is not None:
        period = bounds_of(last)
    else:
        period = first_bounds(subscription)
        if period is not None:
            yield period
    while period is not None and period.start <= now:
        period = next_period(period, interval, anchor, zone, end)
        if period is not None:
            yield period


def first_bounds(subscription: Subscription) -> Period | None:
    """Where the first period of a subscription begins and ends: its trial, if it has one. None
    where it never came to be."""
    start, end = subscription.start, subscription.end
    if end is not None and end <= start:
        return None
    if subscription.trial_until is not None:
        return trial_bounds(start, subscription.trial_until, end)
    interval = cast(Interval, subscription.plan_version.period_interval)
    return period_at(start, start, interval, subscription.anchor_date, subscription.timezone, end)


def is_trial(subscription: Subscription, bounds: Period) -> bool:
    """Whether a period with these bounds is the subscription's trial."""
    return bounds.start < subscription.charged_from


def period_grant(
    period: BillingPeriod,
    unit_id: int,
    kind: GrantKind,
    *,
    key: str,
    quantity: Decimal,
    now: dt.datetime,
) -> CreditGrant:
    """A grant, not saved yet, that lasts exactly as long as its period."""
    return CreditGrant(
        agency_id=period.agency_id,
        workspace_id=period.workspace_id,
        unit_id=unit_id,
        kind=kind.value,
        quantity=quantity,
        priority=DEFAULT_PRIORITY[kind],
        effective_at=period.start,
        expires_at=period.end,
        period=period,
        key=key,
        created_at=now,
    )


def _allowances(period: BillingPeriod, terms: Terms, now: dt.datetime) -> Iterator[CreditGrant]:
    bounds = bounds_of(period)
    for allowance in terms.plan.allowances:
        unit = terms.units[allowance.unit]
        quantity = opening_allowance(allowance, bounds, period.timezone, places=unit.decimals)
        if quantity:
            yield period_grant(
                period,
                unit.pk,
                GrantKind.ALLOWANCE,
                key=f"allowance:{period.pk}:{unit.pk}",
                quantity=quantity,
                now=now,
            )


def _fees(period: BillingPeriod, terms: Terms, now: dt.datetime) -> Iterator[Charge]:
    asked = fees_time_of(period)
    if asked is None:
        return
    for fee, row in zip(terms.plan.fees, terms.fees, strict=True):
        if fee.when == "period" or period.asks_once:
            yield _fee_charge(period, asked, fee, row, now)


def until_of(fee: FeeDocument, asked: Period, period: BillingPeriod) -> dict[str, str]:
    """For a charge's details: until when a fee is asked for, where that is not its period's end."""
    if fee.when == "once" or period.fees_end is None:
        return {}
    return {"until": asked.end.isoformat()}


def _fee_charge(
    period: BillingPeriod, asked: Period, fee: FeeDocument, row: PlanFee, now: dt.datetime
) -> Charge:
    """A fee that a period asks for the time ``asked``, due when the period starts."""
    amount = fee_amount(fee, asked, period.timezone, period.currency)
    share = share_of(asked, period.timezone)
    is_part = is_prorated(fee) and not share.is_whole
    return Charge(
        agency_id=period.agency_id,
        client_id=period.client_id,
        workspace_id=period.workspace_id,
        period=period,
        kind=fee.kind,
        description=fee_in_words(fee.name, share if is_part else None),
        unit_amount="" if is_part else plain(fee.amount),
        amount=amount,
        currency=period.currency,
        collected_by=fee.collected_by,
        details={
            "fee": row.pk,
            "amount": plain(fee.amount),
            "when": fee.when,
            "days": share.days if is_prorated(fee) else None,
            "full_days": share.full_days if is_prorated(fee) else None,
            **until_of(fee, asked, period),
        },
        bill_at=period.start,
        key=f"fee:{period.pk}:{row.pk}",
        created_at=now,
    )
