"""Charges, and the invoices they are printed on."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField, QuantityField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet, platform_row
from clients.models import Agency, Client, UsageUnit, Workspace

from .e_invoices import EInvoicedDocument, EInvoicedDocumentQuerySet
from .margins import MarginRule
from .orders import TopUpOrder
from .plans import CollectedBy
from .subscriptions import BillingPeriod
from .tax import TaxCategory


class LineKind(models.TextChoices):
    """What a charge is for; the kinds of the scenario document."""

    IMPLEMENTATION = "implementation", "Implementation"
    BASE = "base", "Base package"
    SUPPORT = "support", "Support"
    TOP_UP = "top_up", "Top-up"
    OVERAGE = "overage", "Usage beyond the allowance"
    MINIMUM = "minimum", "Minimum commitment"
    CREDIT = "credit", "Credit"
    DISCOUNT = "discount", "Discount"
    LATE_USAGE = "late_usage", "Late usage"


class ChargeQuerySet(ScopedQuerySet["Charge"]):
    agency_path = "agency"
    client_path = "client"

    def waiting(self) -> ChargeQuerySet:
        """Charges on no invoice yet."""
        return self.filter(line=None, void=None, credit_line=None)

    def standing(self) -> ChargeQuerySet:
        """Charges that were not taken back before they were invoiced."""
        return self.filter(void=None)


class Charge(AppendOnlyModel):
    """One amount owed, with what caused it. Made once (``key``), put on exactly one invoice.

    ``bill_at`` is the instant whose invoice it belongs on: the end of the period for usage, the
    start for fees in advance, so that January's usage and February's fee meet on one invoice.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="charges")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="charges")
    unit = models.ForeignKey(
        UsageUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(max_length=20, choices=LineKind.choices)
    description = models.CharField(max_length=300)
    quantity = QuantityField(default=1)
    unit_amount = models.CharField(
        max_length=40, blank=True, help_text="Price of one as a decimal string, if there is one."
    )
    amount = MoneyField(help_text="Net, rounded to the currency's digits.")
    currency = CurrencyField()
    collected_by = models.CharField(
        max_length=10, choices=CollectedBy.choices, default=CollectedBy.PLATFORM
    )
    margin_rule = models.ForeignKey(
        MarginRule, on_delete=models.PROTECT, null=True, blank=True, related_name="charges"
    )
    details = models.JSONField(default=dict, blank=True, help_text="How the amount came about.")
    bill_at = models.DateTimeField()
    key = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = ChargeQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=("client", "bill_at"), name="charge_by_bill_at"),)

    def __str__(self) -> str:
        return f"{self.description}: {plain(self.amount)} {self.currency}"


@platform_row("the platform numbers its documents in one series for all agencies")
class DocumentSeries(models.Model):
    """A gapless run of numbers. ``next_number`` moves under a row lock, in the issuing transaction.

    A platform row: the platform issues invoices to every agency's clients in one series.
    """

    code = models.CharField(
        max_length=60, unique=True, help_text="Issuer, document type and year: invoice-2026."
    )
    prefix = models.CharField(max_length=20, help_text="Printed before the number.")
    next_number = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name_plural = "document series"

    def __str__(self) -> str:
        return self.code


class InvoiceQuerySet(ScopedQuerySet["Invoice"]):
    agency_path = "agency"
    client_path = "client"

    def issued(self) -> InvoiceQuerySet:
        return self.exclude(state=Invoice.State.DRAFT)

    def outstanding(self) -> InvoiceQuerySet:
        return self.filter(state__in=(Invoice.State.ISSUED, Invoice.State.PARTIALLY_PAID))

    def overdue(self, today: dt.date) -> InvoiceQuerySet:
        """Those that should have been paid before ``today``."""
        return self.outstanding().filter(due_date__lt=today)


