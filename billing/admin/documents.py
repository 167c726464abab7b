"""The files of issued invoices: what was made, what failed and why, and another try."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import state, told
from agencyportal.core.admin_dialogs import DialogForm
from agencyportal.core.admin_documents import words_about
from agencyportal.core.powers import Power
from agencyportal.core.rendered import RenderedDocument
from billing.models import EInvoicedDocument, InvoiceDocument
from billing.services.rendering import try_again

from .dialogs import BillingDialog

STATES = {"pending": "warning", "rendering": "info", "rendered": "success", "failed": "danger"}


def files_in_words(document: EInvoicedDocument | None) -> str:
    """Where a document's files are, and why there is no e-invoice if there is none."""
    words = words_about(document)
    if document is not None and document.xml_gaps:
        return f"{words} No e-invoice: {document.xml_gaps}"
    return words


class RetryFiles(BillingDialog):
    """The files of a document that failed are made again, with all attempts."""

    slug = "retry"
    title = "Make the files again"
    icon = "refresh"
    submit = "Try again"
    power = Power.MONEY

    def document(self) -> Any:
        """The row whose files failed."""
        return self.row

    def is_offered(self) -> bool:
        document = self.document()
        return document is not None and document.state == RenderedDocument.State.FAILED

    def why_not(self) -> str:
        return "" if self.is_offered() else "Nothing has failed here."

    def facts(self) -> list[tuple[str, str]]:
        document = self.document()
        return [("Attempts so far", str(document.attempts)), ("The last one", document.error)]

    def explanation(self) -> str:
        return (
            "The next run makes the PDF and the e-invoice from what the document says. "
            "See to the reason first."
        )

    def act(self, form: DialogForm) -> str:  # noqa: ARG002 - the state makes it happen once
        document = self.document()
        try_again(document)
        return f"{document} is made again with the next run."


class RetryFilesOf(RetryFiles):
    """The same, from the page of the invoice or credit note."""

    def document(self) -> Any:
        return getattr(self.row, "document", None)


@told("E-invoice")
def e_invoice(document: EInvoicedDocument) -> str:
    if document.has_xml:
        return "Yes"
    return document.xml_gaps or "–"


@admin.register(InvoiceDocument)
class InvoiceDocumentAdmin(ReadOnlyAdmin):
    """The PDFs and e-invoices of issued invoices: made by the schedule, proved by their hashes."""

    list_display = (
        "invoice",
        state("state", STATES),
        "size",
        e_invoice,
        "attempts",
        "rendered_at",
        "error",
    )
    list_filter = ("state",)
    list_select_related = ("invoice__client",)
    search_fields = ("invoice__number", "invoice__client__name")
    dialogs = (RetryFiles,)
    fields = (
        ("invoice", "state"),
        ("path", "size"),
        "sha256",
        ("xml_size", "xml_sha256"),
        "xml_gaps",
        ("attempts", "claimed_at"),
        "rendered_at",
        "error",
    )
