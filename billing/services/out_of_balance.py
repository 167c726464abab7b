"""What clients' balances pay of invoices as they are issued: a payment, after tax (ENGINE 11)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal

from billing.models import BalanceEntry, ClientBalance, Invoice, InvoiceMovement, Payment

from .client_balance import applied, balance_payment

Balances = Mapping[tuple[int, str], ClientBalance]


def payments_out_of_balance(
    drafts: Sequence[Invoice], balances: Balances, *, now: dt.datetime
) -> dict[int, Payment]:
    """What each draft takes of its client's balance, in their order; by invoice, not saved."""
    left: dict[int, Decimal] = {row.pk: row.amount for row in balances.values()}
    paying = {}
    for draft in drafts:
        balance = balances.get((draft.client_id, draft.currency))
        if balance is None or draft.total <= 0 or not left[balance.pk]:
            continue
        amount = min(left[balance.pk], draft.total)
        left[balance.pk] -= amount
        key = f"balance:{draft.pk}:issued"
        paying[draft.pk] = balance_payment(draft, amount, now=now, key=key)
    return paying


def book_out_of_balance(
    payments: Sequence[Payment], balances: Balances, *, now: dt.datetime
) -> None:
    """Write such payments down, their invoices' first movements, and what the locked balances
    lose by them. Four queries, however many there are."""
    if not payments:
        return
    Payment.objects.bulk_create(payments)
    InvoiceMovement.objects.bulk_create(
        InvoiceMovement(
            invoice=payment.invoice,
            number=1,
            kind=InvoiceMovement.Kind.PAYMENT,
            paid=payment.amount,
            currency=payment.currency,
            payment=payment,
            occurred_at=payment.received_at,
            created_at=now,
        )
        for payment in payments
    )
    entries, touched = [], {}
    for payment in payments:
        balance = balances[payment.client_id, payment.currency]
        balance.amount -= payment.amount
        touched[balance.pk] = balance
        facts = applied(payment, now)
        facts["created_at"] = facts.pop("now")
        of = {"agency_id": balance.agency_id, "client_id": balance.client_id}
        entries.append(BalanceEntry(balance=balance, currency=balance.currency, **of, **facts))
    BalanceEntry.objects.bulk_create(entries)
    ClientBalance.objects.bulk_update(touched.values(), ["amount"])
