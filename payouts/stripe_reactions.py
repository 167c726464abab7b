"""What payouts do about Stripe's events: read how things stand (see `billing.stripe_handlers`)."""

from __future__ import annotations

import datetime as dt

from billing.models import StripeEvent
from billing.stripe_handlers import handles
from payouts.models import StripeAccount
from payouts.services.stripe_accounts import read_account
from payouts.services.stripe_transfers import take_in_transfer


@handles("account.application.deauthorized", "account.updated")
def look_at_account(event: StripeEvent, *, now: dt.datetime) -> str:
    """An agency has told Stripe more, or Stripe wants to know more, or it has left."""
    account_id = event.account or event.object_id
    rows = StripeAccount.objects.filter(is_live=event.is_live).select_related("agency")
    account = rows.filter(account_id=account_id).first()
    if account is None:
        return ""
    account = read_account(account=account, now=now)
    return f"{account.agency}'s account: {account.standing}."


@handles("transfer.created", "transfer.reversed", "transfer.updated")
def settle_transfer(event: StripeEvent, *, now: dt.datetime) -> str:
    """An agency was given money, or it was taken back."""
    return take_in_transfer(transfer_id=event.object_id, now=now)
