"""Money received for invoices, recorded by hand or by whoever collected it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db import IntegrityError, transaction

from agencyportal.core.locks import lock_row
from agencyportal.core.money import format_money, round_money
from billing.models import Invoice, Payment
from billing.refusals import RefusedError
from clients.models import User


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
) -> Payment:
    """Record that ``amount`` was received for an issued invoice, and move the invoice's state.

    ``key`` makes it this payment: the same key with the same facts returns the payment that is
    there, whatever happened since; with other facts it raises PaymentConflictError. Raises
    PaymentRefusedError for a draft or void invoice, another currency, more than is due, an amount
    that is not positive or finer than the currency, and a receipt in the future.

    Locks the invoice, so that payments of one invoice never add up to more than its total. Owns
    its transaction.
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
        key=key,
    )
    with transaction.atomic():
        locked = lock_row(Invoice.objects.filter(pk=invoice.pk))
        if existing := Payment.objects.filter(key=key).first():
            return _same(existing, facts)
        _check(locked, facts, now)
        try:
            with transaction.atomic():
                facts.save(force_insert=True)
        except IntegrityError:
            # The key was taken meanwhile, for another invoice (this one is locked).
            if existing := Payment.objects.filter(key=key).first():
                return _same(existing, facts)
            raise
        _book(locked, facts.amount)
    return facts


def _same(existing: Payment, asked: Payment) -> Payment:
    if existing.agency_id != asked.agency_id:
        # Nothing about another tenant's payment.
        raise PaymentConflictError(f"The key {asked.key!r} is taken. Give the payment another.")
    names = ("invoice_id", "amount", "currency", "method", "reference", "received_at")
    differing = [name for name in names if getattr(existing, name) != getattr(asked, name)]
    if differing:
        said = ", ".join(f"{n.removesuffix('_id')} {getattr(existing, n)}" for n in differing)
        raise PaymentConflictError(
            f"The key {asked.key!r} is the payment {existing.pk} with {said}. "
            "Give a new payment a key of its own."
        )
    return existing


def _check(invoice: Invoice, payment: Payment, now: dt.datetime) -> None:
    if invoice.state == Invoice.State.DRAFT:
        raise PaymentRefusedError(f"{invoice} is not issued yet, so nothing can be paid on it.")
    if invoice.state == Invoice.State.VOID:
        raise PaymentRefusedError(
            f"Invoice {invoice} is void. Record it on the one that replaced it."
        )
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
            f"The payment is dated {payment.received_at.isoformat()}, which has not come yet.",
            field="received_at",
        )
    if not payment.key or payment.method not in Payment.Method.values:
        raise PaymentRefusedError(
            f"A payment needs a key and one of the methods {', '.join(Payment.Method.values)}."
        )
    if payment.amount > invoice.amount_due:
        raise PaymentRefusedError(
            f"Invoice {invoice} has {format_money(invoice.amount_due, invoice.currency)} due, and "
            f"{format_money(payment.amount, invoice.currency)} is more. "
            "Record what is due and return the rest to the client.",
            field="amount",
        )


def _book(invoice: Invoice, amount: Decimal) -> None:
    invoice.amount_paid += amount
    settled = invoice.amount_due == 0
    invoice.state = Invoice.State.PAID if settled else Invoice.State.PARTIALLY_PAID
    invoice.save(update_fields=["state", "amount_paid"])
