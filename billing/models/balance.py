"""Money of a client that lies with the platform."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User

from .credit_notes import CreditNote
from .payments import Payment, PaymentReversal
from .refunds import Refund


class ClientBalanceQuerySet(ScopedQuerySet["ClientBalance"]):
    agency_path = "agency"
    client_path = "client"


class ClientBalance(models.Model):
    """What is a client's in one currency: the sum of its entries, never negative. Locked by
    whoever adds an entry."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="balances")
    currency = CurrencyField()
    amount = MoneyField(default=0, help_text="Sum of its entries.")

    objects = ClientBalanceQuerySet.as_manager()

    class Meta:
        ordering = ("client", "currency")
        constraints = (
            models.UniqueConstraint(fields=("client", "currency"), name="client_balance_once"),
            models.CheckConstraint(
                condition=models.Q(amount__gte=0), name="client_balance_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"{self.client}: {plain(self.amount)} {self.currency}"


class BalanceEntryQuerySet(ScopedQuerySet["BalanceEntry"]):
    agency_path = "agency"
    client_path = "client"


class BalanceEntry(AppendOnlyModel):
    """One change of a client's balance, with what caused it. Made once (``key``)."""

    class Kind(models.TextChoices):
        OVERPAYMENT = "overpayment", "Paid more than was due"
        CREDIT_NOTE = "credit_note", "Credit note"
        APPLIED = "applied", "Used for an invoice"
        REFUND = "refund", "Paid back"
        REFUND_FAILED = "refund_failed", "Paying back failed"
        REVERSAL = "reversal", "A payment did not stay"
        ADJUSTMENT = "adjustment", "Adjustment"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    balance = models.ForeignKey(ClientBalance, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=15, choices=Kind.choices)
    amount = MoneyField(help_text="Signed: positive where the client gets more.")
    currency = CurrencyField()
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="balance_entries"
    )
    reversal = models.ForeignKey(
        PaymentReversal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    credit_note = models.ForeignKey(
        CreditNote, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    refund = models.ForeignKey(
        Refund, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    key = models.CharField(max_length=200, unique=True, help_text="What caused it, once.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = BalanceEntryQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        verbose_name_plural = "balance entries"
        constraints = (
            models.CheckConstraint(condition=~models.Q(amount=0), name="balance_entry_not_zero"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {plain(self.amount)} {self.currency}"
