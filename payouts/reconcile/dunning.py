"""Invoices paid online and asked for: each attempt that is paid is in the books once, cards were
charged under consent alone, and clients are suspended for what they owe and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from billing.dunning import SUSPEND
from billing.models import (
    ChargeConsent,
    Dunning,
    DunningEntry,
    InvoiceCheckout,
    Payment,
    Suspension,
)

from .findings import Checked, Finding, compare, missing, unexpected
from .scope import CHUNK, Scope

ONLINE: Final = "Invoices paid online"
DUNNING: Final = "Dunning"
ENDS: Final = (DunningEntry.Kind.NOTIFIED, DunningEntry.Kind.SUSPENDED)


def check_online_payments(scope: Scope) -> Iterator[Finding]:
    """Every attempt against its payment. One in trouble is open: somebody has to end it."""
    rows = scope.of(InvoiceCheckout.objects.select_related("payment", "invoice__client"))
    for attempt in rows.order_by("pk").iterator(chunk_size=CHUNK):
        is_paid = attempt.state == InvoiceCheckout.State.PAID
        if attempt.payment is not None:
            yield from _check_booked(attempt, attempt.payment)
        elif is_paid and not attempt.trouble:
            yield missing(ONLINE, Payment, str(attempt), attempt.amount)
        if attempt.method == InvoiceCheckout.Method.CARD:
            yield from _check_consent(attempt)
        yield Checked(ONLINE, 1, open=int(bool(attempt.trouble)))


def _check_booked(attempt: InvoiceCheckout, payment: Payment) -> Iterator[Finding]:
    fields: dict[str, tuple[Any, Any]] = {
        "payment.key": (payment.key, f"invoice-payment:{attempt.pk}"),
        "payment.invoice": (payment.invoice_id, attempt.invoice_id),
        "payment.amount": (payment.amount, attempt.amount),
        "payment.provider_id": (payment.provider_id, attempt.intent_id),
    }
    yield from compare(ONLINE, payment, str(attempt), fields)


def _check_consent(attempt: InvoiceCheckout) -> Iterator[Finding]:
    """The word that held when the card was to be charged."""
    said = ChargeConsent.objects.filter(client=attempt.client_id, decided_at__lte=attempt.opened_at)
    last = said.order_by("-pk").first()
    if last is None or not last.is_given:
        yield missing(ONLINE, ChargeConsent, str(attempt), attempt.card_id)


def check_dunning(scope: Scope) -> Iterator[Finding]:
    """Every step is one of the schedule that the invoice was issued under, and does what that
    says; who is suspended owes something, and was told."""
    rows = scope.of(Dunning.objects.select_related("version", "invoice__client"))
    for row in (
        rows.order_by("pk").prefetch_related("invoice__dunning_entries").iterator(chunk_size=CHUNK)
    ):
        steps = {step.day: step for step in row.schedule.steps()}
        for entry in row.invoice.dunning_entries.all():
            if entry.day is None:
                continue
            step = steps.get(entry.day)
            if step is None:
                yield unexpected(DUNNING, entry, str(entry), entry.day)
            else:
                shown = {"kind": (entry.kind in ENDS, step.ends)}
                yield from compare(DUNNING, entry, str(entry), shown)
        yield from _check_suspension(row)
        yield Checked(DUNNING, 1)


def _check_suspension(row: Dunning) -> Iterator[Finding]:
    kinds = {entry.kind for entry in row.invoice.dunning_entries.all()}
    for found in Suspension.objects.open().filter(invoice=row.invoice_id):
        fields = {
            "policy": (row.schedule.policy, SUSPEND),
            "owes": (row.invoice.amount_due > 0, True),
            "paused": (row.paused_at, None),
            "told": (DunningEntry.Kind.SUSPENDED in kinds, True),
        }
        yield from compare(DUNNING, found, str(found), fields)
