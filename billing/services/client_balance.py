"""Money of clients that lies with the platform: kept, used for invoices, adjusted by hand.

A balance is the sum of its entries and never negative: whoever adds one holds the balance's row,
and the database refuses less than nothing. Lock order: invoice, then balance, then series.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django.db import transaction

from agencyportal.core.locks import lock_row, lock_rows
from agencyportal.core.money import format_money, is_currency, round_money
from billing.models import BalanceEntry, ClientBalance, Invoice, InvoiceMovement, Payment
from billing.refusals import RefusedError, refuse_unfit_key
from clients.models import Client, User

from .standing import move

LONGEST_KEY = 150
LONGEST_REASON = 500
ZERO = Decimal(0)


def lock_balance(client: Client, currency: str) -> ClientBalance:
    """A client's balance in a currency, locked; made at nothing where there is none."""
    rows = ClientBalance.objects.filter(client=client, currency=currency)
    if found := lock_rows(rows):
        return found[0]
    new = ClientBalance(agency_id=client.agency_id, client=client, currency=currency)
    ClientBalance.objects.bulk_create([new], ignore_conflicts=True)
    return lock_row(rows)


def lock_balances(client_ids: Collection[int]) -> dict[tuple[int, str], ClientBalance]:
    """The balances of clients that have something, locked, by client and currency. One query."""
    rows = lock_rows(ClientBalance.objects.filter(client__in=client_ids, amount__gt=0))
    return {(row.client_id, row.currency): row for row in rows}


def enter(
    balance: ClientBalance,
    *,
    kind: BalanceEntry.Kind,
    amount: Decimal,
    now: dt.datetime,
    key: str,
    **cause: Any,
) -> BalanceEntry:
    """Add an entry to a locked balance. Raises RefusedError where nothing like it is left."""
    if balance.amount + amount < 0:
        raise RefusedError(
            f"The balance of {balance.client} is {format_money(balance.amount, balance.currency)}; "
            f"{format_money(-amount, balance.currency)} is more.",
            field="amount",
        )
    entry = BalanceEntry(
        agency_id=balance.agency_id,
        client_id=balance.client_id,
        balance=balance,
        kind=kind,
        amount=amount,
        currency=balance.currency,
        key=key,
        created_at=now,
        **cause,
    )
    entry.save(force_insert=True)
    balance.amount += amount
    balance.save(update_fields=["amount"])
    return entry


@transaction.atomic
def adjust_balance(
    *,
    client: Client,
    currency: str,
    amount: Decimal,
    reason: str,
    adjusted_by: User | None,
    now: dt.datetime,
    key: str,
) -> BalanceEntry:
    """Change a client's balance by hand, with a reason: positive gives, negative takes.

    It is money, not a discount: no tax and no earning follow from it. ``key`` makes it this one:
    asked for again, it answers with the entry that is there. Raises RefusedError for no reason,
    nothing, more digits than the currency has, and more than is there. Locks the balance.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    refuse_unfit_reason(reason)
    if not is_currency(currency):
        raise RefusedError(
            f"{currency} is no currency of ISO 4217; name one such as USD.", field="currency"
        )
    if not amount or amount != round_money(amount, currency):
        raise RefusedError(f"{amount} is no amount of {currency} to adjust by.", field="amount")
    balance = lock_balance(client, currency)
    key = f"adjustment:{client.pk}:{key}"
    if earlier := BalanceEntry.objects.filter(key=key).first():
        if (earlier.amount, earlier.currency) != (amount, currency):
            raise RefusedError("This adjustment was made already, with another amount.")
        return earlier
    return enter(
        balance,
        kind=BalanceEntry.Kind.ADJUSTMENT,
        amount=amount,
        now=now,
        key=key,
        reason=reason.strip(),
        created_by=adjusted_by,
    )


@transaction.atomic
def apply_balance(
    *,
    invoice: Invoice,
    now: dt.datetime,
    key: str,
    amount: Decimal | None = None,
    applied_by: User | None = None,
) -> Payment:
    """Pay an issued invoice out of its client's balance: ``amount``, or as much as there is.

    ``key`` makes it this payment. Raises RefusedError for a draft, where nothing is due or the
    balance has nothing, and for more than either. Locks the invoice, then the balance.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    locked = lock_row(Invoice.objects.select_related("client").filter(pk=invoice.pk))
    key = f"balance:{locked.pk}:{key}"
    if earlier := Payment.objects.filter(key=key).first():
        return earlier
    if locked.state == Invoice.State.DRAFT:
        raise RefusedError(f"{locked} is not issued yet; the balance is used when it is.")
    balance = lock_balance(locked.client, locked.currency)
    most = min(balance.amount, locked.amount_due)
    wanted = most if amount is None else amount
    if most <= 0:
        raise RefusedError(f"There is nothing of a balance to be used for {locked}.")
    if not 0 < wanted <= most or wanted != round_money(wanted, locked.currency):
        raise RefusedError(
            f"At most {format_money(most, locked.currency)} of the balance can be used for "
            f"{locked}, not {format_money(wanted, locked.currency)}.",
            field="amount",
        )
    payment = balance_payment(locked, wanted, now=now, key=key, applied_by=applied_by)
    payment.save(force_insert=True)
    move(
        locked,
        kind=InvoiceMovement.Kind.PAYMENT,
        paid=wanted,
        at=now,
        now=now,
        payment=payment,
    )
    enter(balance, **applied(payment, now))
    return payment


def balance_payment(
    invoice: Invoice,
    amount: Decimal,
    *,
    now: dt.datetime,
    key: str,
    applied_by: User | None = None,
) -> Payment:
    """A payment out of the client's balance, not saved."""
    return Payment(
        agency_id=invoice.agency_id,
        client_id=invoice.client_id,
        invoice=invoice,
        amount=amount,
        currency=invoice.currency,
        method=Payment.Method.BALANCE,
        reference=f"Balance of {invoice.client}"[:200],
        received_at=now,
        recorded_by=applied_by,
        key=key,
        created_at=now,
    )


def applied(payment: Payment, now: dt.datetime) -> dict[str, Any]:
    """The entry that a payment out of the balance takes from it."""
    return {
        "kind": BalanceEntry.Kind.APPLIED,
        "amount": -payment.amount,
        "now": now,
        "key": f"applied:{payment.pk}",
        "payment": payment,
        "created_by": payment.recorded_by,
    }


def refuse_unfit_reason(reason: str) -> None:
    """Raise RefusedError for a reason that is none or does not fit its column."""
    if not reason.strip():
        raise RefusedError("Say why; the reason is kept with it.", field="reason")
    if len(reason) > LONGEST_REASON:
        raise RefusedError(f"Say why in at most {LONGEST_REASON} characters.", field="reason")
