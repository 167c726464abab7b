"""Invoices: the list, one of them from what it said when it was issued, and its PDF."""

from __future__ import annotations

import logging
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from agencyportal.core.documents import SnapshotError
from agencyportal.core.rendered import RenderedDocument
from agencyportal.portal import dunning, explained, selectors
from agencyportal.portal.files import PDF, XML, FileKind, file_of
from agencyportal.portal.tables import CreditNoteTable, InvoiceTable, invoice_state
from agencyportal.portal.views.paging import page_of
from agencyportal.portal.visits import Visit, client_page, show
from billing import stripe_gateway
from billing.charge_words import in_its_language
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.documents.invoice_view import InvoiceView
from billing.models import Invoice, InvoiceCheckout
from billing.services.charge_consents import consent_of
from billing.services.invoice_checkouts import PAYABLE

SECTION = "invoices"
MOST_NOTES = 24
_logger = logging.getLogger(__name__)


@client_page
@require_safe
def invoices(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Every invoice that was issued, the latest first."""
    page = page_of(request, selectors.invoices(visit.client))
    context = {
        "page": page,
        "invoices": InvoiceTable(page.object_list, visit=visit, caption=_("Invoices")),
        "credit_notes": _credit_notes(visit),
        "balances": [
            visit.writing.price(row.amount, row.currency)
            for row in selectors.balances(visit.client)
        ],
        "is_online": stripe_gateway.is_on(),
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
        "pays_online": found.state in PAYABLE and found.amount_due > 0 and stripe_gateway.is_on(),
        "charge": _open_charge(found),
        "charges_card": consent_of(visit.client) is not None,
        "coming": dunning.coming(visit, found),
        "steps_done": dunning.steps_done(visit, found),
        "suspensions": [row for row in dunning.suspensions(visit) if row.invoice_id == found.pk],
        "on_its_way": found.checkouts.filter(state=InvoiceCheckout.State.PROCESSING).first(),
        "due_on": writing.long_day(found.due_date) if found.due_date else "",
        "has_pdf": document is not None and document.state == RenderedDocument.State.RENDERED,
        "has_xml": document is not None and document.has_xml,
        "payments": [
            {
                "amount": writing.price(payment.amount, payment.currency),
                "on": writing.on(payment.received_at),
                "method": payment.get_method_display(),
            }
            for payment in selectors.payments(visit.client, found)
        ],
        "credited": _credited(visit, found),
        "went_back": _went_back(visit, found),
        "explained": explained.links(visit, selectors.usage_charged_on(visit.client, found)),
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/invoice.html", context, section=SECTION)


@client_page
@require_safe
def invoice_pdf(request: HttpRequest, visit: Visit, invoice_id: int) -> HttpResponse:
    """The file that was issued, proved by its hash; a page that says why where there is none."""
    found = get_object_or_404(selectors.invoices(visit.client), pk=invoice_id)
    return _file(request, visit, found, PDF)


@client_page
@require_safe
def invoice_xml(request: HttpRequest, visit: Visit, invoice_id: int) -> HttpResponse:
    """The e-invoice alone, proved like the PDF it is inside of."""
    found = get_object_or_404(selectors.invoices(visit.client), pk=invoice_id)
    document = getattr(found, "document", None)
    if document is None or not document.has_xml:
        raise Http404("There is no e-invoice.")
    return _file(request, visit, found, XML)


def _file(request: HttpRequest, visit: Visit, found: Invoice, kind: FileKind) -> HttpResponse:
    args = (visit.client.pk, found.pk)
    return file_of(
        request,
        visit,
        getattr(found, "document", None),
        number=found.number or "",
        title=_("Invoice %(number)s") % {"number": found.number},
        page=reverse("portal:invoice", args=args),
        again=reverse(f"portal:invoice_{kind.suffix}", args=args),
        kind=kind,
    )


def _open_charge(found: Invoice) -> InvoiceCheckout | None:
    """A charge of the saved card that is being made, or waits for its holder."""
    pending = found.checkouts.filter(
        state=InvoiceCheckout.State.PENDING, method=InvoiceCheckout.Method.CARD
    )
    return pending.first()


def _credit_notes(visit: Visit) -> CreditNoteTable | None:
    """The latest credit notes, if there are any."""
    notes = list(selectors.credit_notes(visit.client)[:MOST_NOTES])
    return CreditNoteTable(notes, visit=visit, caption=_("Credit notes")) if notes else None


def _credited(visit: Visit, found: Invoice) -> list[dict[str, Any]]:
    return [
        {
            "number": note.number,
            "url": reverse("portal:credit_note", args=(visit.client.pk, note.pk)),
            "amount": visit.writing.price(note.total, note.currency),
            "on": visit.writing.day(note.issue_date),
        }
        for note in selectors.credit_notes(visit.client).filter(invoice=found)
    ]


def _went_back(visit: Visit, found: Invoice) -> list[dict[str, str]]:
    return [
        {
            "amount": visit.writing.price(row.amount, row.currency),
            "on": visit.writing.on(row.reversed_at),
        }
        for row in selectors.reversals(visit.client, found)
    ]


def _printed(found: Invoice) -> dict[str, Any] | None:
    """The invoice as its PDF prints it; None where what is stored cannot be read."""
    try:
        return InvoiceView(
            in_its_language(InvoiceSnapshot.from_dict(found.snapshot or {}))
        ).context()
    except SnapshotError:
        _logger.exception("the snapshot of %s cannot be read", found.number)
        return None
