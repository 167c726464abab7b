"""The whole chain at once: close, draft, issue, render, send. What the schedule does in ticks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from django.db.models import Q

from agencyportal.core.rendered import RenderedDocument
from billing.models import BillingPeriod, CreditNoteDocument, Invoice, InvoiceDocument, Mail

from .closing import close_due_periods
from .invoicing import draft_due_invoices, issue_due_invoices
from .late_usage import settle_late_usage
from .mailing import due_mail, send_due_mail
from .rendering import due_documents, render_due_documents

Progress = Callable[[int, int], None]
Meter = Callable[[str], AbstractContextManager[Progress]]
"""Opens a progress display for a step of that name; it is told how many are done, and of how
many."""


@dataclass(slots=True)
class BillingRun:
    """What was done, and what needs somebody's attention."""

    periods: int = 0
    invoices: list[Invoice] = field(default_factory=list)
    documents: int = 0
    messages: int = 0
    problems: list[str] = field(default_factory=list)


def run_billing(*, as_of: dt.datetime, now: dt.datetime, meter: Meter) -> BillingRun:
    """Do everything that is due at ``as_of``; safe to repeat, and to run beside the schedule.

    ``now`` is the time by the clock: claims of files and messages go by it, or a worker beside
    us would think ours abandoned, and take them too.
    """
    run = BillingRun()
    _, not_settled = settle_late_usage(now=as_of)
    with meter("Closing periods") as progress:
        run.periods = len(close_due_periods(now=as_of, progress=progress))
    _, not_drafted = draft_due_invoices(now=as_of)
    with meter("Issuing invoices") as progress:
        run.invoices, not_issued = issue_due_invoices(now=as_of, progress=progress)
    deliver_at = max(as_of, now)
    kinds: tuple[type[RenderedDocument], ...] = (InvoiceDocument, CreditNoteDocument)
    due = sum(due_documents(kind, now=deliver_at).count() for kind in kinds)
    with meter("Rendering PDFs") as progress:
        for tried in range(1, due + 1):
            run.documents += render_due_documents(now=deliver_at, limit=1)
            progress(tried, due)
    due = due_mail(now=deliver_at).count()
    with meter("Sending mail") as progress:
        for tried in range(1, due + 1):
            run.messages += send_due_mail(now=deliver_at, limit=1)
            progress(tried, due)
    run.problems = [*not_settled, *_not_closed(as_of), *not_drafted, *not_issued, *_not_delivered()]
    return run


def _not_closed(as_of: dt.datetime) -> Iterator[str]:
    for period in BillingPeriod.objects.due(as_of).select_related("workspace"):
        yield f"{period}: {period.close_error or 'waits for an earlier period'}"


def _not_delivered() -> Iterator[str]:
    failed = InvoiceDocument.objects.filter(state=InvoiceDocument.State.FAILED)
    for document in failed.select_related("invoice").order_by("pk"):
        yield f"{document}: {document.error}"
    failed_notes = CreditNoteDocument.objects.filter(state=CreditNoteDocument.State.FAILED)
    for note in failed_notes.select_related("credit_note").order_by("pk"):
        yield f"{note}: {note.error}"
    stuck = Q(state=Mail.State.FAILED) | (Q(state=Mail.State.PENDING) & ~Q(error=""))
    for mail in Mail.objects.filter(stuck).order_by("pk"):
        yield f"Mail {mail.key}: {mail.error}"
