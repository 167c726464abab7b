"""Credit notes: one of them as it was issued, its PDF; and the client's balance."""

from __future__ import annotations

import logging

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from agencyportal.core.documents import SnapshotError
from agencyportal.core.rendered import RenderedDocument
from agencyportal.portal import selectors
from agencyportal.portal.files import PDF, XML, FileKind, file_of
from agencyportal.portal.tables import BalanceTable
from agencyportal.portal.views.paging import page_of
from agencyportal.portal.visits import Visit, client_page, show
from billing.charge_words import in_its_language
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.documents.invoice_view import InvoiceView
from billing.models import CreditNote

SECTION = "invoices"
_logger = logging.getLogger(__name__)


@client_page
@require_safe
def credit_note(request: HttpRequest, visit: Visit, note_id: int) -> HttpResponse:
    """What a credit note takes back, and what becomes of the money."""
    note = get_object_or_404(selectors.credit_notes(visit.client).defer(None), pk=note_id)
    document = getattr(note, "document", None)
    try:
        printed = InvoiceView(in_its_language(InvoiceSnapshot.from_dict(note.snapshot))).context()
    except SnapshotError:
        _logger.exception("the snapshot of %s cannot be read", note.number)
        printed = None
    context = {
        "note": note,
        "printed": printed,
        "total": visit.writing.price(note.total, note.currency),
        "to_due": visit.writing.price(note.to_due, note.currency) if note.to_due else "",
        "to_balance": (
            visit.writing.price(note.to_balance, note.currency) if note.to_balance else ""
        ),
        "has_pdf": document is not None and document.state == RenderedDocument.State.RENDERED,
        "has_xml": document is not None and document.has_xml,
    }
    return show(request, visit, "portal/credit_note.html", context, section=SECTION)


@client_page
@require_safe
def credit_note_pdf(request: HttpRequest, visit: Visit, note_id: int) -> HttpResponse:
    """The file that was issued, proved by its hash; a page that says why where there is none."""
    note = get_object_or_404(selectors.credit_notes(visit.client), pk=note_id)
    return _file(request, visit, note, PDF)


@client_page
@require_safe
def credit_note_xml(request: HttpRequest, visit: Visit, note_id: int) -> HttpResponse:
    """The e-invoice alone, proved like the PDF it is inside of."""
    note = get_object_or_404(selectors.credit_notes(visit.client), pk=note_id)
    document = getattr(note, "document", None)
    if document is None or not document.has_xml:
        raise Http404("There is no e-invoice.")
    return _file(request, visit, note, XML)


def _file(request: HttpRequest, visit: Visit, note: CreditNote, kind: FileKind) -> HttpResponse:
    args = (visit.client.pk, note.pk)
    return file_of(
        request,
        visit,
        getattr(note, "document", None),
        number=note.number,
        title=_("Credit note %(number)s") % {"number": note.number},
        page=reverse("portal:credit_note", args=args),
        again=reverse(f"portal:credit_note_{kind.suffix}", args=args),
        kind=kind,
    )


@client_page
@require_safe
def balance(request: HttpRequest, visit: Visit) -> HttpResponse:
    """What of the client's money lies with the platform, and how it came and went."""
    page = page_of(request, selectors.balance_entries(visit.client))
    context = {
        "page": page,
        "balances": [
            visit.writing.price(row.amount, row.currency)
            for row in selectors.balances(visit.client)
        ],
        "entries": BalanceTable(page.object_list, visit=visit, caption=_("Balance")),
        "platform": selectors.platform(),
    }
    return show(request, visit, "portal/balance.html", context, section=SECTION)
