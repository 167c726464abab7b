"""Files of a document that programs read too: the PDF and, beside it, the e-invoice as XML."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Self, TypeVar

from django.db import models

from agencyportal.core.rendered import RenderedDocument, RenderedDocumentQuerySet

_D = TypeVar("_D", bound="EInvoicedDocument", covariant=True)


class EInvoicedDocument(RenderedDocument):
    """The PDF of an invoice or credit note, and the XML that is inside it, kept beside it as well.

    Both are made in one go. Where the norm asks for what the document does not have, there is a PDF
    alone and ``xml_gaps`` says what is missing. A row from before e-invoices has neither.
    """

    xml_sha256 = models.CharField("SHA-256 of the XML", max_length=64, blank=True)
    xml_size = models.PositiveBigIntegerField(
        "size of the XML", null=True, blank=True, help_text="Bytes."
    )
    xml_gaps = models.TextField(
        "no e-invoice because", blank=True, help_text="What EN 16931 asks for and it does not have."
    )

    class Meta(RenderedDocument.Meta):
        abstract = True

    @property
    def xml_path(self) -> str:
        """Beside the PDF, under the same name: a name in the ``documents`` storage."""
        return str(PurePosixPath(self.path).with_suffix(".xml")) if self.path else ""

    @property
    def has_xml(self) -> bool:
        return self.state == self.State.RENDERED and bool(self.xml_sha256)


class EInvoicedDocumentQuerySet(RenderedDocumentQuerySet[_D]):
    """Adds which files there are; a concrete model adds the paths to its agency and client."""

    def with_xml(self) -> Self:
        """Made, with an e-invoice that may be served."""
        return self.rendered().exclude(xml_sha256="")
