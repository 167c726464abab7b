"""Invoices: lines are charges, tax is of what is printed, totals are sums, snapshots say so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

from django.db.models import Prefetch

from agencyportal.core.documents import SnapshotError
from agencyportal.core.money import plain
from billing.documents.invoice_snapshot import InvoiceLine as PrintedLine
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.models import (
    CollectedBy,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceMovement,
    InvoiceTax,
    Payment,
    PeriodUsage,
)
from billing.services.usage_summary import span_of
from billing.tax import TaxableLine, TaxCategory, TaxedDocument, TaxTreatment, tax_document

from .findings import Checked, Finding, compare, difference, missing, unexpected
from .movements import CAUSES, check_movements, name_of
from .scope import CHUNK, Scope

SUBJECT: Final = "Invoices"
LINES: Final = "Invoice lines"
TAXES: Final = "Invoice taxes"
SNAPSHOTS: Final = "Invoice snapshots"

ZERO: Final = Decimal(0)


def check_invoices(scope: Scope) -> Iterator[Finding]:
    """Every invoice, drafts included, against its charges, payments and snapshot."""
    rows = (
        scope.of(Invoice.objects.all())
        .select_related("client")
        .prefetch_related(
            Prefetch("lines", InvoiceLine.objects.select_related("charge", "workspace")),
            "taxes",
            "write_offs",
            Prefetch("payments", Payment.objects.order_by("pk")),
            Prefetch("movements", InvoiceMovement.objects.select_related(*CAUSES)),
        )
        .order_by("pk")
    )
    for invoice in rows.iterator(chunk_size=CHUNK // 20):
        yield from _check_invoice(invoice)


def _check_invoice(invoice: Invoice) -> Iterator[Finding]:
    lines = sorted(invoice.lines.all(), key=lambda line: line.position)
    for line in lines:
        yield from _check_line(line, invoice)
    yield Checked(LINES, len(lines))
    document = _taxed(lines, invoice.currency)
    if isinstance(document, str):
        yield difference(SUBJECT, invoice, name_of(invoice), "tax", invoice.tax, document)
    else:
        yield from _check_taxes(invoice, document)
        fields = {
            "net": (invoice.net, document.net),
            "tax": (invoice.tax, document.tax),
            "total": (invoice.total, document.gross),
        }
        yield from compare(SUBJECT, invoice, name_of(invoice), fields)
    yield from check_movements(invoice)
    yield Checked(SUBJECT, 1)
    if invoice.state != Invoice.State.DRAFT:
        yield from _check_snapshot(invoice, lines)
        yield Checked(SNAPSHOTS, 1)
        if not InvoiceDocument.objects.filter(invoice=invoice).exists():
            yield missing(SUBJECT, InvoiceDocument, name_of(invoice), "a file of what was sent")


def _check_line(line: InvoiceLine, invoice: Invoice) -> Iterator[Finding]:
    """A line says what its charge says."""
    charge = line.charge
    fields = {
        "net": (line.net, charge.amount),
        "quantity": (line.quantity, charge.quantity),
        "unit_amount": (line.unit_amount, charge.unit_amount),
        "kind": (line.kind, charge.kind),
        "description": (line.description, charge.description),
        "currency": (line.currency, charge.currency),
        "collected_by": (line.collected_by, charge.collected_by),
        "workspace": (line.workspace_id, charge.workspace_id),
        "unit": (line.unit_id, charge.unit_id),
        "invoice": (invoice.client_id, charge.client_id),
    }
    yield from compare(LINES, line, line_name(line, invoice), fields)


def line_name(line: InvoiceLine, invoice: Invoice) -> str:
    return f"line {line.position} of {name_of(invoice)}, {line.description}"


# --- Tax and totals ----------------------------------------------------------------------------


def _taxed(lines: Iterable[InvoiceLine], currency: str) -> TaxedDocument | str:
    """The document that the platform's lines make; words for why they make none."""
    try:
        return tax_document(
            [
                TaxableLine(
                    line.net,
                    TaxTreatment(
                        TaxCategory(line.tax_category),
                        line.tax_percent,
                        line.tax_reason,
                        line.tax_reason_code,
                    ),
                )
                for line in lines
                if line.collected_by == CollectedBy.PLATFORM
            ],
            currency,
        )
    except ValueError as error:
        return f"computable ({error})"


def _check_taxes(invoice: Invoice, document: TaxedDocument) -> Iterator[Finding]:
    rows = {(row.category, row.percent): row for row in invoice.taxes.all()}
    yield Checked(TAXES, len(rows))
    for subtotal in document.subtotals:
        treatment = subtotal.treatment
        name = f"{treatment.category.value} {plain(treatment.rate)} % of {name_of(invoice)}"
        row = rows.pop((treatment.category.value, treatment.rate), None)
        if row is None:
            yield missing(TAXES, InvoiceTax, name, subtotal.tax)
            continue
        fields = {
            "base": (row.base, subtotal.net),
            "tax": (row.tax, subtotal.tax),
            "currency": (row.currency, invoice.currency),
        }
        yield from compare(TAXES, row, name, fields)
    for (category, percent), row in rows.items():
        yield unexpected(
            TAXES, row, f"{category} {plain(percent)} % of {name_of(invoice)}", row.tax
        )


