"""The message that brings a client its invoice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation

from agencyportal.core.formats import Formats
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.models import Invoice, Mail
from billing.portal_links import page_of_invoice
from billing.refusals import RefusedError, refuse_unfit_key
from clients.models import Client, ClientMember

from .letterhead import letterhead
from .mailing import message, queue_mail

LONGEST_KEY = 120


def resend_invoice(*, invoice: Invoice, now: dt.datetime, key: str) -> Mail:
    """Queue the message of an issued invoice again, as it was, to who reads invoices now.

    ``key`` makes it this sending: asked for again, it answers with the message that is there.
    Raises RefusedError for a draft, and where nobody has an address.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    if invoice.state == Invoice.State.DRAFT or invoice.snapshot is None:
        raise RefusedError(f"{invoice} is not issued yet, so there is nothing to send again.")
    recipients = recipients_of(invoice.client)
    if not recipients:
        raise RefusedError(
            f"Nobody reads invoices of {invoice.client}: give it an address, or invite an admin."
        )
    snapshot = InvoiceSnapshot.from_dict(invoice.snapshot)
    key = f"invoice:{invoice.number}:{key}"
    return queue_mail(
        invoice_mail(invoice, snapshot, invoice.document.path, recipients, now=now, key=key)
    )


def invoice_mail(
    invoice: Invoice,
    snapshot: InvoiceSnapshot,
    path: str,
    recipients: Sequence[str],
    *,
    now: dt.datetime,
    key: str = "",
) -> Mail:
    """The invoice's message, with its PDF at ``path``, in the client's language; not saved."""
    with translation.override(invoice.client.language):
        context = _context(invoice, snapshot)
        return message(
            agency=invoice.agency,
            client=invoice.client,
            key=key or f"invoice:{invoice.number}",
            recipients=recipients,
            subject=render_to_string("mail/invoice_subject.txt", context),
            body_text=render_to_string("mail/invoice.txt", context),
            body_html=render_to_string("mail/invoice.html", context),
            attachment_path=path,
            attachment_name=f"{invoice.number}.pdf",
            now=now,
        )


def _context(invoice: Invoice, snapshot: InvoiceSnapshot) -> dict[str, Any]:
    formats = Formats(snapshot.locale, snapshot.currency)
    return {
        "number": snapshot.number,
        **letterhead(invoice.agency, formats),
        "seller": snapshot.seller.name,
        "buyer": snapshot.buyer.name,
        "tax": formats.money(snapshot.totals.tax) if snapshot.totals.tax else "",
        "total": formats.money(snapshot.totals.gross),
        "due": formats.money(snapshot.totals.due),
        "issue_date": formats.long_day(snapshot.issue_date),
        "due_date": formats.long_day(snapshot.due_date) if snapshot.due_date else "",
        "is_settled": not snapshot.totals.due,
        "link": page_of_invoice(invoice),
        "is_paid_online": bool(snapshot.payment.pay_url),
        "sections": [
            {"name": section.name, "net": formats.money(section.net)}
            for section in snapshot.sections
        ],
    }


def recipients_of(client: Client) -> list[str]:
    """Where a client's invoices go: its own address, else everybody who may buy for it.

    A client with an address has named who reads invoices; its admins find them in the portal.
    """
    return recipients_of_all([client])[client.pk]


def recipients_of_all(clients: Iterable[Client]) -> dict[int, list[str]]:
    """`recipients_of` of several, by client, in at most one query."""
    readers = {client.pk: [client.email] if client.email else [] for client in clients}
    without = [pk for pk, addresses in readers.items() if not addresses]
    admins = ClientMember.objects.filter(
        client__in=without, role=ClientMember.Role.ADMIN, user__is_active=True
    )
    for client_id, address in admins.order_by("user__email").values_list(
        "client_id", "user__email"
    ):
        readers[client_id].append(address)
    return readers
