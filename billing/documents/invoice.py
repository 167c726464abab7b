"""An invoice on paper: its frozen snapshot as HTML and as PDF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agencyportal.core.pdf import render_pdf
from agencyportal.core.printing import in_language_of, render_document
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.documents.invoice_view import InvoiceView

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


def render_invoice_pdf(snapshot: StoredInvoice) -> bytes:
    """The invoice as PDF: the same bytes for the same snapshot, dated with its day of issue.

    Takes a second for a page, so never inside a transaction. Raises `SnapshotError`, and `PdfError`
    when this machine cannot render.
    """
    invoice = _read(snapshot)
    return render_pdf(render_invoice_html(invoice), dated=invoice.issue_date)


def _read(snapshot: StoredInvoice) -> InvoiceSnapshot:
    if isinstance(snapshot, InvoiceSnapshot):
        return snapshot
    return InvoiceSnapshot.from_dict(snapshot)
