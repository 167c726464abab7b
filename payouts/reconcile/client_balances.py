"""Clients' balances: each the sum of its entries, each entry as its cause says, none missing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from django.db.models import Model, Sum

from agencyportal.core.tenancy import ScopedQuerySet
from billing.models import (
    BalanceEntry,
    ClientBalance,
    CreditNote,
    Payment,
    PaymentReversal,
    Refund,
)

from .findings import Checked, Finding, compare, missing, unexpected
from .scope import CHUNK, Scope

SUBJECT: Final = "Client balances"
ENTRIES: Final = "Balance entries"

ZERO: Final = Decimal(0)


def check_client_balances(scope: Scope) -> Iterator[Finding]:
    """Every balance against its entries, and every entry against what caused it."""
    sums = dict(
        scope.of(BalanceEntry.objects.all())
        .order_by()
        .values_list("balance_id")
        .annotate(total=Sum("amount"))
    )
    for row in scope.of(ClientBalance.objects.select_related("client")).order_by("pk"):
        fields = {"amount": (row.amount, sums.get(row.pk, ZERO))}
        yield from compare(SUBJECT, row, str(row), fields)
        yield Checked(SUBJECT, 1)
    entries = scope.of(BalanceEntry.objects.select_related("balance"))
    by_key: dict[str, BalanceEntry] = {}
    for entry in entries.order_by("pk").iterator(chunk_size=CHUNK):
        owner: dict[str, tuple[Any, Any]] = {
            "client": (entry.client_id, entry.balance.client_id),
            "currency": (entry.currency, entry.balance.currency),
        }
        yield from compare(ENTRIES, entry, entry.key, owner)
        by_key[entry.key] = entry
    yield from _check_causes(scope, by_key)


def _check_causes(scope: Scope, by_key: dict[str, BalanceEntry]) -> Iterator[Finding]:
    checked = len(by_key)
    for cause, key, kind, amount in _wanted(scope):
        entry = by_key.pop(key, None)
        if entry is None:
            yield missing(ENTRIES, BalanceEntry, f"{cause} ({key})", amount)
            continue
        said: dict[str, tuple[Any, Any]] = {
            "kind": (entry.kind, kind.value),
            "amount": (entry.amount, amount),
        }
        yield from compare(ENTRIES, entry, key, said)
    for key, entry in by_key.items():
        if entry.kind != BalanceEntry.Kind.ADJUSTMENT:
            yield unexpected(ENTRIES, entry, key, entry.amount)
    yield Checked(ENTRIES, checked)


def _wanted(scope: Scope) -> Iterator[tuple[Model, str, BalanceEntry.Kind, Decimal]]:
    """Every entry that something calls for: its cause, key, kind and amount."""
    kinds = BalanceEntry.Kind
    for payment in _rows(scope.of(Payment.objects.filter(kept__gt=0))):
        yield payment, f"overpayment:{payment.pk}", kinds.OVERPAYMENT, payment.kept
    for payment in _rows(scope.of(Payment.objects.filter(method=Payment.Method.BALANCE))):
        yield payment, f"applied:{payment.pk}", kinds.APPLIED, -payment.amount
    for note in _rows(scope.of(CreditNote.objects.filter(to_balance__gt=0).defer("snapshot"))):
        yield note, f"credit-note:{note.pk}", kinds.CREDIT_NOTE, note.to_balance
    for back in _rows(scope.of(PaymentReversal.objects.filter(off_balance__gt=0))):
        yield back, f"reversal:{back.pk}", kinds.REVERSAL, -back.off_balance
    for refund in _rows(scope.of(Refund.objects.all())):
        yield refund, refund.key, kinds.REFUND, -refund.amount
        if refund.state == Refund.State.FAILED:
            yield refund, f"refund-failed:{refund.pk}", kinds.REFUND_FAILED, refund.amount


def _rows(queryset: ScopedQuerySet[Any]) -> Iterator[Any]:
    return queryset.order_by("pk").iterator(chunk_size=CHUNK)
