"""Money received."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User

from .invoices import Invoice


class PaymentQuerySet(ScopedQuerySet["Payment"]):
    agency_path = "agency"
    client_path = "client"


class Payment(AppendOnlyModel):
    """One receipt of money for one invoice."""

    class Method(models.TextChoices):
        BANK_TRANSFER = "bank_transfer", "Bank transfer"
        CARD = "card", "Card"
        OTHER = "other", "Other"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="payments")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="payments")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")
    amount = MoneyField()
    currency = CurrencyField()
    method = models.CharField(max_length=20, choices=Method.choices)
    reference = models.CharField(max_length=200, help_text="As on the bank statement.")
    received_at = models.DateTimeField()
    recorded_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    key = models.CharField(max_length=200, unique=True, help_text="What makes it this payment.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ("received_at", "pk")
        constraints = (
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="payment_positive"),
        )

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency} for {self.invoice}"
