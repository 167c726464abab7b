"""What an agency gained or lost, one append-only row per cause."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from billing.models import (
    BillingPeriod,
    CreditNoteLine,
    InvoiceLine,
    InvoiceMovement,
    LateSettlement,
    Payment,
)
from clients.models import Agency, Client, UsageUnit, Workspace


class EarningQuerySet(ScopedQuerySet["Earning"]):
    agency_path = "agency"

    def unpaid(self) -> EarningQuerySet:
        """Earnings in no payout yet."""
        return self.filter(item=None)


class Earning(AppendOnlyModel):
    """One amount, positive when the agency gains. ``key`` names its cause, once."""

    class Kind(models.TextChoices):
        REVENUE = "revenue", "Revenue collected"
        ROUTED_COST = "routed_cost", "Routed cost"
        PLATFORM_FEE = "platform_fee", "Platform fee"
        REFUND = "refund", "Refunds and credit notes"
        DISPUTE = "dispute", "Disputes"
        RESERVE = "reserve", "Reserve for disputes"
        ADJUSTMENT = "adjustment", "Adjustment"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="earnings")
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    unit = models.ForeignKey(
        UsageUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    amount = MoneyField(help_text="Signed, rounded to the currency's digits.")
    currency = CurrencyField()
    occurred_at = models.DateTimeField(help_text="Decides the payout month.")
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="earnings"
    )
    movement = models.ForeignKey(
        InvoiceMovement,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="earnings",
        help_text="What happened to the invoice, where it was no payment.",
    )
    credit_line = models.ForeignKey(
        CreditNoteLine,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="earnings",
        help_text="Of a credit note over what was on no invoice.",
    )
    invoice_line = models.ForeignKey(
        InvoiceLine, on_delete=models.PROTECT, null=True, blank=True, related_name="earnings"
    )
    period = models.ForeignKey(
        BillingPeriod, on_delete=models.PROTECT, null=True, blank=True, related_name="earnings"
    )
    late_settlement = models.ForeignKey(
        LateSettlement,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="earnings",
        help_text="The late usage of a closed period that cost it.",
    )
    description = models.CharField(max_length=300)
    key = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = EarningQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=("agency", "currency", "occurred_at"), name="earning_by_month"),
        )

    def __str__(self) -> str:
        return f"{self.description}: {plain(self.amount)} {self.currency}"
