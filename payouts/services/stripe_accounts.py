"""Agencies' accounts at Stripe: made once, set up on its pages, read when it tells of them.

Stripe is called outside of transactions: the key makes an account once, and the row follows.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Final

from django.conf import settings

from billing import stripe_gateway as gateway
from billing.stripe_gateway import GatewayError, NotThereError
from clients.models import Agency, User
from payouts.models import PayBy, PayoutTerms, StripeAccount

GONE: Final = "disconnected"

_logger = logging.getLogger(__name__)


def stripe_account_of(agency: Agency) -> StripeAccount | None:
    """An agency's account in the mode in use; None before it began to set one up."""
    rows = StripeAccount.objects.filter(agency=agency, is_live=settings.STRIPE_LIVE_MODE)
    return rows.first()


def pays_through_stripe(agency: Agency) -> bool:
    """Whether an agency's approved payouts are paid by Stripe."""
    return PayoutTerms.objects.filter(agency=agency, pay_by=PayBy.STRIPE).exists()


def onboard(*, agency: Agency, address: str, by: User | None, now: dt.datetime) -> str:
    """Stripe's page on which an agency sets its account up, made with the first call.

    ``address``: where Stripe sends people back to. Two at once make one account: Stripe by the
    key, we by a unique constraint. Raises GatewayError.
    """
    gateway.refuse_off()
    account = stripe_account_of(agency)
    if account is None:
        mode = "live" if settings.STRIPE_LIVE_MODE else "test"
        account_id = gateway.create_connected(
            country=agency.country,
            email=agency.email,
            metadata={"agency": str(agency.pk), "slug": agency.slug},
            key=f"account:{mode}:{agency.pk}",
        )
        row = StripeAccount(
            agency=agency,
            is_live=settings.STRIPE_LIVE_MODE,
            account_id=account_id,
            created_by=by,
            created_at=now,
        )
        StripeAccount.objects.bulk_create([row], ignore_conflicts=True)
        account = StripeAccount.objects.get(agency=agency, is_live=settings.STRIPE_LIVE_MODE)
    return gateway.onboarding_url(account.account_id, return_url=address, refresh_url=address)


def read_account(*, account: StripeAccount, now: dt.datetime) -> StripeAccount:
    """Bring what we know of an account to how it stands at Stripe. Raises GatewayError."""
    try:
        found = gateway.read_connected(account.account_id)
    except NotThereError:
        account.takes_transfers = account.is_paid_out = False
        account.disabled_reason = GONE
    else:
        account.is_submitted = found.is_submitted
        account.takes_transfers = found.takes_transfers
        account.is_paid_out = found.is_paid_out
        account.disabled_reason = found.disabled_reason[:200]
        account.due = list(found.due)
    account.read_at = now
    account.save(
        update_fields=[
            "is_submitted",
            "takes_transfers",
            "is_paid_out",
            "disabled_reason",
            "due",
            "read_at",
        ]
    )
    return account


def look_at_accounts(*, now: dt.datetime) -> int:
    """Read every account of the mode in use; how many. For whom Stripe's events do not reach. One
    that cannot be read now holds up no other."""
    if not gateway.is_on():
        return 0
    read = 0
    rows = StripeAccount.objects.filter(is_live=settings.STRIPE_LIVE_MODE).order_by("pk")
    for account in rows.iterator():
        try:
            read_account(account=account, now=now)
        except GatewayError as error:
            _logger.warning("%s: %s", account, error)
        else:
            read += 1
    return read
