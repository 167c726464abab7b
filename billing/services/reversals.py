"""Payments that did not stay: bounced, lost in a dispute, refunded elsewhere, or a mistake.

The payment's row stays; a new row takes the money back from where it is: first what was kept as
balance, then what stands on the invoice, then the client's balance again (a credit note may have
moved it there). What is nowhere any more is a shortfall, to be claimed by hand.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from agencyportal.core.locks import lock_row
from agencyportal.core.money import format_money, round_money
from billing.models import (
    BalanceEntry,
    Dispute,
    Invoice,
    InvoiceMovement,
    Payment,
    PaymentReversal,
)
from billing.refusals import RefusedError, in_words, refuse_unfit_key
from clients.models import User

from .client_balance import enter, lock_balance, refuse_unfit_reason
from .standing import move, undisputed

LONGEST_KEY = 150
ONE_DAY = dt.timedelta(days=1)
ZERO = Decimal(0)


@transaction.atomic
def reverse_payment(
    *,
    payment: Payment,
    reason: str,
    reversed_at: dt.datetime,
    now: dt.datetime,
    key: str,
    amount: Decimal | None = None,
    cause: str = PaymentReversal.Cause.BOUNCED,
    recorded_by: User | None = None,
) -> PaymentReversal:
    """Write down that a payment, or ``amount`` of it, did not stay; its invoice is due again.

    ``key`` makes it this reversal: the same key with the same amount returns the one that is
    there. Raises RefusedError for money out of a client's balance (nothing can bounce there), more
    than is left of the payment, a disputed payment, a date to come, and no reason. Locks the
    invoice, then the client's balance.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    invoice = lock_row(Invoice.objects.select_related("client").filter(pk=payment.invoice_id))
    paid = Payment.objects.get(pk=payment.pk)
    key = f"reversal:{paid.pk}:{key}"
    wanted = paid.returnable if amount is None else amount
    if earlier := PaymentReversal.objects.filter(key=key).first():
        if amount is not None and earlier.amount != amount:
            raise RefusedError("This reversal was recorded already, with another amount.")
        return earlier
    refuse_unfit_reason(reason)
    _check(paid, wanted, reversed_at, now)
    return take_back(
        invoice,
        paid,
        wanted,
        cause=cause,
        reason=reason.strip(),
        at=reversed_at,
        now=now,
        key=key,
        recorded_by=recorded_by,
    )


def _check(payment: Payment, amount: Decimal, at: dt.datetime, now: dt.datetime) -> None:
    if payment.method == Payment.Method.BALANCE:
        raise RefusedError(f"{payment} came out of the client's balance: nothing of it can bounce.")
    if payment.disputes.open().exists():
        raise RefusedError(f"{payment} is disputed; the dispute decides what becomes of it.")
    if not 0 < amount <= payment.returnable or amount != round_money(amount, payment.currency):
        raise RefusedError(
            f"Of {payment} {format_money(payment.returnable, payment.currency)} can go back, not "
            f"{format_money(amount, payment.currency)}.",
            field="amount",
        )
    if at > now:
        raise RefusedError(f"{in_words(at)} has not come yet.", field="reversed_at")
    if at < payment.received_at - ONE_DAY:
        raise RefusedError(
            f"{in_words(at)} is before {payment} was received, {in_words(payment.received_at)}.",
            field="reversed_at",
        )


def take_back(
    invoice: Invoice,
    payment: Payment,
    amount: Decimal,
    *,
    cause: str,
    reason: str,
    at: dt.datetime,
    now: dt.datetime,
    key: str,
    recorded_by: User | None = None,
    dispute: Dispute | None = None,
) -> PaymentReversal:
    """Take an amount of a payment back from where it is. The caller holds the invoice.

    Of a lost dispute exactly what it held comes off the invoice.
    """
    balance = lock_balance(invoice.client, invoice.currency)
    earlier = payment.reversals.aggregate(
        off_invoice=Sum("off_invoice"), off_balance=Sum("off_balance")
    )
    standing = payment.applied - (earlier["off_invoice"] or ZERO)
    if dispute is None:
        kept = max(payment.kept - (earlier["off_balance"] or ZERO), ZERO)
        first = min(amount, kept, balance.amount)
        off_invoice = max(min(amount - first, standing, undisputed(invoice)), ZERO)
    else:
        first, off_invoice = ZERO, dispute.held
    off_balance = first + min(amount - first - off_invoice, balance.amount - first)
    reversal = PaymentReversal(
        agency_id=payment.agency_id,
        client_id=payment.client_id,
        payment=payment,
        cause=cause,
        amount=amount,
        off_invoice=off_invoice,
        off_balance=off_balance,
        shortfall=amount - off_invoice - off_balance,
        currency=payment.currency,
        reason=reason,
        reversed_at=at,
        recorded_by=recorded_by,
        key=key,
        created_at=now,
    )
    reversal.save(force_insert=True)
    payment.returned += amount
    payment.save(update_fields=["returned"])
    if off_invoice and dispute is None:
        kind = InvoiceMovement.Kind.REVERSAL
        move(invoice, kind=kind, paid=-off_invoice, at=at, now=now, reversal=reversal)
    if off_balance:
        enter(
            balance,
            kind=BalanceEntry.Kind.REVERSAL,
            amount=-off_balance,
            now=now,
            key=f"reversal:{reversal.pk}",
            reversal=reversal,
            created_by=recorded_by,
        )
    return reversal
