"""Where an issued invoice stands: what is paid, credited and due, and the movements that say why.

The caller holds the invoice's row. ``total = amount_paid + amount_credited + amount_due`` at every
moment; the database refuses anything else.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db.models import Max, Sum

from billing.models import Dunning, Invoice, InvoiceMovement

from .dunning_schedules import schedules_of
from .suspensions import lift

ZERO = Decimal(0)


def move(
    invoice: Invoice,
    *,
    kind: InvoiceMovement.Kind,
    at: dt.datetime,
    now: dt.datetime,
    paid: Decimal = ZERO,
    credited: Decimal = ZERO,
    held: Decimal = ZERO,
    **cause: Any,
) -> InvoiceMovement:
    """Write down one change of a locked invoice, next in its order, and move its state by it.

    ``cause``: its payment, reversal, credit_note or dispute.
    """
    last = invoice.movements.aggregate(last=Max("number"))["last"] or 0
    movement = InvoiceMovement(
        invoice=invoice,
        number=last + 1,
        kind=kind,
        paid=paid,
        credited=credited,
        held=held,
        currency=invoice.currency,
        occurred_at=at,
        created_at=now,
        **cause,
    )
    movement.save(force_insert=True)
    invoice.amount_paid += paid
    invoice.amount_credited += credited
    # A payment, or its loss, undoes a write-off; a credit note that leaves something due does not.
    gave_up = invoice.state == Invoice.State.UNCOLLECTIBLE and not paid
    invoice.state = state_of(invoice, is_written_off=gave_up)
    invoice.save(update_fields=["state", "amount_paid", "amount_credited"])
    _tell_dunning(invoice, paid, now)
    return movement


def _tell_dunning(invoice: Invoice, paid: Decimal, now: dt.datetime) -> None:
    """A suspension ends with what was due; a payment that does not stay wakes what was over."""
    if not invoice.amount_due:
        lift(invoice, now=now, said="Nothing is due any more.")
    elif paid < 0 and not Dunning.objects.filter(invoice=invoice, next_at=None).update(next_at=now):
        _dun_order(invoice, now)


def _dun_order(invoice: Invoice, now: dt.datetime) -> None:
    """The invoice of an order is paid when it is issued, so nothing of it was asked for yet."""
    if invoice.order_id is None:
        return
    version = schedules_of({invoice.agency_id}, now=now).get(invoice.agency_id)
    row = Dunning(
        agency_id=invoice.agency_id,
        client_id=invoice.client_id,
        invoice=invoice,
        version=version,
        next_at=now,
        created_at=now,
    )
    Dunning.objects.bulk_create([row], ignore_conflicts=True)


def state_of(invoice: Invoice, *, is_written_off: bool = False) -> Invoice.State:
    """The state of an issued invoice, by its amounts. Credited wholly, it is void."""
    if invoice.total and invoice.amount_credited == invoice.total:
        return Invoice.State.VOID
    if not invoice.amount_due:
        return Invoice.State.PAID
    if is_written_off:
        return Invoice.State.UNCOLLECTIBLE
    return Invoice.State.PARTIALLY_PAID if invoice.amount_paid else Invoice.State.ISSUED


def held_of(invoice: Invoice) -> Decimal:
    """How much of what is paid on an invoice is disputed."""
    held: Decimal | None = invoice.movements.aggregate(held=Sum("held"))["held"]
    return held or ZERO


def undisputed(invoice: Invoice) -> Decimal:
    """How much of what is paid on an invoice can go elsewhere."""
    return invoice.amount_paid - held_of(invoice)
