"""Money received, and money received that did not stay."""

from __future__ import annotations

from decimal import Decimal

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
    """One receipt of money for one invoice.

    What is more than was due is ``kept`` as the client's balance. ``returned`` moves: how much of
    it bounced, was refunded or is on its way back.
    """

    class Method(models.TextChoices):
        BANK_TRANSFER = "bank_transfer", "Bank transfer"
        CARD = "card", "Card"
        DIRECT_DEBIT = "direct_debit", "Direct debit"
        BALANCE = "balance", "Client balance"
        OTHER = "other", "Other"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="payments")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="payments")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="payments")
    amount = MoneyField()
    kept = MoneyField(default=0, help_text="More than was due: kept as the client's balance.")
    returned = MoneyField(default=0, help_text="Bounced, refunded, or on its way back.")
    currency = CurrencyField()
    method = models.CharField(max_length=20, choices=Method.choices)
    reference = models.CharField(max_length=200, help_text="As on the bank statement.")
    provider_id = models.CharField(
        max_length=200, blank=True, help_text="What whoever collected it calls it."
    )
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
            models.CheckConstraint(
                condition=models.Q(kept__gte=0, kept__lte=models.F("amount")),
                name="payment_kept_is_a_part",
            ),
            models.CheckConstraint(
                condition=models.Q(returned__gte=0, returned__lte=models.F("amount")),
                name="payment_returned_is_a_part",
            ),
            models.UniqueConstraint(
                fields=("provider_id",),
                condition=~models.Q(provider_id=""),
                name="payment_provider_id_once",
            ),
        )

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency} for {self.invoice}"

    @property
    def applied(self) -> Decimal:
        """What it settled of its invoice when it was recorded."""
        return self.amount - self.kept

    @property
    def returnable(self) -> Decimal:
        """What of it has not gone back and is not on its way."""
        return self.amount - self.returned


class PaymentReversalQuerySet(ScopedQuerySet["PaymentReversal"]):
    agency_path = "agency"
    client_path = "client"


class PaymentReversal(AppendOnlyModel):
    """Money of a payment that did not stay: ``amount = off_invoice + off_balance + shortfall``.

    ``shortfall`` is what the client had already got back or used elsewhere: a claim that is
    followed up by hand.
    """

    class Cause(models.TextChoices):
        BOUNCED = "bounced", "Returned by the bank"
        DISPUTE = "dispute", "Dispute lost"
        REFUND = "refund", "Refunded outside the portal"
        MISTAKE = "mistake", "Recorded by mistake"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="reversals")
    cause = models.CharField(max_length=10, choices=Cause.choices)
    amount = MoneyField()
    off_invoice = MoneyField(help_text="Due again on the invoice.")
    off_balance = MoneyField(help_text="Taken from the client's balance.")
    shortfall = MoneyField(help_text="No longer there to be taken: to be claimed by hand.")
    currency = CurrencyField()
    reason = models.CharField(max_length=500)
    reversed_at = models.DateTimeField()
    recorded_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    key = models.CharField(max_length=200, unique=True, help_text="What makes it this reversal.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = PaymentReversalQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(
                    amount__gt=0, off_invoice__gte=0, off_balance__gte=0, shortfall__gte=0
                ),
                name="reversal_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    amount=models.F("off_invoice") + models.F("off_balance") + models.F("shortfall")
                ),
                name="reversal_adds_up",
            ),
        )

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency} of {self.payment}, returned"
