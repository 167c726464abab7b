"""What happens to a client's money after an invoice was paid: a row of every kind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from billing.crediting import Part
from billing.models import CreditNoteDocument, Invoice, Payment
from billing.services.credit_notes import issue_credit_note, lines_left
from billing.services.disputes import record_dispute
from billing.services.payments import record_payment
from billing.services.refunds import request_refund
from billing.services.rendering import Files, render_due
from billing.services.reversals import reverse_payment
from billing.services.write_offs import write_off
from clients.models import Client, User
from tests.tenancy.marks import mark_of


def move_money(
    client: Client, who: User, now: dt.datetime, *, files: Callable[[Any], Files]
) -> None:
    """Paid twice, bounced in part, written off, credited, paid back, disputed."""
    why = mark_of(client.slug)
    invoice = Invoice.objects.filter(client=client, state="paid", total__gt=20).earliest("pk")
    paid = invoice.payments.earliest("pk")
    again = record_payment(
        invoice=invoice,
        amount=Decimal(10),
        currency=invoice.currency,
        method=Payment.Method.CARD,
        reference=why,
        received_at=now,
        now=now,
        key=f"again:{client.slug}",
        recorded_by=who,
        provider_id=f"pi_{why}",
    )
    reverse_payment(
        payment=paid,
        amount=Decimal(1),
        reason=why,
        reversed_at=now,
        now=now,
        key="bounced",
        recorded_by=who,
    )
    write_off(invoice=invoice, reason=why, written_off_by=who, now=now, key="given up")
    line = next(line for line in lines_left(invoice) if line.left >= 2)
    issue_credit_note(
        invoice=invoice,
        parts=[Part(line.id, amount=Decimal(2))],
        reason=why,
        created_by=who,
        now=now,
        key="sorry",
    )
    render_due(model=CreditNoteDocument, render=files, now=now)
    request_refund(
        client=client,
        amount=Decimal(3),
        currency=invoice.currency,
        payment=again,
        reason=why,
        requested_by=who,
        now=now,
        key="back",
    )
    record_dispute(
        payment=paid,
        provider_id=f"dp_{why}",
        state="opened",
        amount=Decimal(4),
        reason=why,
        happened_at=now,
        now=now,
    )
