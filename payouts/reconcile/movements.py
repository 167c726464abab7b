"""What happened to each invoice: its movements, each with its cause, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from billing.models import (
    CreditNote,
    Dispute,
    Invoice,
    InvoiceMovement,
    Payment,
    PaymentReversal,
)
from billing.services.standing import state_of

from .findings import Checked, Finding, compare, difference, missing

SUBJECT: Final = "Invoices"
PAYMENTS: Final = "Payments"
MOVEMENTS: Final = "Invoice movements"

CAUSES: Final = ("payment", "reversal", "credit_note", "dispute")
ZERO: Final = Decimal(0)


def name_of(invoice: Invoice) -> str:
    return f"invoice {invoice.number}" if invoice.number else str(invoice)


def check_movements(invoice: Invoice) -> Iterator[Finding]:
    """An invoice with its payments and movements loaded: numbered without gaps, each as its cause
    says, every cause with its own, and the invoice's amounts their sums."""
    movements = sorted(invoice.movements.all(), key=lambda movement: movement.number)
    for number, movement in enumerate(movements, start=1):
        yield from _check_movement(movement, number, invoice)
    yield Checked(MOVEMENTS, len(movements))
    yield from _check_payments(invoice, movements)
    if movements:
        yield from _check_others(invoice, movements)
    paid = sum((movement.paid for movement in movements), ZERO)
    credited = sum((movement.credited for movement in movements), ZERO)
    fields = {
        "amount_paid": (invoice.amount_paid, paid),
        "amount_credited": (invoice.amount_credited, credited),
        "state": (invoice.state, _state(invoice)),
    }
    yield from compare(SUBJECT, invoice, name_of(invoice), fields)


def _state(invoice: Invoice) -> str:
    if invoice.state == Invoice.State.DRAFT:
        return str(invoice.state)
    gave_up = invoice.state == Invoice.State.UNCOLLECTIBLE and bool(invoice.write_offs.all())
    return state_of(invoice, is_written_off=gave_up).value


def _check_movement(movement: InvoiceMovement, number: int, invoice: Invoice) -> Iterator[Finding]:
    causes = [getattr(movement, cause) for cause in CAUSES if getattr(movement, f"{cause}_id")]
    fields: dict[str, tuple[Any, Any]] = {
        "number": (movement.number, number),
        "currency": (movement.currency, invoice.currency),
        "causes": (len(causes), 1),
    }
    if len(causes) == 1:
        kind, paid, credited, held = _as_caused(movement, causes[0])
        fields |= {
            "kind": (movement.kind, kind),
            "paid": (movement.paid, paid),
            "credited": (movement.credited, credited),
            "held": (movement.held, held),
            "invoice": (movement.invoice_id, _invoice_of(causes[0])),
        }
    name = f"movement {movement.number} of {name_of(invoice)}"
    yield from compare(MOVEMENTS, movement, name, fields)


Cause = Payment | PaymentReversal | CreditNote | Dispute


def _as_caused(movement: InvoiceMovement, cause: Cause) -> tuple[str, Decimal, Decimal, Decimal]:
    """The kind of movement that a cause makes, and its changes: paid, credited, held."""
    kinds = InvoiceMovement.Kind
    match cause:
        case Payment():
            return kinds.PAYMENT, cause.applied, ZERO, ZERO
        case PaymentReversal():
            return kinds.REVERSAL, -cause.off_invoice, ZERO, ZERO
        case CreditNote():
            return kinds.CREDIT_NOTE, -cause.to_balance, cause.total, ZERO
        case Dispute():
            if movement.kind == kinds.DISPUTE_OPENED:
                return kinds.DISPUTE_OPENED, ZERO, ZERO, cause.held
            if cause.state == Dispute.State.LOST:
                return kinds.DISPUTE_LOST, -cause.held, ZERO, -cause.held
            return kinds.DISPUTE_WON, ZERO, ZERO, -cause.held


def _invoice_of(cause: Cause) -> int | None:
    if isinstance(cause, Payment | CreditNote):
        return cause.invoice_id
    return Payment.objects.values_list("invoice_id", flat=True).get(pk=cause.payment_id)


def _check_payments(invoice: Invoice, movements: list[InvoiceMovement]) -> Iterator[Finding]:
    payments = list(invoice.payments.all())
    moved = {movement.payment_id: movement for movement in movements if movement.payment_id}
    for payment in payments:
        name = f"payment {payment.reference} for {name_of(invoice)}"
        fields = {
            "currency": (payment.currency, invoice.currency),
            "client": (payment.client_id, invoice.client_id),
        }
        if payment.returned:
            fields["returned"] = (payment.returned, _returned(payment))
        yield from compare(PAYMENTS, payment, name, fields)
        movement = moved.get(payment.pk)
        if movement is None and payment.applied:
            yield missing(MOVEMENTS, InvoiceMovement, name, payment.applied)
        elif movement is not None and movement.paid != payment.applied:
            words = f"so that {movement.paid.normalize():f} of it settled {name_of(invoice)}"
            yield difference(PAYMENTS, payment, name, "amount", payment.amount, words)
    yield Checked(PAYMENTS, len(payments))


def _returned(payment: Payment) -> Decimal:
    """What bounced of a payment, and its refunds but for those that failed."""
    refunds = payment.refunds.exclude(state="failed").values_list("amount", flat=True)
    return sum([*payment.reversals.values_list("amount", flat=True), *refunds], ZERO)


def _check_others(invoice: Invoice, movements: list[InvoiceMovement]) -> Iterator[Finding]:
    """Every credit note, reversal and dispute that touched the invoice has its movements."""
    notes = [m.credit_note_id for m in movements if m.credit_note_id is not None]
    for note in CreditNote.objects.filter(invoice=invoice).exclude(pk__in=notes):
        yield missing(MOVEMENTS, InvoiceMovement, f"credit note {note.number}", note.total)
    of_invoice = {"payment__invoice": invoice}
    reversals = [m.reversal_id for m in movements if m.reversal_id is not None]
    lost = {m.dispute_id for m in movements if m.kind == InvoiceMovement.Kind.DISPUTE_LOST}
    rows = PaymentReversal.objects.filter(**of_invoice, off_invoice__gt=0)
    rows = rows.exclude(pk__in=reversals)
    for reversal in rows:
        if not reversal.key.startswith("dispute:"):  # that one's movement is the dispute's
            yield missing(MOVEMENTS, InvoiceMovement, str(reversal), reversal.off_invoice)
    closed = Dispute.objects.filter(**of_invoice, held__gt=0)
    opened = {m.dispute_id for m in movements if m.kind == InvoiceMovement.Kind.DISPUTE_OPENED}
    for dispute in closed:
        ended = {m.dispute_id for m in movements if m.held < 0}
        if dispute.pk not in opened:
            yield missing(MOVEMENTS, InvoiceMovement, str(dispute), dispute.held)
        if dispute.state != Dispute.State.OPENED and dispute.pk not in ended:
            yield missing(MOVEMENTS, InvoiceMovement, f"{dispute}, closed", -dispute.held)
        if dispute.state == Dispute.State.LOST and dispute.pk not in lost:
            yield missing(MOVEMENTS, InvoiceMovement, f"{dispute}, lost", -dispute.held)
