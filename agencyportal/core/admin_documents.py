"""Serving documents of record from the admin: from the row, through its check, to who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.http import Http404, HttpResponse
from django.utils.http import content_disposition_header

from agencyportal.core.rendered import RenderedDocument

_D = TypeVar("_D", bound=RenderedDocument)


def document_response(
    document: _D | None,
    read: Callable[[_D], bytes],
    name: str,
    *,
    damaged: type[Exception],
) -> HttpResponse:
    """The file of ``document``, as ``read`` proves it.

    404 while there is none; 500 in words where the stored file is not the one that was recorded.
    """
    if document is None:
        raise Http404("The document is not made yet.")
    try:
        content = read(document)
    except damaged as error:
        return in_words(error)
    return xml_response(content, name) if name.endswith(".xml") else pdf_response(content, name)


def in_words(error: Exception) -> HttpResponse:
    """Why there is no document to look at."""
    return HttpResponse(
        f"This document cannot be shown. {error}", status=500, content_type="text/plain"
    )


def pdf_response(content: bytes, name: str) -> HttpResponse:
    """A PDF to look at in the browser; saved, it has ``name``."""
    return _response(content, name, "application/pdf", as_attachment=False)


def xml_response(content: bytes, name: str) -> HttpResponse:
    """XML to save, never to be shown by the browser, where it could act as a page of ours."""
    return _response(content, name, "application/xml", as_attachment=True)


def _response(content: bytes, name: str, kind: str, *, as_attachment: bool) -> HttpResponse:
    disposition = content_disposition_header(as_attachment=as_attachment, filename=name)
    return HttpResponse(
        content,
        content_type=kind,
        headers={
            "Content-Disposition": disposition or "attachment",
            "Cache-Control": "private, no-store",
        },
    )


def words_about(document: RenderedDocument | None) -> str:
    """Where a document's file is, in a sentence."""
    if document is None:
        return "None: it is a draft."
    if document.state == RenderedDocument.State.RENDERED:
        return f"Made {document.rendered_at:%Y-%m-%d %H:%M} UTC, SHA-256 {document.sha256[:16]}…"
    if document.state == RenderedDocument.State.FAILED:
        return f"Failed after {document.attempts} attempts: {document.error}"
    return "Is being made; look again in a minute."
