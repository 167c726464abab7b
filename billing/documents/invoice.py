"""An invoice on paper: its frozen snapshot as HTML and as PDF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agencyportal.core.hybrid_pdf import AttachedInvoice
from agencyportal.core.pdf import render_pdf
from agencyportal.core.printing import in_language_of, render_document
from billing.charge_words import in_its_language
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.documents.invoice_view import InvoiceView
from billing.e_invoice import e_invoice_xml, gaps

StoredInvoice = InvoiceSnapshot | Mapping[str, Any]


def render_invoice_html(snapshot: StoredInvoice) -> str:
    """The invoice as one HTML page, in the snapshot's language. No database, no clock.

    Takes the snapshot or its stored form. Raises `SnapshotError` when that cannot be printed.
    """
    invoice = _read(snapshot)
    view = InvoiceView(invoice)
    with in_language_of(view.formats):
        return render_document(
            "billing/invoice.html",
            formats=view.formats,
            brand=invoice.agency,
            issuer=invoice.seller,
            context=view.context(),
        )


@dataclass(frozen=True, slots=True)
class InvoiceFiles:
    """What is kept of one document: the PDF, and the e-invoice that is also inside of it.

    Without an e-invoice ``xml`` is empty and ``gaps`` say why.
    """

    pdf: bytes
    xml: bytes
    gaps: tuple[str, ...] = ()


def render_invoice(snapshot: StoredInvoice) -> InvoiceFiles:
    """PDF and e-invoice: the same bytes for the same snapshot, dated with its day of issue.

    Takes a second for a page, so never inside a transaction. Raises `SnapshotError`, and `PdfError`
    when this machine cannot render.
    """
    invoice = _read(snapshot)
    missing = tuple(gaps(invoice))
    xml = b"" if missing else e_invoice_xml(invoice)
    attached = AttachedInvoice(content=xml, description=invoice.number) if xml else None
    html = render_invoice_html(invoice)
    pdf = render_pdf(html, dated=invoice.issue_date, attached=attached)
    return InvoiceFiles(pdf=pdf, xml=xml, gaps=missing)


def render_invoice_pdf(snapshot: StoredInvoice) -> bytes:
    """The PDF alone; see `render_invoice`. A draft's has no e-invoice inside."""
    return render_invoice(snapshot).pdf


def _read(snapshot: StoredInvoice) -> InvoiceSnapshot:
    if not isinstance(snapshot, InvoiceSnapshot):
        snapshot = InvoiceSnapshot.from_dict(snapshot)
    return in_its_language(snapshot)
