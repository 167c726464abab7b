"""Sells top-ups on account: the price goes on the invoice of the period they were bought in."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from agencyportal.core.money import plain, round_money
from agencyportal.core.periods import quarter_floor
from agencyportal.core.tenancy import access_of
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    LineKind,
    TopUpBand,
    TopUpPurchase,
)
from billing.refusals import RefusedError, refuse_unfit_key
from billing.simulation import top_up_expiry
from billing.waterfall import DEFAULT_PRIORITY, GrantKind
from clients.models import User, Workspace
from clients.services import windows

from .periods import bounds_of

LONGEST_KEY = 200


@transaction.atomic
def buy_on_account(
    *,
    workspace: Workspace,
    band: TopUpBand,
    now: dt.datetime,
    key: str,
    purchased_by: User | None = None,
) -> TopUpPurchase:
    """Buy a band for a workspace: purchase, grant and charge, together or not at all.

    ``key`` is the buyer's idempotency key within the workspace: the same key and band is the same
    purchase, however often it comes. The grant can be used from the quarter hour of ``now`` on.

    Raises RefusedError for a key that is none or bought another band, without an open period at
    ``now``, for a band that the period's plan version does not offer, and for a buyer who may not
    buy it. Locks the workspace's row, so that no period closes meanwhile.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    locked = windows.lock_workspace(workspace.pk)
    earlier = locked.purchases.select_related("band").filter(key=key).first()
    if earlier is not None:
        if earlier.band_id != band.pk:
            raise RefusedError(
                f"The key {key!r} has bought {earlier.band} already; use a new key for {band}."
            )
        return earlier
    period = _period_to_buy_in(locked, band, now)
    _refuse_buyer(band, period, purchased_by)
    purchase = TopUpPurchase.objects.create(
        agency_id=locked.agency_id,
        workspace=locked,
        unit_id=band.unit_id,
        band=band,
        quantity=band.quantity,
        price=band.price,
        currency=period.currency,
        purchased_at=now,
        purchased_by=purchased_by,
        key=key,
        created_at=now,
    )
    _grant(purchase, period, now).save(force_insert=True)
    _charge(purchase, period, now).save(force_insert=True)
    return purchase


def _period_to_buy_in(workspace: Workspace, band: TopUpBand, now: dt.datetime) -> BillingPeriod:
    period = workspace.periods.open().filter(start__lte=now, end__gt=now).first()
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


def _refuse_buyer(band: TopUpBand, period: BillingPeriod, buyer: User | None) -> None:
    """``None`` is the portal itself, acting on somebody's rule."""
    if buyer is None or band.buyer == TopUpBand.Buyer.CLIENT:
        return
    access = access_of(buyer)
    if not access.everything and period.agency_id not in access.agency_ids:
        raise RefusedError(f"Only the agency buys {band}; ask your account manager.")


def _grant(purchase: TopUpPurchase, period: BillingPeriod, now: dt.datetime) -> CreditGrant:
    return CreditGrant(
        agency_id=purchase.agency_id,
        workspace_id=purchase.workspace_id,
        unit_id=purchase.unit_id,
        kind=CreditGrant.Kind.TOP_UP,
        quantity=purchase.quantity,
        priority=DEFAULT_PRIORITY[GrantKind.TOP_UP],
        effective_at=quarter_floor(now),
        expires_at=top_up_expiry(purchase.band.expires, now, bounds_of(period), period.timezone),
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
            "purchased_at": now.isoformat(),
        },
        bill_at=period.end,
        key=f"top_up:{purchase.pk}",
        created_at=now,
    )
