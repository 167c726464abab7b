"""Sells top-ups on account: the price goes on the invoice of the period they were bought in."""

from __future__ import annotations

import datetime as dt
from typing import Final, cast

from django.db import transaction

from agencyportal.core.money import plain, round_money
from agencyportal.core.periods import Interval, Period, next_period, quarter_floor
from agencyportal.core.tenancy import access_of
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    LineKind,
    TopUpBand,
    TopUpPurchase,
)
from billing.refusals import RefusedError, refuse_unfit_key, sent_before
from billing.scenario import Starts
from billing.selectors.periods import bounds_of
from billing.simulation import top_up_expiry
from billing.waterfall import DEFAULT_PRIORITY, GrantKind
from clients.caps import month_of
from clients.models import User, Workspace
from clients.services import windows

from . import spend
from .caps import make_ready

LONGEST_KEY: Final = 200


@transaction.atomic
def buy_on_account(
    *,
    workspace: Workspace,
    band: TopUpBand,
    now: dt.datetime,
    key: str,
    purchased_by: User | None = None,
    starts: Starts = "now",
) -> TopUpPurchase:
    """Buy a band for a workspace: purchase, grant and charge, together or not at all.

    ``key`` is the buyer's idempotency key within the workspace: the same key and band is the same
    purchase, however often it comes. The grant can be used from the quarter hour of ``now`` on,
    or from the next period on, where it ``starts`` then; it is charged in the period of ``now``.

    Raises RefusedError for a key that is none or bought something else, without an open period at
    ``now``, for a band that the period's plan version does not offer, for a buyer who may not buy
    it, and where no next period comes; NotAdmittedError where a spend cap does not allow its
    price. Locks the workspace's row, so that no period closes meanwhile, then the balances of
    caps.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    make_ready(workspace=workspace, now=now)
    locked = windows.lock_workspace(workspace.pk)
    earlier = locked.purchases.select_related("band").filter(key=key).first()
    if earlier is not None:
        if earlier.band_id != band.pk or (earlier.starts_at is None) != (starts == "now"):
            raise sent_before(f"bought {earlier.band}")
        return earlier
    period = period_to_buy_in(locked, band, now)
    refuse_buyer(band, period, purchased_by)
    return book(
        locked, band, period, at=now, key=key, now=now, purchased_by=purchased_by, starts=starts
    )


def book(
    locked: Workspace,
    band: TopUpBand,
    period: BillingPeriod,
    *,
    at: dt.datetime,
    key: str,
    now: dt.datetime,
    purchased_by: User | None = None,
    starts: Starts = "now",
    is_paid: bool = False,
) -> TopUpPurchase:
    """Write down a purchase as of ``at``, in a period that is open, for a workspace held alone.

    Raises NotAdmittedError where a spend cap does not allow it: roll back. What ``is_paid`` is
    granted whatever they say.
    """
    lasts = _lasts(band, period, at, starts)
    purchase = TopUpPurchase.objects.create(
        agency_id=locked.agency_id,
        workspace=locked,
        unit_id=band.unit_id,
        band=band,
        quantity=band.quantity,
        price=band.price,
        currency=period.currency,
        purchased_at=at,
        starts_at=None if starts == "now" else lasts[0],
        purchased_by=purchased_by,
        key=key,
        created_at=now,
    )
    _grant(purchase, lasts, now).save(force_insert=True)
    charge = _charge(purchase, period, now)
    charge.save(force_insert=True)
    spend.buy(
        workspace=locked,
        month=month_of(period.start),
        amount=charge.amount,
        now=now,
        is_paid=is_paid,
    )
    return purchase


def _lasts(
    band: TopUpBand, period: BillingPeriod, at: dt.datetime, starts: Starts
) -> tuple[dt.datetime, dt.datetime | None]:
    """When what is bought can be used: [effective_at, expires_at)."""
    bounds = bounds_of(period)
    if starts == "now":
        return quarter_floor(at), top_up_expiry(band.expires, at, bounds, period.timezone)
    following = next_bounds(period)
    if following is None:
        raise RefusedError(
            f"The package of {period.workspace} ends with this period, so nothing can start with "
            "the next one.",
            field="starts",
        )
    expires = top_up_expiry(band.expires, following.start, following, period.timezone)
    return following.start, expires


def next_bounds(period: BillingPeriod) -> Period | None:
    """The period that comes after one, as its subscription says now; None after the last."""
    subscription = period.subscription
    interval = cast(Interval, period.plan_version.period_interval)
    return next_period(
        bounds_of(period), interval, subscription.anchor_date, period.timezone, subscription.end
    )


def period_to_buy_in(workspace: Workspace, band: TopUpBand, now: dt.datetime) -> BillingPeriod:
    """The running period of a workspace, whose plan offers the band. Raises RefusedError."""
    running = workspace.periods.open().filter(start__lte=now, end__gt=now)
    period = running.select_related("subscription", "plan_version", "workspace").first()
    if period is None:
        raise RefusedError(
            f"{workspace} has no open period at {now:%Y-%m-%d %H:%M} UTC; "
            "put it on a plan before buying for it."
        )
    if band.version_id != period.plan_version_id:
        raise RefusedError(
            f"The plan of {workspace} does not offer {band}; choose one of its bands."
        )
    return period


def refuse_buyer(band: TopUpBand, period: BillingPeriod, buyer: User | None) -> None:
    """Raise RefusedError for a client's person and a band that only the agency buys.

    ``None`` is the portal itself, acting on somebody's rule.
    """
    if buyer is None or band.buyer == TopUpBand.Buyer.CLIENT:
        return
    access = access_of(buyer)
    if not access.everything and period.agency_id not in access.agency_ids:
        raise RefusedError(f"Only the agency buys {band}; ask your account manager.")


def _grant(
    purchase: TopUpPurchase, lasts: tuple[dt.datetime, dt.datetime | None], now: dt.datetime
) -> CreditGrant:
    return CreditGrant(
        agency_id=purchase.agency_id,
        workspace_id=purchase.workspace_id,
        unit_id=purchase.unit_id,
        kind=CreditGrant.Kind.TOP_UP,
        quantity=purchase.quantity,
        priority=DEFAULT_PRIORITY[GrantKind.TOP_UP],
        effective_at=lasts[0],
        expires_at=lasts[1],
        purchase=purchase,
        key=f"purchase:{purchase.pk}",
        created_at=now,
        created_by=purchase.purchased_by,
    )


def _charge(purchase: TopUpPurchase, period: BillingPeriod, now: dt.datetime) -> Charge:
    return Charge(
        agency_id=period.agency_id,
        client_id=period.client_id,
        workspace_id=period.workspace_id,
        period=period,
        unit_id=purchase.unit_id,
        kind=LineKind.TOP_UP,
        description=purchase.band.name,
        quantity=purchase.quantity,
        amount=round_money(purchase.price, period.currency),
        currency=period.currency,
        details={
            "purchase": purchase.pk,
            "band": purchase.band_id,
            "price": plain(purchase.price),
            "purchased_at": purchase.purchased_at.isoformat(),
        },
        bill_at=period.end,
        key=f"top_up:{purchase.pk}",
        created_at=now,
    )
