"""Credit notes: lines and tax as they were charged, never more of anything than there was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from agencyportal.core.documents import SnapshotError
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.models import (
    CreditNote,
    CreditNoteDocument,
    CreditNoteLine,
    CreditNoteTax,
    Invoice,
)

from .findings import Checked, Finding, compare, difference, missing
from .movements import name_of as invoice_name
from .scope import CHUNK, Scope

SUBJECT: Final = "Credit notes"
LINES: Final = "Credit note lines"
CREDITED: Final = "Credited parts of invoices"

ZERO: Final = Decimal(0)


def check_credit_notes(scope: Scope) -> Iterator[Finding]:
    """Every credit note against its lines and snapshot, then what is credited of invoices."""
    rows = scope.of(CreditNote.objects.select_related("client", "invoice"))
    rows = rows.prefetch_related("lines__invoice_line", "lines__charge", "taxes")
    for note in rows.order_by("pk").iterator(chunk_size=CHUNK // 20):
        yield from _check_note(note)
    yield from _check_credited(scope)


def _check_note(note: CreditNote) -> Iterator[Finding]:
    name = f"credit note {note.number}"
    lines: list[CreditNoteLine] = list(note.lines.all())
    taxes: list[CreditNoteTax] = list(note.taxes.all())
    for line in lines:
        yield from _check_line(line, note, name)
    yield Checked(LINES, len(lines))
    bases: defaultdict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for line in lines:
        bases[line.tax_category, line.tax_percent] += line.net
    net = sum(bases.values(), ZERO)
    tax = sum((row.tax for row in taxes), ZERO)
    fields: dict[str, tuple[Any, Any]] = {
        "net": (note.net, net),
        "tax": (note.tax, tax),
        "total": (note.total, net + tax),
        "taxes": (
            sorted((row.category, row.percent, row.base) for row in taxes),
            sorted((*group, base) for group, base in bases.items()),
        ),
    }
    yield from compare(SUBJECT, note, name, fields)
    yield Checked(SUBJECT, 1)
    yield from _check_snapshot(note, lines, taxes, name)
    if not CreditNoteDocument.objects.filter(credit_note=note).exists():
        yield missing(SUBJECT, CreditNoteDocument, name, "a file of what was sent")


def _check_line(line: CreditNoteLine, note: CreditNote, name: str) -> Iterator[Finding]:
    printed = line.invoice_line
    fields: dict[str, tuple[Any, Any]] = {"currency": (line.currency, note.currency)}
    if printed is not None:
        fields |= {
            "invoice_line": (printed.invoice_id, note.invoice_id),
            "tax": (
                (line.tax_category, line.tax_percent),
                (printed.tax_category, printed.tax_percent),
            ),
        }
    elif line.charge is not None:
        fields |= {
            "net": (line.net, -line.charge.amount),
            "client": (line.charge.client_id, note.client_id),
            "invoice": (note.invoice_id, None),
        }
    yield from compare(LINES, line, f"line {line.position} of {name}", fields)


def _check_snapshot(
    note: CreditNote, lines: list[CreditNoteLine], taxes: list[CreditNoteTax], name: str
) -> Iterator[Finding]:
    try:
        said = InvoiceSnapshot.from_dict(note.snapshot)
    except SnapshotError as error:
        yield difference(SUBJECT, note, name, "snapshot", str(error), "a printable snapshot")
        return
    corrects = said.corrects.number if said.corrects else None
    fields: dict[str, tuple[Any, Any]] = {
        "snapshot.kind": (said.kind, "credit_note"),
        "snapshot.number": (said.number, note.number),
        "snapshot.issue_date": (said.issue_date, note.issue_date),
        "snapshot.currency": (said.currency, note.currency),
        "snapshot.corrects": (corrects, note.invoice.number if note.invoice else None),
        "snapshot.totals": (
            (said.totals.net, said.totals.tax, said.totals.gross),
            (note.net, note.tax, note.total),
        ),
        "snapshot.sections": (
            sorted((line.description, line.net) for s in said.sections for line in s.lines),
            sorted((line.description, line.net) for line in lines),
        ),
        "snapshot.taxes": (
            sorted((tax.category, tax.rate, tax.base, tax.tax) for tax in said.taxes),
            sorted((tax.category, tax.percent, tax.base, tax.tax) for tax in taxes),
        ),
    }
    yield from compare(SUBJECT, note, name, fields)


def _check_credited(scope: Scope) -> Iterator[Finding]:
    """What invoices say is credited of their lines and taxes is what credit notes say."""
    invoices = scope.of(Invoice.objects.filter(amount_credited__gt=0))
    invoices = invoices.prefetch_related("lines__credits", "taxes", "credit_notes__taxes")
    for invoice in invoices.order_by("pk").iterator(chunk_size=CHUNK // 20):
        for line in invoice.lines.all():
            credited = sum((part.net for part in line.credits.all()), ZERO)
            name = f"line {line.position} of {invoice_name(invoice)}"
            yield from compare(CREDITED, line, name, {"credited": (line.credited, credited)})
            yield Checked(CREDITED, 1)
        taken: defaultdict[tuple[str, Decimal], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        for note in invoice.credit_notes.all():
            for part in note.taxes.all():
                sums = taken[part.category, part.percent]
                sums[0] += part.base
                sums[1] += part.tax
        for tax in invoice.taxes.all():
            base, amount = taken[tax.category, tax.percent]
            name = f"{tax} of {invoice_name(invoice)}"
            fields = {
                "credited_base": (tax.credited_base, base),
                "credited_tax": (tax.credited_tax, amount),
            }
            yield from compare(CREDITED, tax, name, fields)
            yield Checked(CREDITED, 1)
