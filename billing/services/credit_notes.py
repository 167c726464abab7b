"""Credit notes: take an issued invoice back, wholly or in part, by line.

The money goes to what is still due first; what was paid already goes to the client's balance, and
from there to a refund where one is asked for. Lock order: invoice, then balance, then series.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec
from django.db import transaction
from django.db.models import Sum

from agencyportal.core.locks import lock_row
from agencyportal.core.money import format_money
from agencyportal.core.periods import local_date
from billing.crediting import Credit, CreditError, Group, GroupLeft, LineLeft, Part, credit
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.models import (
    BalanceEntry,
    CollectedBy,
    CreditNote,
    CreditNoteDocument,
    CreditNoteLine,
    CreditNoteTax,
    Invoice,
    InvoiceLine,
    InvoiceMovement,
    InvoiceTax,
)
from billing.refusals import RefusedError, refuse_unfit_key
from clients.models import Platform, User

from .client_balance import enter, lock_balance, refuse_unfit_reason
from .credit_note_mail import credit_note_mail
from .credit_note_snapshot import freeze_credit_note
from .mailing import queue_mails
from .series import series_of, take_number
from .standing import move, undisputed

LONGEST_KEY = 150
ZERO = Decimal(0)
LINE_PARTS = (
    "charge__workspace",
    "charge__unit",
    "charge__period__plan_version__plan",
)
"""What printing a line needs; loaded with it."""


@dataclass(frozen=True, slots=True)
class CreditPreview:
    """What a credit note would come to: ``total = to_due + to_balance``."""

    credit: Credit
    to_due: Decimal
    to_balance: Decimal


@transaction.atomic
def issue_credit_note(
    *,
    invoice: Invoice,
    parts: Sequence[Part],
    reason: str,
    created_by: User | None,
    now: dt.datetime,
    key: str,
) -> CreditNote:
    """Take back parts of an issued invoice: number, snapshot, file and message with it.

    ``parts`` name lines by their ids, with a net amount or a quantity, or all that is left. Tax is
    taken back as it was charged. What is due sinks first; what was paid beyond that goes to the
    client's balance. ``key`` makes it this one: asked for again, it answers with the credit note
    that is there.

    Raises RefusedError for a draft, for what `billing.crediting.credit` refuses, for money that is
    disputed, and for no reason. Locks the invoice, then the client's balance, then the series.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    refuse_unfit_reason(reason)
    locked = lock_row(Invoice.objects.select_related("client", "agency").filter(pk=invoice.pk))
    key = f"credit-note:{locked.pk}:{key}"
    if earlier := CreditNote.objects.filter(key=key).first():
        return earlier
    preview = _worked_out(locked, parts)
    note = CreditNote(
        agency=locked.agency,
        client=locked.client,
        invoice=locked,
        net=preview.credit.net,
        tax=preview.credit.tax,
        total=preview.credit.total,
        to_due=preview.to_due,
        to_balance=preview.to_balance,
        currency=locked.currency,
        reason=reason.strip(),
        key=key,
        created_by=created_by,
    )
    lines, taxes = _parts_of(note, preview.credit)
    write_credit_note(note, lines, taxes, now=now)
    _take_off(locked, preview.credit)
    move(
        locked,
        kind=InvoiceMovement.Kind.CREDIT_NOTE,
        paid=-preview.to_balance,
        credited=note.total,
        at=now,
        now=now,
        credit_note=note,
    )
    return note


def void_invoice(
    *, invoice: Invoice, reason: str, created_by: User | None, now: dt.datetime, key: str
) -> CreditNote:
    """Void an issued invoice by a credit note over all that is left of it; both numbers stay.

    See `issue_credit_note`. The charges on it are not invoiced again: what is still owed is
    charged anew.
    """
    return issue_credit_note(
        invoice=invoice,
        parts=everything(invoice),
        reason=reason,
        created_by=created_by,
        now=now,
        key=key,
    )


def everything(invoice: Invoice) -> list[Part]:
    """All that is left of an invoice's lines."""
    return [Part(line.id) for line in lines_left(invoice) if line.left]


def preview_credit_note(*, invoice: Invoice, parts: Sequence[Part]) -> CreditPreview:
    """What `issue_credit_note` would come to now. Writes nothing; raises the same."""
    return _worked_out(Invoice.objects.get(pk=invoice.pk), parts)


def lines_left(invoice: Invoice) -> list[LineLeft]:
    """The platform's lines of an invoice, in order, with what was credited of them."""
    quantities: dict[int | None, Decimal] = dict(
        CreditNoteLine.objects.filter(invoice_line__invoice=invoice, quantity__isnull=False)
        .order_by()
        .values_list("invoice_line_id")
        .annotate(total=Sum("quantity"))
    )
    lines = InvoiceLine.objects.filter(invoice=invoice, collected_by=CollectedBy.PLATFORM)
    return [
        LineLeft(
            id=line.pk,
            description=line.description,
            group=Group(line.tax_category, line.tax_percent),
            net=line.net,
            quantity=line.quantity,
            credited=line.credited,
            credited_quantity=quantities.get(line.pk, ZERO),
        )
        for line in lines.order_by("position")
    ]


