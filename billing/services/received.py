"""Money that came before its invoice: the invoice is issued paid, and says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from billing.models import BalanceEntry, Invoice, InvoiceMovement, Payment

from .client_balance import enter, lock_balance

ZERO: Final = Decimal(0)


def fit_to_totals(drafts: Iterable[Invoice], received: Mapping[int, Payment]) -> None:
    """Say of payments, not saved, what is more than their priced drafts come to.

    That is the case where the tax rate has changed since the order. Locks the clients' balances
    that get it.
    """
    for draft in drafts:
        if payment := received.get(draft.pk):
            payment.invoice = draft
            payment.kept = max(payment.amount - draft.total, ZERO)
            if payment.kept:
                lock_balance(draft.client, payment.currency)


def book_received(payments: Iterable[Payment], *, now: dt.datetime) -> None:
    """Write such payments down, with the first movements of their invoices, issued just now, and
    what their clients' balances gain."""
    for payment in payments:
        payment.save(force_insert=True)
        if payment.applied:
            InvoiceMovement.objects.create(
                invoice=payment.invoice,
                number=1,
                kind=InvoiceMovement.Kind.PAYMENT,
                paid=payment.applied,
                currency=payment.currency,
                payment=payment,
                occurred_at=payment.received_at,
                created_at=now,
            )
        if payment.kept:
            enter(
                lock_balance(payment.invoice.client, payment.currency),
                kind=BalanceEntry.Kind.OVERPAYMENT,
                amount=payment.kept,
                now=now,
                key=f"overpayment:{payment.pk}",
                payment=payment,
                created_by=payment.recorded_by,
            )
