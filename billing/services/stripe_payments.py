"""Which of our payments Stripe speaks of."""

from __future__ import annotations

import datetime as dt
import logging
from decimal import Decimal
from typing import Final

from django.db import transaction

from agencyportal.core.money import format_money
from billing.models import BalanceEntry, InvoiceCheckout, Payment, TopUpOrder
from billing.refusals import RefusedError
from billing.stripe_gateway import Intent

from .client_balance import enter, lock_balance

_logger = logging.getLogger(__name__)

DIRECT_DEBITS: Final = frozenset(
    {
        "acss_debit",
        "au_becs_debit",
        "bacs_debit",
        "nz_bank_account",
        "sepa_debit",
        "us_bank_account",
    }
)
"""Stripe's names for money that is taken from a bank account: it takes days, and may go back."""


def method_of(intent: Intent) -> str:
    """What a payment at Stripe was made with, as ours."""
    if intent.method in DIRECT_DEBITS:
        return Payment.Method.DIRECT_DEBIT
    return Payment.Method.CARD if intent.method == "card" else Payment.Method.OTHER


class NotBookedError(RefusedError):
    """Stripe speaks of money that is ours and in the books as no payment, or not yet."""


def order_on_balance(intent_id: str) -> TopUpOrder | None:
    """The order whose money, collected with an intent, went to its client's balance, since it could
    not be granted: there is no payment of an invoice."""
    order = TopUpOrder.objects.select_related("client").filter(intent_id=intent_id).first()
    if order is None or not BalanceEntry.objects.filter(key=f"order:{order.pk}").exists():
        return None
    return order


@transaction.atomic
def take_off_balance(
    *, order: TopUpOrder, amount: Decimal, reason: str, key: str, now: dt.datetime
) -> str:
    """Money of such an order went back at Stripe: take it off the balance, as far as it is there;
    in words what was done. ``key`` makes it this one. Locks the balance."""
    balance = lock_balance(order.client, order.currency)
    key = f"order:{order.pk}:returned:{key}"
    if BalanceEntry.objects.filter(key=key).exists():
        return f"The balance of {order.client} gave it back before."
    part = min(amount, balance.amount)
    if part:
        enter(
            balance,
            kind=BalanceEntry.Kind.ADJUSTMENT,
            amount=-part,
            now=now,
            key=key,
            reason=f"{order}: {reason}",
        )
    said = f"{format_money(part, order.currency)} came off the balance of {order.client}."
    if part == amount:
        return said
    short = format_money(amount - part, order.currency)
    _logger.error("%s of %s went back at Stripe and is on no balance any more", short, order)
    return f"{said} {short} is no longer there: it is to be claimed by hand."


def payment_of(intent_id: str) -> Payment | None:
    """The payment that Stripe collected with an intent; None for one that is not the portal's.

    Raises NotBookedError for an intent that something of ours waits for: events overtake each
    other, so that it may be there when it is asked for again.
    """
    if not intent_id:
        return None
    found = Payment.objects.select_related("client").filter(provider_id=intent_id).first()
    ours = (TopUpOrder, InvoiceCheckout)
    if found is None and any(m.objects.filter(intent_id=intent_id).exists() for m in ours):
        raise NotBookedError(f"No payment {intent_id} is in the books yet; it is looked for again.")
    return found
