"""Credit notes: read, and their files looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline, extend
from agencyportal.core.admin_columns import money, told
from agencyportal.core.admin_dialogs import DialogForm, link
from agencyportal.core.admin_documents import document_response
from agencyportal.core.powers import Power
from agencyportal.core.rendered import RenderedDocument
from billing.models import (
    Charge,
    CreditNote,
    CreditNoteDocument,
    CreditNoteLine,
    CreditNoteTax,
    Invoice,
)
from billing.services.document_files import (
    DamagedDocumentError,
    read_document,
    read_e_invoice,
)
from billing.services.waiting_credit import credit_waiting_charges, waiting_credit
from clients.models import Client

from .dialogs import BillingDialog, ReasonForm
from .documents import RetryFilesOf, files_in_words


class LineInline(ScopedInline):
    model = CreditNoteLine
    fields = ("position", "description", "quantity", "net", "tax_percent")
    verbose_name_plural = "lines"
    show_change_link = False
    per_page = 50


class TaxInline(ScopedInline):
    model = CreditNoteTax
    fields = ("category", "percent", "base", "tax", "reason")
    verbose_name_plural = "tax"
    show_change_link = False


@told("PDF")
def file(note: CreditNote) -> str:
    return files_in_words(getattr(note, "document", None))


@admin.register(CreditNote)
class CreditNoteAdmin(ReadOnlyAdmin):
    """What was taken back of invoices. What a credit note says never changes."""

    list_display = (
        "number",
        "client",
        "agency",
        "invoice",
        "issue_date",
        "total",
        "to_due",
        "to_balance",
    )
    list_filter = ("agency", "client", "currency")
    list_select_related = ("client", "agency", "invoice__client")
    search_fields = ("number", "invoice__number", "client__name", "reason")
    date_hierarchy = "issue_date"
    inlines = (LineInline, TaxInline)
    dialogs = (RetryFilesOf,)
    fieldsets = (
        (None, {"fields": (("client", "invoice"), ("issue_date", "created_by"), "reason")}),
        ("Amounts", {"fields": (("net", "tax", "total"), ("to_due", "to_balance", "currency"))}),
        ("Document", {"fields": (file,)}),
    )
    readonly_fields = (file,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = (*self.list_select_related, "created_by")
        return super().get_queryset(request).select_related(*related).defer("snapshot")

    def more_urls(self) -> list[URLPattern]:
        def wrap(show: Callable[[HttpRequest, CreditNote], HttpResponse]) -> Any:
            return self.admin_site.admin_view(self.reading(show))

        return [
            path("<path:object_id>/pdf/", wrap(self.show_pdf), name=self._url_name("pdf")),
            path("<path:object_id>/xml/", wrap(self.show_xml), name=self._url_name("xml")),
        ]

    def links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        document = getattr(obj, "document", None)
        if document is None or document.state != RenderedDocument.State.RENDERED:
            return []
        pdf = link("PDF", "download", self.url("pdf", obj))
        if not document.has_xml:
            return [pdf]
        return [pdf, link("E-invoice (XML)", "data_object", self.url("xml", obj))]

    def show_pdf(self, request: HttpRequest, note: CreditNote) -> HttpResponse:  # noqa: ARG002
        """The file of record, proved by its hash."""
        document = CreditNoteDocument.objects.filter(
            credit_note=note, state=RenderedDocument.State.RENDERED
        ).first()
        return document_response(
            document, read_document, f"{note}.pdf", damaged=DamagedDocumentError
        )

    def show_xml(self, request: HttpRequest, note: CreditNote) -> HttpResponse:  # noqa: ARG002
        """The e-invoice of record, proved like the PDF; 404 where there is none."""
        document = CreditNoteDocument.objects.filter(credit_note=note).with_xml().first()
        return document_response(
            document, read_e_invoice, f"{note}.xml", damaged=DamagedDocumentError
        )


class OfInvoiceInline(ScopedInline):
    model = CreditNote
    fields = ("number", "issue_date", "total", "to_due", "to_balance", "reason")
    verbose_name_plural = "credit notes"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("client").defer("snapshot")


class WaitingCreditForm(ReasonForm):
    currency = forms.ChoiceField()


class CreditWaiting(BillingDialog):
    """Credit that finds no charge to be set off against becomes the client's balance."""

    slug = "credit-waiting"
    title = "Pay out waiting credit"
    icon = "assignment_return"
    submit = "Issue the credit note"
    power = Power.MONEY
    form_class: ClassVar[type[DialogForm]] = WaitingCreditForm

    def is_offered(self) -> bool:
        return bool(self._credits())

    def why_not(self) -> str:
        if self.request.method == "GET" and not self._credits():
            return "No credit waits: whatever is to be invoiced comes to nothing or more."
        return ""

    def explanation(self) -> str:
        return (
            "What waits to be invoiced comes to less than nothing, and there may be nothing to set "
            "it off against. A credit note puts it on the client's balance."
        )

    def form(self, data: Any = None) -> DialogForm:
        form = WaitingCreditForm(data)
        widget = form.fields["currency"].widget
        choices = [(currency, currency) for currency in self._credits()]
        form.fields["currency"] = forms.ChoiceField(choices=choices, widget=widget)
        return form

    def preview(self, form: DialogForm) -> list[tuple[str, str]]:
        currency = form.cleaned_data["currency"]
        waiting = waiting_credit(client=self.row, currency=currency, now=self.now)
        if waiting is None:
            return []
        made = waiting.document
        return [
            ("Charges and credits", str(len(waiting.charges))),
            ("Net", money(made.net, currency)),
            ("Tax", money(made.tax, currency)),
            ("Put on the client's balance", money(made.gross, currency)),
        ]

    def act(self, form: DialogForm) -> str:
        note = credit_waiting_charges(
            client=self.row,
            currency=form.cleaned_data["currency"],
            reason=form.cleaned_data["reason"],
            created_by=self.user,
            now=self.now,
            key=self.key(form),
        )
        return f"Credit note {note.number} over {money(note.total, note.currency)} was issued."

    def _credits(self) -> list[str]:
        """Currencies in which credit waits."""
        due = Charge.objects.waiting().filter(client=self.row, bill_at__lte=self.now)
        currencies = due.order_by("currency").values_list("currency", flat=True).distinct()
        return [
            currency
            for currency in currencies
            if waiting_credit(client=self.row, currency=currency, now=self.now)
        ]


extend(Invoice, inlines=(OfInvoiceInline,))
extend(Client, dialogs=(CreditWaiting,))
