"""Pays out credit that found no charge to be set off against: a credit note of its own.

Charges that together come to less than nothing wait for an invoice that never comes, where a client
has left. This puts them on a credit note instead, and the money on the client's balance.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from agencyportal.core.locks import lock_row
from agencyportal.core.periods import local_date
from billing.models import (
    Charge,
    CollectedBy,
    CreditNote,
    CreditNoteLine,
    CreditNoteTax,
)
from billing.refusals import RefusedError, refuse_unfit_key
from billing.tax import TaxableLine, TaxedDocument, TaxTreatment, tax_document
from clients.models import Client, Platform, User

from .client_balance import refuse_unfit_reason
from .credit_notes import write_credit_note
from .drafting import CHARGE_PARTS
from .tax import treatments_of

LONGEST_KEY = 150


@dataclass(frozen=True, slots=True)
class WaitingCredit:
    """What waits of a client in one currency, as a credit note would say it: positive amounts."""

    charges: tuple[Charge, ...]
    treatment: TaxTreatment
    document: TaxedDocument


def waiting_charges(client: Client, currency: str, *, now: dt.datetime) -> QuerySet[Charge]:
    """The platform's charges of a client that are due by ``now`` and on no document yet."""
    return (
        Charge.objects.waiting()
        .filter(client=client, currency=currency, collected_by=CollectedBy.PLATFORM)
        .filter(bill_at__lte=now)
        .order_by("workspace__slug", "bill_at", "pk")
    )


def waiting_credit(*, client: Client, currency: str, now: dt.datetime) -> WaitingCredit | None:
    """What a credit note over the waiting charges would say; None where they come to no credit."""
    charges = tuple(waiting_charges(client, currency, now=now).select_related(*CHARGE_PARTS))
    if sum((charge.amount for charge in charges), Decimal(0)) >= 0:
        return None
    today = local_date(now, Platform.objects.get().timezone)
    treatment = treatments_of([client], on=today)[client.pk]
    lines = (TaxableLine(-charge.amount, treatment) for charge in charges)
    return WaitingCredit(charges, treatment, tax_document(lines, currency))


@transaction.atomic
def credit_waiting_charges(
    *,
    client: Client,
    currency: str,
    reason: str,
    created_by: User | None,
    now: dt.datetime,
    key: str,
) -> CreditNote:
    """Put a client's waiting charges, which come to less than nothing, on a credit note.

    Taxed as an invoice of the day would be; the whole of it goes to the client's balance. The
    charges are on no invoice any more. ``key`` makes it this one. Raises RefusedError where the
    waiting charges come to nothing or more, and for no reason. Locks the client, as drafting does,
    then the balance, then the series.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    refuse_unfit_reason(reason)
    locked = lock_row(Client.objects.select_related("agency").filter(pk=client.pk))
    key = f"waiting-credit:{locked.pk}:{key}"
    if earlier := CreditNote.objects.filter(key=key).first():
        return earlier
    waiting = waiting_credit(client=locked, currency=currency, now=now)
    if waiting is None:
        raise RefusedError(
            f"What waits to be invoiced to {locked} in {currency} is no credit: "
            "it goes on the next invoice."
        )
    note = CreditNote(
        agency=locked.agency,
        client=locked,
        net=waiting.document.net,
        tax=waiting.document.tax,
        total=waiting.document.gross,
        to_due=Decimal(0),
        to_balance=waiting.document.gross,
        currency=currency,
        reason=reason.strip(),
        key=key,
        created_by=created_by,
    )
    write_credit_note(note, _lines(note, waiting), _taxes(note, waiting), now=now)
    return note


def _lines(note: CreditNote, waiting: WaitingCredit) -> list[CreditNoteLine]:
    return [
        CreditNoteLine(
            credit_note=note,
            position=position,
            charge=charge,
            description=charge.description,
            quantity=charge.quantity if charge.unit_id else None,
            net=net,
            currency=note.currency,
            tax_category=waiting.treatment.category.value,
            tax_percent=waiting.treatment.rate,
            tax_reason=waiting.treatment.reason,
            tax_reason_code=waiting.treatment.reason_code,
        )
        for position, (charge, net) in enumerate(
            zip(waiting.charges, waiting.document.line_nets, strict=True), start=1
        )
    ]


def _taxes(note: CreditNote, waiting: WaitingCredit) -> list[CreditNoteTax]:
    return [
        CreditNoteTax(
            credit_note=note,
            category=subtotal.treatment.category.value,
            percent=subtotal.treatment.rate,
            reason=subtotal.treatment.reason,
            reason_code=subtotal.treatment.reason_code,
            base=subtotal.net,
            tax=subtotal.tax,
            currency=note.currency,
        )
        for subtotal in waiting.document.subtotals
    ]
