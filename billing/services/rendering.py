"""Makes the files of issued documents: claim, commit, render, store, record (DESIGN 4.6).

A worker may be killed between any two steps. Its claim goes stale, and whoever comes next renders
the same bytes from the same snapshot and stores them under the same name. What a worker records
counts only while its claim is the last one (``attempts`` tells them apart).
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from django.db.models import F

from agencyportal.core.claims import claim
from agencyportal.core.documents import SnapshotError
from agencyportal.core.pdf import PdfError
from agencyportal.core.rendered import RenderedDocument, RenderedDocumentQuerySet
from billing.documents.invoice import render_invoice
from billing.models import CreditNoteDocument, EInvoicedDocument, InvoiceDocument
from billing.refusals import RefusedError

from .document_files import sha256, store_document

RETRY_AFTER: Final = dt.timedelta(minutes=15)
"""How long a failure rests, and how long a worker may take before it is thought dead."""

MAX_ATTEMPTS: Final = 5

_D = TypeVar("_D", bound=RenderedDocument)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Files:
    """What is made of one document: the PDF, files ``beside`` it by their paths, and columns of
    its row that say more about them."""

    pdf: bytes
    beside: Mapping[str, bytes] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def render_due_documents(*, now: dt.datetime, limit: int | None = None) -> int:
    """Make the files of issued invoices and credit notes, at most ``limit`` of each; returns of how
    many they were made.

    No transaction is open while one is rendered. What fails is recorded with its reason, tried
    again after `RETRY_AFTER` up to `MAX_ATTEMPTS` times, and holds up no other.
    """
    made = render_due(model=InvoiceDocument, render=_invoice_files, now=now, limit=limit)
    return made + render_due(
        model=CreditNoteDocument, render=_credit_note_files, now=now, limit=limit
    )


def render_due(
    *,
    model: type[_D],
    render: Callable[[_D], bytes | Files],
    now: dt.datetime,
    limit: int | None = None,
) -> int:
    """`render_due_documents` for any kind of document.

    ``render`` makes the PDF, or all `Files`, from the row's snapshot: the same bytes every time.
    Whoever issues gives the row its ``path``.
    """
    made = tried = 0
    while limit is None or tried < limit:
        document = _claim(model, now)
        if document is None:
            break
        tried += 1
        made += _make(document, render, now)
    return made


def due_documents(model: type[_D], *, now: dt.datetime) -> RenderedDocumentQuerySet[_D]:
    """The documents that `render_due` would take now."""
    return RenderedDocumentQuerySet(model).to_render(
        now=now, retry_after=RETRY_AFTER, attempts=MAX_ATTEMPTS
    )


def _claim(model: type[_D], now: dt.datetime) -> _D | None:
    claimed = claim(
        due_documents(model, now=now).order_by("pk"),
        set={
            "state": RenderedDocument.State.RENDERING,
            "claimed_at": now,
            "attempts": F("attempts") + 1,
        },
        limit=1,
    )
    return RenderedDocumentQuerySet(model).get(pk=claimed[0]) if claimed else None


def try_again(document: RenderedDocument) -> None:
    """Put a document that failed back into the queue, with all its attempts.

    Raises RefusedError for one that is made, or waits for its turn anyway.
    """
    rows: RenderedDocumentQuerySet[RenderedDocument] = RenderedDocumentQuerySet(type(document))
    failed = rows.filter(pk=document.pk, state=RenderedDocument.State.FAILED)
    if not failed.update(state=RenderedDocument.State.PENDING, attempts=0, claimed_at=None):
        raise RefusedError(f"{document} has not failed, so there is nothing to try again.")


def _make(document: _D, render: Callable[[_D], bytes | Files], now: dt.datetime) -> bool:
    """Whether the document is on disk and recorded as such by this attempt."""
    try:
        if not document.path:
            raise ValueError("The document was issued without a name for its file.")  # noqa: TRY301
        made = render(document)
        files = made if isinstance(made, Files) else Files(made)
        for path, content in {**files.beside, document.path: files.pdf}.items():
            store_document(path, content, attempt=document.attempts)
    except Exception as error:
        _logger.exception("rendering %s failed", document.path or document.pk)
        _record(document, state=RenderedDocument.State.FAILED, error=_readable(error))
        return False
    return _record(
        document,
        state=RenderedDocument.State.RENDERED,
        sha256=sha256(files.pdf),
        size=len(files.pdf),
        rendered_at=now,
        error="",
        **files.facts,
    )


def _record(document: RenderedDocument, **outcome: Any) -> bool:
    """Write an attempt's outcome, unless another worker has taken over since."""
    rows: RenderedDocumentQuerySet[RenderedDocument] = RenderedDocumentQuerySet(type(document))
    mine = rows.filter(
        pk=document.pk, state=RenderedDocument.State.RENDERING, attempts=document.attempts
    )
    return mine.update(**outcome) == 1


def _readable(error: Exception) -> str:
    """Our own say what is wrong and what to do; of others the kind is worth knowing."""
    words = str(error)
    if not isinstance(error, PdfError | SnapshotError):
        words = f"{type(error).__name__}: {words}"
    return words[:2000]


def e_invoiced(document: EInvoicedDocument, snapshot: Mapping[str, Any]) -> Files:
    """The files of an invoice or credit note: the XML is inside the PDF, and beside it."""
    made = render_invoice(snapshot)
    if not made.xml:
        return Files(made.pdf, facts={"xml_gaps": " ".join(made.gaps)})
    return Files(
        made.pdf,
        beside={document.xml_path: made.xml},
        facts={"xml_sha256": sha256(made.xml), "xml_size": len(made.xml), "xml_gaps": ""},
    )


def _invoice_files(document: InvoiceDocument) -> Files:
    return e_invoiced(document, document.invoice.snapshot or {})


def _credit_note_files(document: CreditNoteDocument) -> Files:
    return e_invoiced(document, document.credit_note.snapshot)
