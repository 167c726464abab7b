"""Invoices and the charges on them: previewed, read, sent again, paid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.timezone import localdate, now

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import display, money, told
from agencyportal.core.admin_dialogs import Dialog, link
from agencyportal.core.admin_documents import document_response, in_words, pdf_response
from agencyportal.core.admin_filters import ChoiceFilter
from agencyportal.core.documents import SnapshotError
from agencyportal.core.pdf import PdfError
from agencyportal.core.rendered import RenderedDocument
from billing.documents.invoice import render_invoice_pdf
from billing.models import (
    Charge,
    Invoice,
    InvoiceDocument,
    InvoiceTax,
    Payment,
    WriteOff,
)
from billing.refusals import RefusedError
from billing.services.document_files import (
    DamagedDocumentError,
    read_document,
    read_e_invoice,
)
from billing.services.invoicing import preview_invoice

from .accounting import ExportForm, export_books, may_export
from .dialogs import INVOICE_STATES
from .documents import RetryFilesOf, files_in_words
from .dunning import DIALOGS as DUNNING_DIALOGS
from .dunning import DunningEntryInline, dunning_in_words
from .invoice_dialogs import (
    UNPAID,
    CreditInvoice,
    RecordPayment,
    ResendInvoice,
    UseBalance,
    WriteOffInvoice,
)
from .invoice_lines import LineInline

# --- Lists -------------------------------------------------------------------------------------


class PaymentStateFilter(ChoiceFilter):
    title = "payment"
    parameter_name = "payment"
    questions = {
        "outstanding": ("Outstanding", "outstanding"),
        "overdue": ("Overdue", "overdue"),
    }

    def outstanding(self, invoices: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return invoices.filter(state__in=UNPAID)

    def overdue(self, invoices: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return overdue(invoices, localdate())


def overdue(invoices: models.QuerySet[Invoice], today: dt.date) -> models.QuerySet[Invoice]:
    """Invoices that should have been paid before ``today``."""
    return invoices.filter(state__in=UNPAID, due_date__lt=today)


@display(description="State", ordering="state", label=INVOICE_STATES)
def standing(invoice: Invoice) -> tuple[str, str]:
    """The state in words; overdue is what an open one is after its day."""
    if invoice.is_overdue(localdate()):
        return "overdue", "Overdue"
    return invoice.state, invoice.get_state_display()


class FileFilter(ChoiceFilter):
    title = "file"
    parameter_name = "file"
    questions = {"failed": ("Failed", "failed"), "waiting": ("Not made yet", "waiting")}

    def failed(self, invoices: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return invoices.filter(document__state=RenderedDocument.State.FAILED)

    def waiting(self, invoices: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return invoices.exclude(state=Invoice.State.DRAFT).exclude(
            document__state=RenderedDocument.State.RENDERED
        )


@told("Due", ordering="due_date")
def due(invoice: Invoice) -> str:
    return money(invoice.amount_due, invoice.currency) if invoice.state in UNPAID else "–"


@display(description="Number", ordering="number")
def number(invoice: Invoice) -> str:
    return invoice.number or "Draft"


@told("Files")
def file(invoice: Invoice) -> str:
    return files_in_words(getattr(invoice, "document", None))


@told("State")
def standing_words(invoice: Invoice) -> str:
    return standing(invoice)[1]


class TaxInline(ScopedInline):
    model = InvoiceTax
    fields = ("category", "percent", "base", "tax", "reason")
    verbose_name_plural = "tax"
    show_change_link = False


class PaymentInline(ScopedInline):
    model = Payment
    fields = ("received_at", "amount", "kept", "returned", "method", "reference", "recorded_by")
    verbose_name_plural = "payments"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("recorded_by", "invoice__client")


class WriteOffInline(ScopedInline):
    model = WriteOff
    fields = ("written_off_at", "amount", "reason", "written_off_by")
    verbose_name_plural = "given up"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("written_off_by")


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """What clients owe and owed. Issued by the schedule; what an invoice says never changes."""

    list_display = (
        number,
        "client",
        "agency",
        standing,
        "issue_date",
        "due_date",
        "total",
        due,
    )
    list_filter = ("state", PaymentStateFilter, FileFilter, "agency", "client", "currency")
    list_select_related = ("client", "agency")
    search_fields = ("number", "client__name", "client__legal_name", "client__slug")
    search_help_text = "A number, or a client's name"
    date_hierarchy = "issue_date"
    inlines = (LineInline, TaxInline, PaymentInline, DunningEntryInline, WriteOffInline)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (
        RecordPayment,
        UseBalance,
        ResendInvoice,
        CreditInvoice,
        *DUNNING_DIALOGS,
        WriteOffInvoice,
        RetryFilesOf,
    )
    fieldsets = (
        (None, {"fields": (("client", standing_words), ("issue_date", "due_date"), "bill_at")}),
        (
            "Amounts",
            {
                "fields": (
                    ("net", "tax", "total"),
                    ("amount_paid", "amount_credited"),
                    (due, "currency"),
                    dunning_in_words,
                )
            },
        ),
        ("Document", {"fields": (file,)}),
    )
    readonly_fields = (due, dunning_in_words, file, standing_words)
    list_before_template = "admin/accounting.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        form = ExportForm(auto_id="export_%s") if may_export(request) else None
        return super().changelist_view(request, {**(extra_context or {}), "export_form": form})

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("client", "agency").defer("snapshot")

    def more_urls(self) -> list[URLPattern]:
        def wrap(show: Callable[[HttpRequest, Invoice], HttpResponse]) -> Any:
            return self.admin_site.admin_view(self.reading(show))

        export = self.admin_site.admin_view(export_books)
        return [
            path("export/", export, name=self._url_name("export")),
            path("<path:object_id>/pdf/", wrap(self.show_pdf), name=self._url_name("pdf")),
            path("<path:object_id>/xml/", wrap(self.show_xml), name=self._url_name("xml")),
            path(
                "<path:object_id>/preview/", wrap(self.show_preview), name=self._url_name("preview")
            ),
        ]

    def links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        if obj.state == Invoice.State.DRAFT:
            return [link("Preview", "preview", self.url("preview", obj))]
        document = getattr(obj, "document", None)
        if document is None or document.state != RenderedDocument.State.RENDERED:
            return []
        pdf = link("PDF", "download", self.url("pdf", obj))
        if not document.has_xml:
            return [pdf]
        return [pdf, link("E-invoice (XML)", "data_object", self.url("xml", obj))]

    def show_pdf(self, request: HttpRequest, invoice: Invoice) -> HttpResponse:  # noqa: ARG002
        """The file of record, proved by its hash."""
        document = InvoiceDocument.objects.filter(invoice=invoice).rendered().first()
        return document_response(
            document, read_document, f"{invoice}.pdf", damaged=DamagedDocumentError
        )

    def show_xml(self, request: HttpRequest, invoice: Invoice) -> HttpResponse:  # noqa: ARG002
        """The e-invoice of record, proved like the PDF; 404 where there is none."""
        document = InvoiceDocument.objects.filter(invoice=invoice).with_xml().first()
        return document_response(
            document, read_e_invoice, f"{invoice}.xml", damaged=DamagedDocumentError
        )

    def show_preview(self, request: HttpRequest, invoice: Invoice) -> HttpResponse:  # noqa: ARG002
        """What the draft would say if it were issued now. Writes nothing."""
        try:
            snapshot = preview_invoice(invoice=invoice, now=now())
        except RefusedError as error:
            raise Http404(str(error)) from None
        try:
            content = render_invoice_pdf(snapshot)
        except (PdfError, SnapshotError) as error:
            return in_words(error)
        return pdf_response(content, f"preview-{invoice.pk}.pdf")


@display(description="Invoice", ordering="line__invoice__number")
def charge_invoice(charge: Charge) -> str:
    if line := getattr(charge, "line", None):
        return str(line.invoice)
    credited = getattr(charge, "credit_line", None)
    return str(credited.credit_note) if credited else "Waiting"


class BilledFilter(ChoiceFilter):
    title = "invoice"
    parameter_name = "billed"
    questions = {"waiting": ("On none yet", "waiting"), "billed": ("On an invoice", "billed")}

    def waiting(self, charges: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return charges.filter(line=None, credit_line=None)

    def billed(self, charges: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return charges.exclude(line=None, credit_line=None)


@admin.register(Charge)
class ChargeAdmin(ReadOnlyAdmin):
    """Amounts owed, each with what caused it; on exactly one invoice once it is billed."""

    list_display = ("description", "workspace", "kind", "amount", "bill_at", charge_invoice)
    list_filter = ("kind", BilledFilter, "client", "workspace", "collected_by")
    list_select_related = ("workspace", "line__invoice__client", "credit_line__credit_note")
    search_fields = ("description", "client__name", "workspace__slug", "line__invoice__number")
    date_hierarchy = "bill_at"
    ordering = ("-bill_at", "-pk")
    fields = (
        ("client", "workspace"),
        "period",
        ("kind", "description"),
        ("unit", "quantity"),
        "unit_amount",
        ("amount", "currency"),
        "collected_by",
        ("bill_at", charge_invoice),
        "margin_rule",
        "details",
    )
    readonly_fields = (charge_invoice,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ("client", "workspace", "period__workspace", "unit", "margin_rule")
        return (
            super()
            .get_queryset(request)
            .select_related(*related, "line__invoice__client", "credit_line__credit_note")
        )