# --- Snapshots ---------------------------------------------------------------------------------


def _check_snapshot(invoice: Invoice, lines: list[InvoiceLine]) -> Iterator[Finding]:
    name = name_of(invoice)
    try:
        snapshot = InvoiceSnapshot.from_dict(invoice.snapshot or {})
    except SnapshotError as error:
        yield difference(SNAPSHOTS, invoice, name, "snapshot", str(error), "a printable snapshot")
        return
    fields: dict[str, tuple[Any, Any]] = {
        "snapshot.number": (snapshot.number, invoice.number),
        "snapshot.issue_date": (snapshot.issue_date, invoice.issue_date),
        "snapshot.due_date": (snapshot.due_date, invoice.due_date),
        "snapshot.currency": (snapshot.currency, invoice.currency),
        "snapshot.totals.net": (snapshot.totals.net, invoice.net),
        "snapshot.totals.tax": (snapshot.totals.tax, invoice.tax),
        "snapshot.totals.gross": (snapshot.totals.gross, invoice.total),
        "snapshot.totals.paid": (snapshot.totals.paid, _paid_at_issue(invoice)),
        "snapshot.sections": (len(_printed(snapshot)), len(_ours(lines))),
        "snapshot.collected_by_agency": (
            [(line.description, line.net) for line in snapshot.collected_by_agency],
            [
                (line.description, line.net)
                for line in lines
                if line.collected_by == CollectedBy.AGENCY
            ],
        ),
        "snapshot.taxes": (
            [(tax.category, tax.rate, tax.base, tax.tax) for tax in snapshot.taxes],
            sorted((t.category, t.percent, t.base, t.tax) for t in invoice.taxes.all()),
        ),
    }
    yield from compare(SNAPSHOTS, invoice, name, fields)
    yield from _check_printed_lines(invoice, snapshot, lines)
    yield from _check_usage(invoice, snapshot)


def _paid_at_issue(invoice: Invoice) -> Decimal:
    """What the client's balance paid as it was issued, or had paid for the order before."""
    keys = {f"balance:{invoice.pk}:issued", f"order:{invoice.order_id}"}
    return sum((p.applied for p in invoice.payments.all() if p.key in keys), ZERO)


def _check_printed_lines(
    invoice: Invoice, snapshot: InvoiceSnapshot, lines: Iterable[InvoiceLine]
) -> Iterator[Finding]:
    """Each of the platform's lines says what is printed; in the order of the sections."""
    for (slug, printed), line in zip(_printed(snapshot), _ours(lines), strict=False):
        fields = {
            "workspace": (line.workspace.slug, slug),
            "kind": (line.kind, printed.kind),
            "description": (line.description, printed.description),
            "net": (line.net, printed.net),
            "tax_category": (line.tax_category, printed.tax_category),
            "tax_percent": (line.tax_percent, printed.tax_rate),
        }
        yield from compare(SNAPSHOTS, line, line_name(line, invoice), fields)


def _printed(snapshot: InvoiceSnapshot) -> list[tuple[str, PrintedLine]]:
    return [(section.slug, line) for section in snapshot.sections for line in section.lines]


def _ours(lines: Iterable[InvoiceLine]) -> list[InvoiceLine]:
    ours = [line for line in lines if line.collected_by == CollectedBy.PLATFORM]
    return sorted(ours, key=lambda line: (line.workspace.slug, line.position))


def _check_usage(invoice: Invoice, snapshot: InvoiceSnapshot) -> Iterator[Finding]:
    """The usage that is printed is that of the workspace's frozen waterfalls."""
    printed = [(s.slug, usage) for s in snapshot.sections for usage in s.usage]
    if not printed:
        return
    frozen: dict[tuple[str, Any], list[tuple[Decimal, ...]]] = defaultdict(list)
    rows = PeriodUsage.objects.filter(
        period__client_id=invoice.client_id, period__end__lte=invoice.bill_at
    ).select_related("period__workspace")
    for row in rows:
        figures = (row.used, row.included, row.top_up, row.overage, row.expired_unused)
        frozen[row.period.workspace.slug, span_of(row.period)].append(figures)
    for slug, usage in printed:
        figures = (usage.used, usage.included, usage.top_up, usage.overage, usage.expired)
        if figures not in frozen[slug, usage.period]:
            name = f"{usage.unit} of {slug} on {name_of(invoice)}"
            yield difference(
                SNAPSHOTS,
                invoice,
                name,
                "snapshot.sections.usage",
                usage.used,
                "the frozen usage of its period",
            )