def _worked_out(invoice: Invoice, parts: Sequence[Part]) -> CreditPreview:
    if invoice.state == Invoice.State.DRAFT:
        raise RefusedError(f"{invoice} is a draft: what is wrong with it is put right before.")
    groups = {
        Group(tax.category, tax.percent): GroupLeft(
            tax.base, tax.tax, tax.credited_base, tax.credited_tax
        )
        for tax in InvoiceTax.objects.filter(invoice=invoice)
    }
    try:
        made = credit(parts, lines_left(invoice), groups, invoice.currency)
    except CreditError as error:
        raise RefusedError(str(error)) from None
    to_due = min(made.total, invoice.amount_due)
    to_balance = made.total - to_due
    if to_balance > (free := undisputed(invoice)):
        raise RefusedError(
            f"{format_money(to_balance, invoice.currency)} that was paid would go back, and "
            f"{format_money(free, invoice.currency)} of it is not disputed. "
            "Wait until the dispute is decided, or credit less."
        )
    return CreditPreview(made, to_due, to_balance)


def _parts_of(note: CreditNote, made: Credit) -> tuple[list[CreditNoteLine], list[CreditNoteTax]]:
    rows = InvoiceLine.objects.select_related(*LINE_PARTS)
    printed = rows.in_bulk([line.line_id for line in made.lines])
    lines = [
        CreditNoteLine(
            credit_note=note,
            position=position,
            invoice_line=(row := printed[line.line_id]),
            description=row.description,
            quantity=line.quantity,
            net=line.net,
            currency=note.currency,
            tax_category=row.tax_category,
            tax_percent=row.tax_percent,
            tax_reason=row.tax_reason,
            tax_reason_code=row.tax_reason_code,
        )
        for position, line in enumerate(made.lines, start=1)
    ]
    printed_of = {Group(line.tax_category, line.tax_percent): line for line in lines}
    taxes = [
        CreditNoteTax(
            credit_note=note,
            category=tax.group.category,
            percent=tax.group.rate,
            reason=printed_of[tax.group].tax_reason,
            reason_code=printed_of[tax.group].tax_reason_code,
            base=tax.base,
            tax=tax.tax,
            currency=note.currency,
        )
        for tax in made.taxes
    ]
    return lines, taxes


def write_credit_note(
    note: CreditNote,
    lines: Sequence[CreditNoteLine],
    taxes: Sequence[CreditNoteTax],
    *,
    now: dt.datetime,
) -> None:
    """Number and write down a credit note whose figures are set, what its file and message are
    made from, and what it puts on the client's balance.

    Locks the client's balance, then the series, last.
    """
    platform = Platform.objects.get()
    balance = lock_balance(note.client, note.currency) if note.to_balance else None
    note.issued_at = note.created_at = now
    note.issue_date = local_date(now, platform.timezone)
    preview = freeze_credit_note(note, lines, taxes, platform)
    code, prefix = series_of("credit-note", platform=platform, issued_on=note.issue_date)
    note.series, note.sequence, note.number = take_number(code=code, prefix=prefix)
    snapshot: InvoiceSnapshot = msgspec.structs.replace(preview, number=note.number)
    note.snapshot = snapshot.to_dict()
    note.save(force_insert=True)
    CreditNoteLine.objects.bulk_create(lines)
    CreditNoteTax.objects.bulk_create(taxes)
    path = f"{note.agency.slug}/{note.issue_date:%Y}/{note.number}.pdf"
    CreditNoteDocument.objects.create(credit_note=note, path=path)
    queue_mails([credit_note_mail(note, snapshot, path, now=now)])
    if balance is not None:
        enter(
            balance,
            kind=BalanceEntry.Kind.CREDIT_NOTE,
            amount=note.to_balance,
            now=now,
            key=f"credit-note:{note.pk}",
            credit_note=note,
            created_by=note.created_by,
        )


def _take_off(invoice: Invoice, made: Credit) -> None:
    """Note on the invoice's lines and taxes what was taken back of them."""
    credited: defaultdict[int, Decimal] = defaultdict(Decimal)
    for line in made.lines:
        credited[line.line_id] += line.net
    rows = list(InvoiceLine.objects.filter(pk__in=credited))
    for row in rows:
        row.credited += credited[row.pk]
    InvoiceLine.objects.bulk_update(rows, ["credited"])
    taxes = {Group(tax.category, tax.percent): tax for tax in invoice.taxes.all()}
    for taken in made.taxes:
        taxes[taken.group].credited_base += taken.base
        taxes[taken.group].credited_tax += taken.tax
    InvoiceTax.objects.bulk_update(taxes.values(), ["credited_base", "credited_tax"])
