"""Money received for invoices, recorded by hand or by whoever collected it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

from django.db import IntegrityError, transaction

from agencyportal.core.locks import lock_row
from agencyportal.core.money import format_money, round_money
from billing.models import BalanceEntry, Invoice, InvoiceMovement, Payment
from billing.refusals import RefusedError, in_words
from clients.models import User

from .client_balance import enter, lock_balance
from .standing import move

ZERO: Final = Decimal(0)
RECEIVED_BY: Final = tuple(m.value for m in Payment.Method if m is not Payment.Method.BALANCE)
"""How money can arrive; what is paid out of a balance has arrived before."""
MOST_AHEAD: Final = dt.timedelta(days=366)
"""How long before its invoice was issued something may have been paid: a year in advance. What is
dated earlier is easily a typing error."""


class PaymentRefusedError(RefusedError):
    """The payment cannot be recorded; the message says why and what to do."""


class PaymentConflictError(PaymentRefusedError):
    """The key belongs to a payment with other facts."""


def record_payment(
    *,
    invoice: Invoice,
    amount: Decimal,
    currency: str,
    method: str,
    reference: str,
    received_at: dt.datetime,
    now: dt.datetime,
    key: str,
    recorded_by: User | None = None,
    provider_id: str = "",
) -> Payment:
    """Record that ``amount`` was received for an issued invoice, and move the invoice's state.

    What is more than is due, or comes for an invoice that is paid or void, is kept as the client's
    balance. ``provider_id``: what whoever collected it calls it; by it refunds go back the same
    way. ``key`` makes it this payment: the same key with the same facts returns the payment that
    is there, whatever happened since; with other facts it raises PaymentConflictError. Raises
    PaymentRefusedError for a draft, another currency, an amount that is not positive or finer than
    the currency, a receipt in the future, and one more than a year before the invoice's issue.

    Locks the invoice, so that payments of one invoice never settle more than its total, then the
    client's balance where something is kept. Owns its transaction.
    """
    facts = Payment(
        agency_id=invoice.agency_id,
        client_id=invoice.client_id,
        invoice_id=invoice.pk,
        amount=amount,
        currency=currency,
        method=method,
        reference=reference,
        received_at=received_at,
        recorded_by=recorded_by,
        provider_id=provider_id,
        key=key,
        created_at=now,
    )
    with transaction.atomic():
        locked = lock_row(Invoice.objects.filter(pk=invoice.pk))
        if existing := Payment.objects.filter(key=key).first():
            return _same(existing, facts)
        _check(locked, facts, now)
        facts.kept = max(facts.amount - locked.amount_due, ZERO)
        try:
            with transaction.atomic():
                facts.save(force_insert=True)
        except IntegrityError:
            # The key was taken meanwhile, for another invoice (this one is locked).
            if existing := Payment.objects.filter(key=key).first():
                return _same(existing, facts)
            raise
        _book(locked, facts, now)
    return facts


def _same(existing: Payment, asked: Payment) -> Payment:
    if existing.agency_id != asked.agency_id:
        # Nothing about another tenant's payment.
        raise PaymentConflictError("This key is taken. Give the payment another.")
    names = ("invoice_id", "amount", "currency", "method", "reference", "received_at")
    if any(getattr(existing, name) != getattr(asked, name) for name in names):
        amount = format_money(existing.amount, existing.currency)
        raise PaymentConflictError(
            f"What was sent recorded {amount} of {in_words(existing.received_at)} for invoice "
            f"{existing.invoice} when it was sent before. For another payment, open the form again."
        )
    return existing


def _check(invoice: Invoice, payment: Payment, now: dt.datetime) -> None:
    if invoice.state == Invoice.State.DRAFT:
        raise PaymentRefusedError(f"{invoice} is not issued yet, so nothing can be paid on it.")
    if payment.currency != invoice.currency:
        raise PaymentRefusedError(
            f"Invoice {invoice} is in {invoice.currency}; the payment is in {payment.currency}. "
            f"Record what arrived in {invoice.currency}."
        )
    if payment.amount <= 0 or payment.amount != round_money(payment.amount, payment.currency):
        raise PaymentRefusedError(
            f"{payment.amount} is not an amount of {payment.currency} that can be received.",
            field="amount",
        )
    if payment.received_at > now:
        raise PaymentRefusedError(
            f"The payment is dated {in_words(payment.received_at)}, which has not come yet.",
            field="received_at",
        )
    if invoice.issued_at is not None and payment.received_at < invoice.issued_at - MOST_AHEAD:
        raise PaymentRefusedError(
            f"The payment is dated {in_words(payment.received_at)}, more than a year before "
            f"{invoice} was issued.",
            field="received_at",
        )
    if not payment.key or payment.method not in RECEIVED_BY:
        raise PaymentRefusedError(
            f"A payment needs a key and one of the methods {', '.join(RECEIVED_BY)}."
        )
    if payment.provider_id and Payment.objects.filter(provider_id=payment.provider_id).exists():
        raise PaymentConflictError(
            f"{payment.provider_id} is recorded already, under another key: once is enough."
        )


def _book(invoice: Invoice, payment: Payment, now: dt.datetime) -> None:
    if payment.applied:
        move(
            invoice,
            kind=InvoiceMovement.Kind.PAYMENT,
            paid=payment.applied,
            at=payment.received_at,
            now=now,
            payment=payment,
        )
    if payment.kept:
        enter(
            lock_balance(invoice.client, invoice.currency),
            kind=BalanceEntry.Kind.OVERPAYMENT,
            amount=payment.kept,
            now=now,
            key=f"overpayment:{payment.pk}",
            payment=payment,
            created_by=payment.recorded_by,
        )
