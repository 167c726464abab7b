"""The files of record: there, and the very bytes that were recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from django.core.files.storage import storages

from agencyportal.core.rendered import RenderedDocument
from billing.models import CreditNoteDocument, EInvoicedDocument, InvoiceDocument
from payouts.models import StatementDocument

from .findings import Checked, Finding, compare, difference
from .scope import CHUNK, Scope

SUBJECT: Final = "Files"


def check_documents(scope: Scope) -> Iterator[Finding]:
    """Every rendered file by its size and SHA-256; those still to be rendered are waiting."""
    for rows in (
        scope.of(InvoiceDocument.objects.select_related("invoice")),
        scope.of(CreditNoteDocument.objects.select_related("credit_note")),
        scope.of(StatementDocument.objects.select_related("payout")),
    ):
        for document in rows.order_by("pk").iterator(chunk_size=CHUNK):
            if document.state == RenderedDocument.State.RENDERED:
                yield from _check_file(document)
            else:
                yield Checked(SUBJECT, 0, open=1)


def _check_file(document: RenderedDocument) -> Iterator[Finding]:
    yield Checked(SUBJECT, 1)
    yield from _check(document, document.path, document.sha256, document.size)
    if isinstance(document, EInvoicedDocument) and document.has_xml:
        yield from _check(document, document.xml_path, document.xml_sha256, document.xml_size)


def _check(
    document: RenderedDocument, path: str, sha256: str, recorded_size: int | None
) -> Iterator[Finding]:
    storage = storages["documents"]
    if not storage.exists(path):
        yield difference(SUBJECT, document, path, "file", "missing", "on disk")
        return
    digest, size = hashlib.sha256(), 0
    with storage.open(path, "rb") as file:
        for chunk in file.chunks():
            digest.update(chunk)
            size += len(chunk)
    fields = {"sha256": (sha256, digest.hexdigest()), "size": (recorded_size, size)}
    yield from compare(SUBJECT, document, path, fields)
