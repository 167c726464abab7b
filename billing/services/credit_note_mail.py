"""The message that brings a client its credit note."""

from __future__ import annotations

import datetime as dt

from django.template.loader import render_to_string
from django.utils import translation

from agencyportal.core.formats import Formats
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.models import CreditNote, Mail

from .invoice_mail import recipients_of
from .letterhead import letterhead
from .mailing import message


def credit_note_mail(
    note: CreditNote, snapshot: InvoiceSnapshot, path: str, *, now: dt.datetime
) -> Mail:
    """The credit note's message, with its PDF at ``path``, in the client's language; not saved."""
    with translation.override(note.client.language):
        formats = Formats(snapshot.locale, snapshot.currency)
        context = {
            "number": snapshot.number,
            "invoice": snapshot.corrects.number if snapshot.corrects else "",
            **letterhead(note.agency, formats),
            "seller": snapshot.seller.name,
            "buyer": snapshot.buyer.name,
            "tax": formats.money(snapshot.totals.tax) if snapshot.totals.tax else "",
            "total": formats.money(snapshot.totals.gross),
            "issue_date": formats.long_day(snapshot.issue_date),
            "notes": snapshot.notes,
            "sections": [
                {"name": section.name, "net": formats.money(section.net)}
                for section in snapshot.sections
            ],
        }
        return message(
            agency=note.agency,
            client=note.client,
            key=f"credit-note:{note.number}",
            recipients=recipients_of(note.client),
            subject=render_to_string("mail/credit_note_subject.txt", context),
            body_text=render_to_string("mail/credit_note.txt", context),
            body_html=render_to_string("mail/credit_note.html", context),
            attachment_path=path,
            attachment_name=f"{note.number}.pdf",
            now=now,
        )
