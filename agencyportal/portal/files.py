"""Files of record for the client: the very bytes that were issued, or a page that says why not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header

from agencyportal.core.rendered import RenderedDocument
from agencyportal.portal.visits import Visit, show
from billing.services.document_files import (
    DamagedDocumentError,
    read_document,
    read_e_invoice,
)

SECTION = "invoices"
UNAVAILABLE = 503
_logger = logging.getLogger(__name__)


class FileKind(NamedTuple):
    """One of the files that a document has: how it is called, and read."""

    suffix: str
    content_type: str
    read: Callable[[Any], bytes]


PDF: Final = FileKind("pdf", "application/pdf", read_document)
XML: Final = FileKind("xml", "application/xml", read_e_invoice)


def file_of(
    request: HttpRequest,
    visit: Visit,
    document: RenderedDocument | None,
    *,
    number: str,
    title: str,
    page: str,
    again: str,
    kind: FileKind = PDF,
) -> HttpResponse:
    """A file of a document, proved by its hash, to be saved and never shown: no file may act as a
    page of ours.

    ``number`` names the file, ``title`` the document; ``page`` is where it can be read without the
    file, ``again`` this very address.
    """
    why = ""
    content = b""
    if document is None or document.state != RenderedDocument.State.RENDERED:
        failed = document is not None and document.state == RenderedDocument.State.FAILED
        why = "failed" if failed else "pending"
    else:
        try:
            content = kind.read(document)
        except DamagedDocumentError:
            _logger.exception("%s cannot be served", number)
            why = "damaged"
    if why:
        context = {"number": number, "title": title, "page_url": page, "again": again, "why": why}
        response = show(
            request, visit, "portal/no_file.html", context, section=SECTION, status=UNAVAILABLE
        )
        if why == "pending":
            response["Retry-After"] = "30"
        return response
    response = HttpResponse(content, content_type=kind.content_type)
    response["Content-Disposition"] = content_disposition_header(
        as_attachment=True, filename=f"{number}.{kind.suffix}"
    )
    response["X-Content-Type-Options"] = "nosniff"
    return response
