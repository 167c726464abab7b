"""Refunds: money out of a client's balance, back to whoever paid.

The intent is written first, and takes the amount from the balance with it; then somebody sends the
money (the provider that collected it, or a person at the bank); then what came of it is recorded.
A refund that fails puts the amount back on the balance. Every one of them can be asked for, or
reported, any number of times.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db import transaction

from agencyportal.core.locks import lock_row
from agencyportal.core.money import format_money, round_money
from billing.models import BalanceEntry, CreditNote, Invoice, Payment, Refund
from billing.refusals import RefusedError, refuse_unfit_key
from clients.models import Client, User

from .client_balance import enter, lock_balance, refuse_unfit_reason

LONGEST_KEY = 150


@transaction.atomic
def request_refund(
    *,
    client: Client,
    amount: Decimal,
    currency: str,
    reason: str,
    requested_by: User | None,
    now: dt.datetime,
    key: str,
    payment: Payment | None = None,
    credit_note: CreditNote | None = None,
    method: str = "",
) -> Refund:
    """Take ``amount`` from a client's balance to be paid back, and write down that it is.

    ``payment``: which payment goes back; without one it is a bank transfer to the client.
    ``method``: by default the way the payment came, where its provider is known, else by bank.
    ``key`` makes it this refund, and is what a provider may be given as its idempotency key
    (`Refund.key`). Raises RefusedError for more than the balance has or than is left of the
    payment, a disputed payment, a payment of somebody else, one out of the balance, and no reason.
    Locks the payment's invoice, then the balance. Nothing is sent here.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    refuse_unfit_reason(reason)
    key = f"refund:{client.pk}:{key}"
    paid = _lock_payment(payment)
    balance = lock_balance(client, currency)
    if earlier := Refund.objects.filter(key=key).first():
        if (earlier.amount, earlier.currency) != (amount, currency):
            raise RefusedError("This refund was asked for already, with another amount.")
        return earlier
    if amount <= 0 or amount != round_money(amount, currency):
        raise RefusedError(f"{amount} is no amount of {currency} to pay back.", field="amount")
    if paid is not None:
        _check_payment(paid, client, amount, currency)
        paid.returned += amount
        paid.save(update_fields=["returned"])
    refund = Refund(
        agency_id=client.agency_id,
        client=client,
        payment=paid,
        credit_note=credit_note,
        amount=amount,
        currency=currency,
        method=_method(method, paid),
        reason=reason.strip(),
        requested_at=now,
        requested_by=requested_by,
        key=key,
        created_at=now,
    )
    refund.save(force_insert=True)
    enter(
        balance,
        kind=BalanceEntry.Kind.REFUND,
        amount=-amount,
        now=now,
        key=key,
        refund=refund,
        created_by=requested_by,
    )
    return refund


@transaction.atomic
def pay_back(*, note: CreditNote, requested_by: User | None, now: dt.datetime) -> list[Refund]:
    """Ask for what a credit note put on the balance to go back to the payments of its invoice,
    the latest first, as far as they brought it and nobody disputes them.

    What came out of the balance stays there. Once for each credit note and payment: asked for
    again, it answers with the refunds that are there.
    """
    if note.invoice_id is None:
        return []
    refunds = list(note.refunds.order_by("pk"))
    left = note.to_balance - sum((refund.amount for refund in refunds), Decimal(0))
    asked = [refund.payment_id for refund in refunds if refund.payment_id is not None]
    payments = Payment.objects.filter(invoice=note.invoice_id).exclude(pk__in=asked)
    payments = payments.exclude(method=Payment.Method.BALANCE).order_by("-pk")
    for payment in payments:
        part = min(left, payment.returnable)
        if part <= 0 or payment.disputes.open().exists():
            continue
        refunds.append(
            request_refund(
                client=note.client,
                amount=part,
                currency=note.currency,
                reason=note.reason,
                requested_by=requested_by,
                now=now,
                key=f"{note.number}:{payment.pk}",
                payment=payment,
                credit_note=note,
            )
        )
        left -= part
    return refunds


def _lock_payment(payment: Payment | None) -> Payment | None:
    if payment is None:
        return None
    lock_row(Invoice.objects.filter(pk=payment.invoice_id))
    return Payment.objects.get(pk=payment.pk)


def _check_payment(payment: Payment, client: Client, amount: Decimal, currency: str) -> None:
    if (payment.client_id, payment.currency) != (client.pk, currency):
        raise RefusedError(f"That is no payment of {client} in {currency}.", field="payment")
    if payment.method == Payment.Method.BALANCE:
        raise RefusedError(
            f"{payment} came out of the balance; choose the payment that brought the money.",
            field="payment",
        )
    if payment.disputes.open().exists():
        raise RefusedError(
            f"{payment} is disputed: the bank decides whether it goes back.", field="payment"
        )
    if amount > payment.returnable:
        raise RefusedError(
            f"Of {payment} {format_money(payment.returnable, currency)} can go back, not "
            f"{format_money(amount, currency)}.",
            field="amount",
        )


def _method(method: str, payment: Payment | None) -> str:
    known = payment is not None and bool(payment.provider_id)
    if not method:
        return Refund.Method.PROVIDER if known else Refund.Method.BANK_TRANSFER
    if method not in Refund.Method.values:
        raise RefusedError(f"A refund goes by {', '.join(Refund.Method.values)}.", field="method")
    if method == Refund.Method.PROVIDER and not known:
        raise RefusedError(
            "Nobody knows which way the payment came; pay it back by bank transfer.",
            field="method",
        )
    return method


@transaction.atomic
def record_refund_result(
    *,
    refund: Refund,
    state: str,
    now: dt.datetime,
    provider_id: str = "",
    reference: str = "",
    failure: str = "",
) -> Refund:
    """Record what became of a refund: ``pending`` (sent), ``succeeded`` or ``failed``.

    Reports may come twice and in any order: one that failed stays failed, one that succeeded may
    still fail later. Failing puts the amount back on the client's balance, once. ``provider_id``:
    what whoever sent it calls it; it never changes. Raises RefusedError for another id or a state
    that is none. Locks the payment's invoice, the balance, then the refund.
    """
    if state not in Refund.State.values:
        raise RefusedError(f"A refund is one of {', '.join(Refund.State.values)}.")
    paid = _lock_payment(refund.payment)
    balance = lock_balance(refund.client, refund.currency)
    locked = lock_row(Refund.objects.filter(pk=refund.pk))
    if provider_id and locked.provider_id not in ("", provider_id):
        raise RefusedError(f"{locked} is {locked.provider_id}, not {provider_id}.")
    locked.provider_id = locked.provider_id or provider_id
    locked.reference = locked.reference or reference[:200]
    before = Refund.State(locked.state)
    if state != Refund.State.PENDING and before not in (state, Refund.State.FAILED):
        locked.state, locked.settled_at = Refund.State(state), now
        locked.failure = failure[:500]
    locked.save(update_fields=["state", "provider_id", "reference", "settled_at", "failure"])
    if locked.state == Refund.State.FAILED and before != Refund.State.FAILED:
        enter(
            balance,
            kind=BalanceEntry.Kind.REFUND_FAILED,
            amount=locked.amount,
            now=now,
            key=f"refund-failed:{locked.pk}",
            refund=locked,
        )
        if paid is not None:
            paid.returned -= locked.amount
            paid.save(update_fields=["returned"])
    return locked
