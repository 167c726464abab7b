"""Invoices: drafted from waiting charges, issued with a number and a snapshot that stay."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
from django.db import transaction

from agencyportal.core.locks import lock_rows
from agencyportal.core.periods import local_date
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.models import ClientBalance, Invoice, InvoiceDocument, Payment
from billing.refusals import RefusedError
from clients.models import Platform

from .batches import in_batches
from .client_balance import lock_balances
from .drafting import (
    charges_of,
    draft_client,
    draft_due_invoices,
    draft_invoices,
    price_drafts,
    write_lines,
)
from .dunning import begin_dunning
from .invoice_mail import invoice_mail, recipients_of_all
from .invoice_pricing import PricedInvoice
from .invoice_snapshot import freeze
from .mailing import queue_mails
from .out_of_balance import book_out_of_balance, payments_out_of_balance
from .received import book_received, fit_to_totals
from .series import series_of, take_numbers
from .standing import state_of

__all__ = [
    "InvoiceRefusedError",
    "draft_client",
    "draft_due_invoices",
    "draft_invoices",
    "issue_due_invoices",
    "issue_invoice",
    "issue_invoices",
    "preview_invoice",
]

_logger = logging.getLogger(__name__)

ISSUED = (
    "state",
    "series",
    "sequence",
    "number",
    "issued_at",
    "issue_date",
    "due_date",
    "net",
    "tax",
    "total",
    "amount_paid",
    "snapshot",
)
"""What issuing writes on the invoice itself."""


class InvoiceRefusedError(RefusedError):
    """The invoice cannot be issued; the message says why."""


def issue_due_invoices(
    *, now: dt.datetime, progress: Callable[[int, int], None] | None = None
) -> tuple[list[Invoice], list[str]]:
    """Issue every draft, in the order of what they bill.

    Returns what was issued, and in words what was not. In batches, each a transaction; one that
    fails is logged and holds up no other. ``progress`` is called with how many were tried, and
    how many there are.
    """
    drafts = Invoice.objects.filter(state=Invoice.State.DRAFT).order_by("bill_at", "client", "pk")
    ids = list(drafts.values_list("pk", flat=True))
    issued: list[Invoice] = []
    failed: list[str] = []
    tried = 0
    for batch, done, error in in_batches(ids, partial(issue_invoices, now=now)):
        for invoice in done:
            del invoice.snapshot  # the largest part of it by far; read again by whoever asks
        issued += done
        if error is not None:
            _logger.error("issuing the draft %s failed", batch[0], exc_info=error)
            failed.append(f"{Invoice.objects.select_related('client').get(pk=batch[0])}: {error}")
        tried += len(batch)
        if progress is not None:
            progress(tried, len(ids))
    return issued, failed


def issue_invoice(*, invoice: Invoice, now: dt.datetime) -> Invoice:
    """Issue one draft; see `issue_invoices`. One that is issued already is returned as it is."""
    issued = issue_invoices([invoice.pk], now=now)
    return issued[0] if issued else Invoice.objects.get(pk=invoice.pk)


@transaction.atomic
def issue_invoices(
    invoice_ids: Sequence[int],
    *,
    now: dt.datetime,
    received: Mapping[int, Payment] | None = None,
) -> list[Invoice]:
    """Give drafts their numbers, in this order, their tax of the day and their snapshots; queue
    their PDFs and their mail. All or nothing; returns those that nobody had issued before.

    Dated with the platform's local day. A client's balance pays first, but for an invoice whose
    money has come already: ``received`` has its payment, not saved, by invoice. Due after the
    agency's payment terms; where nothing is due, at no date and paid at once. Raises
    InvoiceRefusedError for one that says nothing, or comes to less than nothing.

    Locks the invoices, then the clients' balances, then the series, and commits everything
    together: no number without a document and a message on the way. As many queries for many as
    for one.
    """
    rows = Invoice.objects.filter(pk__in=invoice_ids).select_related("client", "agency")
    locked = {invoice.pk: invoice for invoice in lock_rows(rows)}
    drafts = [locked[pk] for pk in invoice_ids if locked[pk].state == Invoice.State.DRAFT]
    if not drafts:
        return []
    platform = Platform.objects.get()
    priced = _price(drafts, platform, now)
    for one in priced:
        _refuse_unfit(one)
    write_lines(priced)
    readers = recipients_of_all([draft.client for draft in drafts])
    received = received or {}
    fit_to_totals(drafts, received)
    balances = lock_balances({draft.client_id for draft in drafts})
    unpaid = [draft for draft in drafts if draft.pk not in received]
    out_of_balance = payments_out_of_balance(unpaid, balances, now=now)
    paying = {**out_of_balance, **received}
    _date(drafts, paying)
    snapshots = freeze(priced, platform, paying)
    _number(drafts, platform)
    documents, mail = [], []
    for invoice, frozen in zip(drafts, snapshots, strict=True):
        snapshot = msgspec.structs.replace(frozen, number=invoice.number)
        invoice.snapshot = snapshot.to_dict()
        invoice.state = state_of(invoice)
        document = InvoiceDocument(invoice=invoice, path=document_path(invoice))
        documents.append(document)
        recipients = readers[invoice.client_id]
        mail.append(invoice_mail(invoice, snapshot, document.path, recipients, now=now))
    # They are there and locked: this updates them, several times quicker than `bulk_update`.
    Invoice.objects.bulk_create(
        drafts, update_conflicts=True, unique_fields=("pk",), update_fields=ISSUED
    )
    InvoiceDocument.objects.bulk_create(documents)
    book_out_of_balance(list(out_of_balance.values()), balances, now=now)
    book_received(received.values(), now=now)
    queue_mails(mail)
    begin_dunning(drafts, zone=platform.timezone, now=now)
    return drafts


def preview_invoice(*, invoice: Invoice, now: dt.datetime) -> InvoiceSnapshot:
    """What a draft would say if it were issued at ``now``, without a number. Writes nothing.

    Of an issued invoice, what it says.
    """
    if invoice.state != Invoice.State.DRAFT:
        return InvoiceSnapshot.from_dict(invoice.snapshot or {})
    draft = Invoice.objects.select_related("client", "agency").get(pk=invoice.pk)
    platform = Platform.objects.get()
    priced = _price([draft], platform, now)
    balances = ClientBalance.objects.filter(client=draft.client_id, amount__gt=0)
    there = {(row.client_id, row.currency): row for row in balances}
    paying = payments_out_of_balance([draft], there, now=now)
    _date([draft], paying)
    (snapshot,) = freeze(priced, platform, paying)
    return snapshot


def _price(drafts: Sequence[Invoice], platform: Platform, now: dt.datetime) -> list[PricedInvoice]:
    """The figures of drafts on the day of issue; dates them (on the objects)."""
    today = local_date(now, platform.timezone)
    charges = charges_of(drafts)
    priced = price_drafts([(draft, charges.get(draft.pk, [])) for draft in drafts], day=today)
    for draft in drafts:
        draft.issued_at, draft.issue_date = now, today
    return priced


def _date(drafts: Sequence[Invoice], paying: Mapping[int, Payment]) -> None:
    """Book what the balances pay, and say until when the rest is due (on the objects)."""
    for draft in drafts:
        if payment := paying.get(draft.pk):
            draft.amount_paid = payment.applied
        terms = dt.timedelta(days=draft.agency.payment_terms_days)
        if draft.issue_date is not None:
            draft.due_date = draft.issue_date + terms if draft.amount_due else None


def _refuse_unfit(priced: PricedInvoice) -> None:
    invoice = priced.invoice
    if not priced.lines:
        raise InvoiceRefusedError(f"{invoice} has nothing on it.")
    if priced.total < 0:
        raise InvoiceRefusedError(
            f"{invoice} comes to {priced.total} {invoice.currency}. "
            "Money that goes back needs a credit note, not an invoice."
        )


def document_path(invoice: Invoice) -> str:
    """Where the PDF is stored: the same name whoever renders it, and however often."""
    if invoice.issue_date is None or invoice.number is None:
        raise ValueError(f"{invoice} is a draft, which has no document.")
    return f"{invoice.agency.slug}/{invoice.issue_date:%Y}/{invoice.number}.pdf"


def _number(drafts: Sequence[Invoice], platform: Platform) -> None:
    """Last of all locks and last of all reads: until we commit, nobody else can issue."""
    if (issued_on := drafts[0].issue_date) is None:
        raise ValueError("An invoice is dated before it is numbered.")
    code, prefix = series_of("invoice", platform=platform, issued_on=issued_on)
    taken = take_numbers(len(drafts), code=code, prefix=prefix)
    for invoice, number in zip(drafts, taken, strict=True):
        invoice.series, invoice.sequence, invoice.number = number
