"""Makes the files of issued documents: claim, commit, render, store, record (DESIGN 4.6).

A worker may be killed between any two steps. Its claim goes stale, and whoever comes next renders
the same bytes from the same snapshot and stores them under the same name. What a worker records
counts only while its claim is the last one (``attempts`` tells them apart).
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.db.models import F

from agencyportal.core.claims import claim
from agencyportal.core.rendered import RenderedDocument, RenderedDocumentQuerySet
from billing.documents.invoice import render_invoice_pdf
from billing.models import CreditNoteDocument, InvoiceDocument

from .document_files import sha256, store_document

RETRY_AFTER: Final = dt.timedelta(minutes=15)
"""How long a failure rests, and how long a worker may take before it is thought dead."""

MAX_ATTEMPTS: Final = 5

_D = TypeVar("_D", bound=RenderedDocument)
_logger = logging.getLogger(__name__)


def render_due_documents(*, now: dt.datetime, limit: int | None = None) -> int:
    """Render the PDFs of issued invoices and credit notes, at most ``limit`` of each; returns how
    many were made.

    No transaction is open while one is rendered. What fails is recorded with its reason, tried
    again after `RETRY_AFTER` up to `MAX_ATTEMPTS` times, and holds up no other.
    """
    made = render_due(model=InvoiceDocument, render=_render_invoice, now=now, limit=limit)
    return made + render_due(
        model=CreditNoteDocument, render=_render_credit_note, now=now, limit=limit
    )


def render_due(
    *,
    model: type[_D],
    render: Callable[[_D], bytes],
    now: dt.datetime,
    limit: int | None = None,
) -> int:
    """`render_due_documents` for any kind of document.

    ``render`` makes the file from the row's snapshot, the same bytes every time. Whoever issues
    gives the row its ``path``.
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


def _make(document: _D, render: Callable[[_D], bytes], now: dt.datetime) -> bool:
    """Whether the document is on disk and recorded as such by this attempt."""
    try:
        if not document.path:
            raise ValueError("The document was issued without a name for its file.")  # noqa: TRY301
        content = render(document)
        store_document(document.path, content, attempt=document.attempts)
    except Exception as error:
        _logger.exception("rendering %s failed", document.path or document.pk)
        _record(document, state=RenderedDocument.State.FAILED, error=_readable(error))
        return False
    return _record(
        document,
        state=RenderedDocument.State.RENDERED,
        sha256=sha256(content),
        size=len(content),
        rendered_at=now,
        error="",
    )


def _record(document: RenderedDocument, **outcome: Any) -> bool:
    """Write an attempt's outcome, unless another worker has taken over since."""
    rows: RenderedDocumentQuerySet[RenderedDocument] = RenderedDocumentQuerySet(type(document))
    mine = rows.filter(
        pk=document.pk, state=RenderedDocument.State.RENDERING, attempts=document.attempts
    )
    return mine.update(**outcome) == 1


def _readable(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:2000]


def _render_invoice(document: InvoiceDocument) -> bytes:
    return render_invoice_pdf(document.invoice.snapshot or {})


def _render_credit_note(document: CreditNoteDocument) -> bytes:
    return render_invoice_pdf(document.credit_note.snapshot)
