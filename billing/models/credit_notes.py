"""Credit notes: what an issued invoice asked for and no longer does."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField, QuantityField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User

from .e_invoices import EInvoicedDocument, EInvoicedDocumentQuerySet
from .invoices import Charge, DocumentSeries, Invoice, InvoiceLine
from .tax import TaxCategory


class CreditNoteQuerySet(ScopedQuerySet["CreditNote"]):
    agency_path = "agency"
    client_path = "client"


class CreditNote(AppendOnlyModel):
    """Takes back an issued invoice, wholly or in part; or pays out credit that found no charge to
    be set off against (then it has no ``invoice``). Numbered when it is made; amounts are positive.

    ``total = to_due + to_balance``: what was still due is no longer, the rest is the client's.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="credit_notes")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="credit_notes")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="credit_notes"
    )
    series = models.ForeignKey(DocumentSeries, on_delete=models.PROTECT, related_name="+")
    sequence = models.PositiveIntegerField()
    number = models.CharField(max_length=40, unique=True)
    issued_at = models.DateTimeField()
    issue_date = models.DateField(help_text="In the platform's zone.")
    currency = CurrencyField()
    net = MoneyField()
    tax = MoneyField()
    total = MoneyField()
    to_due = MoneyField(help_text="No longer due on the invoice.")
    to_balance = MoneyField(help_text="Put on the client's balance.")
    reason = models.CharField(max_length=500)
    snapshot = models.JSONField()
    key = models.CharField(max_length=200, unique=True, help_text="What makes it this one.")
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = CreditNoteQuerySet.as_manager()

    class Meta:
        ordering = ("-issued_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("series", "sequence"), name="credit_note_number_once"),
            models.CheckConstraint(
                condition=models.Q(total__gt=0, to_due__gte=0, to_balance__gte=0),
                name="credit_note_positive",
            ),
            models.CheckConstraint(
                condition=models.Q(total=models.F("net") + models.F("tax"))
                & models.Q(total=models.F("to_due") + models.F("to_balance")),
                name="credit_note_adds_up",
            ),
        )

    def __str__(self) -> str:
        return self.number


class CreditNotePartQuerySet(ScopedQuerySet["CreditNoteLine"]):
    agency_path = "credit_note__agency"
    client_path = "credit_note__client"


class CreditNoteLine(AppendOnlyModel):
    """What is taken back of one line of the invoice, or of one charge that was on none."""

    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField()
    invoice_line = models.ForeignKey(
        InvoiceLine, on_delete=models.PROTECT, null=True, blank=True, related_name="credits"
    )
    charge = models.OneToOneField(
        Charge, on_delete=models.PROTECT, null=True, blank=True, related_name="credit_line"
    )
    description = models.CharField(max_length=300)
    quantity = QuantityField(null=True, blank=True, help_text="Empty: an amount, not a quantity.")
    net = MoneyField()
    currency = CurrencyField()
    tax_category = models.CharField(max_length=2, choices=TaxCategory.choices)
    tax_percent = QuantityField(default=0)
    tax_reason = models.CharField(max_length=200, blank=True)
    tax_reason_code = models.CharField(max_length=30, blank=True, default="")

    objects = CreditNotePartQuerySet.as_manager()

    class Meta:
        ordering = ("credit_note", "position")
        constraints = (
            models.UniqueConstraint(
                fields=("credit_note", "position"), name="credit_note_position_once"
            ),
            models.UniqueConstraint(
                fields=("credit_note", "invoice_line"), name="credit_note_line_once"
            ),
            models.CheckConstraint(
                condition=models.Q(invoice_line__isnull=False, charge__isnull=True)
                | models.Q(invoice_line__isnull=True, charge__isnull=False),
                name="credit_note_line_of_line_or_charge",
            ),
        )

    def __str__(self) -> str:
        return self.description


class CreditNoteTaxQuerySet(ScopedQuerySet["CreditNoteTax"]):
    agency_path = "credit_note__agency"
    client_path = "credit_note__client"


class CreditNoteTax(AppendOnlyModel):
    """Tax of one category and rate that is taken back."""

    credit_note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="taxes")
    category = models.CharField(max_length=2, choices=TaxCategory.choices)
    percent = QuantityField()
    reason = models.CharField(max_length=200, blank=True)
    reason_code = models.CharField(max_length=30, blank=True, default="")
    base = MoneyField()
    tax = MoneyField()
    currency = CurrencyField()

    objects = CreditNoteTaxQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("credit_note", "category", "percent"), name="credit_note_tax_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.category} {plain(self.percent)} %: {plain(self.tax)}"


class CreditNoteDocumentQuerySet(EInvoicedDocumentQuerySet["CreditNoteDocument"]):
    agency_path = "credit_note__agency"
    client_path = "credit_note__client"


class CreditNoteDocument(EInvoicedDocument):
    """The PDF of a credit note, and its e-invoice: what was sent, by their hashes."""

    credit_note = models.OneToOneField(
        CreditNote, on_delete=models.PROTECT, related_name="document"
    )

    objects = CreditNoteDocumentQuerySet.as_manager()

    class Meta(EInvoicedDocument.Meta):
        pass

    def __str__(self) -> str:
        return f"PDF of {self.credit_note}"
