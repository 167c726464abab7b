"""Invoices: drafted from waiting charges, issued with a number and a snapshot that stay."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable

import msgspec
from django.db import transaction
from django.utils import translation

from agencyportal.core.locks import lock_row
from agencyportal.core.periods import local_date
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.models import Invoice, InvoiceDocument
from billing.refusals import RefusedError
from clients.models import Platform

from .drafting import (
    charges_of,
    draft_client,
    draft_due_invoices,
    draft_invoices,
    price_on,
    write_figures,
)
from .invoice_mail import queue_invoice_mail
from .invoice_pricing import PricedInvoice
from .invoice_snapshot import freeze
from .series import take_number

__all__ = [
    "InvoiceRefusedError",
    "draft_client",
    "draft_due_invoices",
    "draft_invoices",
    "issue_due_invoices",
    "issue_invoice",
    "preview_invoice",
]

_logger = logging.getLogger(__name__)


class InvoiceRefusedError(RefusedError):
    """The invoice cannot be issued; the message says why."""


def issue_due_invoices(
    *, now: dt.datetime, progress: Callable[[int, int], None] | None = None
) -> tuple[list[Invoice], list[str]]:
    """Issue every draft, in the order of what they bill.

    Returns what was issued, and in words what was not. Each in a transaction of its own; one that
    fails is logged and holds up no other. ``progress`` is called with how many were tried, and
    how many there are.
    """
    drafts = list(
        Invoice.objects.filter(state=Invoice.State.DRAFT)
        .select_related("client")
        .order_by("bill_at", "client", "pk")
    )
    issued: list[Invoice] = []
    failed: list[str] = []
    for tried, draft in enumerate(drafts, start=1):
        try:
            issued.append(issue_invoice(invoice=draft, now=now))
        except Exception as error:
            _logger.exception("issuing the draft %s failed", draft.pk)
            failed.append(f"{draft}: {error}")
        if progress is not None:
            progress(tried, len(drafts))
    return issued, failed


@transaction.atomic
def issue_invoice(*, invoice: Invoice, now: dt.datetime) -> Invoice:
    """Give a draft its number, its tax of the day and its snapshot; queue its PDF and its mail.

    Dated with the platform's local day. Due after the agency's payment terms; an invoice over
    nothing is due at no date and paid at once. An invoice that is issued already is returned as
    it is. Raises InvoiceRefusedError for one that says nothing, or comes to less than nothing.

    Locks the invoice, then its series, and commits everything together: no number without a
    document and a message on the way.
    """
    invoice = lock_row(Invoice.objects.filter(pk=invoice.pk).select_related("client", "agency"))
    if invoice.state != Invoice.State.DRAFT:
        return invoice
    platform = Platform.objects.get()
    charges = charges_of(invoice)
    priced = price_on(invoice, charges, local_date(now, platform.timezone))
    _refuse_unfit(invoice, priced)
    write_figures(invoice, priced)
    _date(invoice, platform, now)
    with translation.override(invoice.client.language):
        frozen = freeze(invoice, priced, platform)
        _number(invoice)
        snapshot = msgspec.structs.replace(frozen, number=invoice.number)
        invoice.snapshot = snapshot.to_dict()
        invoice.state = Invoice.State.ISSUED if invoice.total else Invoice.State.PAID
        invoice.save()
        document = InvoiceDocument.objects.create(invoice=invoice, path=document_path(invoice))
        queue_invoice_mail(invoice=invoice, snapshot=snapshot, path=document.path, now=now)
    return invoice


def _refuse_unfit(invoice: Invoice, priced: PricedInvoice) -> None:
    if not priced.lines:
        raise InvoiceRefusedError(f"{invoice} has nothing on it.")
    if priced.total < 0:
        raise InvoiceRefusedError(
            f"{invoice} comes to {priced.total} {invoice.currency}. "
            "Money that goes back needs a credit note, not an invoice."
        )


def preview_invoice(*, invoice: Invoice, now: dt.datetime) -> InvoiceSnapshot:
    """What a draft would say if it were issued at ``now``, without a number. Writes nothing.

    Of an issued invoice, what it says.
    """
    if invoice.state != Invoice.State.DRAFT:
        return InvoiceSnapshot.from_dict(invoice.snapshot or {})
    draft = Invoice.objects.select_related("client", "agency").get(pk=invoice.pk)
    platform = Platform.objects.get()
    priced = price_on(draft, charges_of(draft), local_date(now, platform.timezone))
    draft.total = priced.total
    _date(draft, platform, now)
    with translation.override(draft.client.language):
        return freeze(draft, priced, platform)


def document_path(invoice: Invoice) -> str:
    """Where the PDF is stored: the same name whoever renders it, and however often."""
    if invoice.issue_date is None or invoice.number is None:
        raise ValueError(f"{invoice} is a draft, which has no document.")
    return f"{invoice.agency.slug}/{invoice.issue_date:%Y}/{invoice.number}.pdf"


def _date(invoice: Invoice, platform: Platform, now: dt.datetime) -> None:
    invoice.issued_at = now
    invoice.issue_date = local_date(now, platform.timezone)
    terms = dt.timedelta(days=invoice.agency.payment_terms_days)
    invoice.due_date = invoice.issue_date + terms if invoice.total else None


def _number(invoice: Invoice) -> None:
    """Last of all locks and last of all reads: until we commit, nobody else can issue."""
    year = f"{invoice.issue_date:%Y}"
    taken = take_number(code=f"invoice-{year}", prefix=f"INV-{year}-")
    invoice.series, invoice.sequence, invoice.number = taken