class Invoice(AppendOnlyModel):
    """What a client owes for what became due at ``bill_at``. Issued, it says so for ever.

    After issue only ``state``, ``amount_paid`` and ``amount_credited`` move, by its movements;
    everything printed is in ``snapshot``. ``total = amount_paid + amount_credited + amount_due``.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ISSUED = "issued", "Issued"
        PARTIALLY_PAID = "partially_paid", "Partially paid"
        PAID = "paid", "Paid"
        VOID = "void", "Void"
        UNCOLLECTIBLE = "uncollectible", "Uncollectible"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="invoices")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="invoices")
    state = models.CharField(max_length=15, choices=State.choices, default=State.DRAFT)
    currency = CurrencyField()
    bill_at = models.DateTimeField(help_text="The period end (or activation) it bills.")
    order = models.OneToOneField(
        TopUpOrder,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoice",
        help_text="The paid order that it is for; empty: it bills what became due.",
    )
    series = models.ForeignKey(
        DocumentSeries, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    sequence = models.PositiveIntegerField(null=True, blank=True)
    number = models.CharField(max_length=40, null=True, blank=True, unique=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    issue_date = models.DateField(null=True, blank=True, help_text="In the platform's zone.")
    due_date = models.DateField(null=True, blank=True)
    net = MoneyField(default=0)
    tax = MoneyField(default=0)
    total = MoneyField(default=0)
    amount_paid = MoneyField(default=0, help_text="What was paid and stayed.")
    amount_credited = MoneyField(default=0, help_text="Sum of its credit notes.")
    snapshot = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        ordering = ("-bill_at", "client")
        constraints = (
            models.UniqueConstraint(
                fields=("client", "currency", "bill_at"),
                condition=models.Q(order__isnull=True),
                name="invoice_once_per_period_end",
            ),
            models.UniqueConstraint(fields=("series", "sequence"), name="invoice_number_once"),
            models.CheckConstraint(
                condition=models.Q(state="draft", number__isnull=True, issued_at__isnull=True)
                | (
                    ~models.Q(state="draft")
                    & models.Q(
                        number__isnull=False,
                        issued_at__isnull=False,
                        snapshot__isnull=False,
                        sequence__isnull=False,
                    )
                ),
                name="invoice_numbered_when_issued",
            ),
            models.CheckConstraint(
                condition=models.Q(amount_paid__gte=0), name="invoice_paid_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(amount_paid=0, amount_credited=0)
                | models.Q(
                    amount_credited__gte=0,
                    total__gte=models.F("amount_paid") + models.F("amount_credited"),
                ),
                name="invoice_due_not_negative",
            ),
        )

    def __str__(self) -> str:
        return self.number or f"Draft for {self.client} at {self.bill_at:%Y-%m-%d}"

    @property
    def amount_due(self) -> Decimal:
        return self.total - self.amount_paid - self.amount_credited

    @property
    def asked_for_from(self) -> dt.date | None:
        """The day that dunning counts from: the due date; of one that was paid when it was issued,
        and is due since its payment did not stay, that day."""
        return self.due_date or self.issue_date

    def is_overdue(self, today: dt.date) -> bool:
        return (
            self.state in (self.State.ISSUED, self.State.PARTIALLY_PAID)
            and self.due_date is not None
            and self.due_date < today
        )


def _within(part: str, whole: str) -> models.Q:
    """From nothing to all of it, whatever its sign."""
    of = models.F(whole)
    return models.Q(**{f"{part}__gte": 0, f"{part}__lte": of}) | models.Q(
        **{f"{part}__lte": 0, f"{part}__gte": of}
    )


class InvoicePartQuerySet(ScopedQuerySet["InvoiceLine"]):
    agency_path = "invoice__agency"
    client_path = "invoice__client"


class InvoiceLine(AppendOnlyModel):
    """A charge as printed, with its tax."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    charge = models.OneToOneField(Charge, on_delete=models.PROTECT, related_name="line")
    position = models.PositiveIntegerField()
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    unit = models.ForeignKey(
        UsageUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(max_length=20, choices=LineKind.choices)
    description = models.CharField(max_length=300)
    quantity = QuantityField()
    unit_amount = models.CharField(max_length=40, blank=True)
    net = MoneyField()
    credited = MoneyField(default=0, help_text="What credit notes took back of it.")
    currency = CurrencyField()
    collected_by = models.CharField(max_length=10, choices=CollectedBy.choices)
    tax_category = models.CharField(max_length=2, choices=TaxCategory.choices)
    tax_percent = QuantityField(default=0)
    tax_reason = models.CharField(max_length=200, blank=True)
    tax_reason_code = models.CharField(max_length=30, blank=True, default="")

    objects = InvoicePartQuerySet.as_manager()

    class Meta:
        ordering = ("invoice", "position")
        constraints = (
            models.UniqueConstraint(fields=("invoice", "position"), name="line_position_once"),
            models.CheckConstraint(
                condition=_within("credited", "net"), name="line_credited_is_a_part"
            ),
        )

    def __str__(self) -> str:
        return self.description


class InvoiceTaxQuerySet(ScopedQuerySet["InvoiceTax"]):
    agency_path = "invoice__agency"
    client_path = "invoice__client"


class InvoiceTax(AppendOnlyModel):
    """Tax of one category and rate, calculated once on the sum of its lines (EN 16931)."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="taxes")
    category = models.CharField(max_length=2, choices=TaxCategory.choices)
    percent = QuantityField()
    reason = models.CharField(max_length=200, blank=True)
    reason_code = models.CharField(max_length=30, blank=True, default="")
    base = MoneyField()
    tax = MoneyField()
    credited_base = MoneyField(default=0, help_text="What credit notes took back of it.")
    credited_tax = MoneyField(default=0, help_text="What credit notes took back of it.")
    currency = CurrencyField()

    objects = InvoiceTaxQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("invoice", "category", "percent"), name="invoice_tax_once"
            ),
            models.CheckConstraint(
                condition=_within("credited_base", "base") & _within("credited_tax", "tax"),
                name="invoice_tax_credited_is_a_part",
            ),
        )

    def __str__(self) -> str:
        return f"{self.category} {plain(self.percent)} %: {plain(self.tax)}"


class InvoiceDocumentQuerySet(EInvoicedDocumentQuerySet["InvoiceDocument"]):
    agency_path = "invoice__agency"
    client_path = "invoice__client"


class InvoiceDocument(EInvoicedDocument):
    """The PDF of an issued invoice, and its e-invoice: what was sent, by their hashes."""

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="document")

    objects = InvoiceDocumentQuerySet.as_manager()

    class Meta(EInvoicedDocument.Meta):
        pass

    def __str__(self) -> str:
        return f"PDF of {self.invoice}"
