"""Invoices: the list, one of them from what it said when it was issued, and its PDF."""

from __future__ import annotations

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from agencyportal.core.documents import SnapshotError
from agencyportal.core.rendered import RenderedDocument
from agencyportal.portal import explained, selectors
from agencyportal.portal.tables import InvoiceTable, invoice_state
from agencyportal.portal.views.paging import page_of
from agencyportal.portal.visits import Visit, client_page, show
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.documents.invoice_view import InvoiceView
from billing.models import Invoice
from billing.services.document_files import DamagedDocumentError, read_document

SECTION = "invoices"
UNAVAILABLE = 503
_logger = logging.getLogger(__name__)


@client_page
@require_safe
def invoices(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Every invoice that was issued, the latest first."""
    page = page_of(request, selectors.invoices(visit.client))
    context = {
        "page": page,
        "invoices": InvoiceTable(page.object_list, visit=visit, caption=_("Invoices")),
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/invoices.html", context, section=SECTION)


@client_page
@require_safe
def invoice(request: HttpRequest, visit: Visit, invoice_id: int) -> HttpResponse:
    """What an invoice says, what was paid, and how to pay."""
    found = get_object_or_404(selectors.invoices(visit.client).defer(None), pk=invoice_id)
    tone, state = invoice_state(visit, found)
    document = getattr(found, "document", None)
    writing = visit.writing
    context = {
        "invoice": found,
        "tone": tone,
        "state": state,
        "printed": _printed(found),
        "total": writing.price(found.total, found.currency),
        "due": writing.price(found.amount_due, found.currency),
        "is_open": found.state in (Invoice.State.ISSUED, Invoice.State.PARTIALLY_PAID),
        "due_on": writing.long_day(found.due_date) if found.due_date else "",
        "has_pdf": document is not None and document.state == RenderedDocument.State.RENDERED,
        "payments": [
            {
                "amount": writing.price(payment.amount, payment.currency),
                "on": writing.on(payment.received_at),
                "method": payment.get_method_display(),
            }
            for payment in selectors.payments(visit.client, found)
        ],
        "explained": explained.links(visit, selectors.usage_charged_on(visit.client, found)),
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/invoice.html", context, section=SECTION)


@client_page
@require_safe
def invoice_pdf(request: HttpRequest, visit: Visit, invoice_id: int) -> HttpResponse:
    """The file that was issued, proved by its hash; a page that says why where there is none."""
    found = get_object_or_404(selectors.invoices(visit.client), pk=invoice_id)
    document = getattr(found, "document", None)
    if document is None or document.state != RenderedDocument.State.RENDERED:
        failed = document is not None and document.state == RenderedDocument.State.FAILED
        return _no_file(request, visit, found, "failed" if failed else "pending")
    try:
        content = read_document(document)
    except DamagedDocumentError:
        _logger.exception("invoice %s cannot be served", found.number)
        return _no_file(request, visit, found, "damaged")
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = content_disposition_header(
        as_attachment=True, filename=f"{found.number}.pdf"
    )
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _printed(found: Invoice) -> dict[str, Any] | None:
    """The invoice as its PDF prints it; None where what is stored cannot be read."""
    try:
        return InvoiceView(InvoiceSnapshot.from_dict(found.snapshot or {})).context()
    except SnapshotError:
        _logger.exception("the snapshot of %s cannot be read", found.number)
        return None


def _no_file(request: HttpRequest, visit: Visit, found: Invoice, why: str) -> HttpResponse:
    context = {"invoice": found, "why": why}
    response = show(
        request, visit, "portal/no_file.html", context, section=SECTION, status=UNAVAILABLE
    )
    if why == "pending":
        response["Retry-After"] = "30"
    return response
