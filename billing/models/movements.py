"""What happened to an issued invoice, in the order in which it happened."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import User

from .credit_notes import CreditNote
from .invoices import Invoice
from .payments import Payment, PaymentReversal
from .refunds import Dispute


class InvoicePartsQuerySet(ScopedQuerySet["InvoiceMovement"]):
    agency_path = "invoice__agency"
    client_path = "invoice__client"


class InvoiceMovement(AppendOnlyModel):
    """One change of what is paid, credited or disputed of an invoice, with its one cause.

    Numbered within the invoice, under its lock: so the order is kept, and the sums are the
    invoice's ``amount_paid`` and ``amount_credited``.
    """

    class Kind(models.TextChoices):
        PAYMENT = "payment", "Payment"
        REVERSAL = "reversal", "Payment returned"
        CREDIT_NOTE = "credit_note", "Credit note"
        DISPUTE_OPENED = "dispute_opened", "Dispute opened"
        DISPUTE_WON = "dispute_won", "Dispute won"
        DISPUTE_LOST = "dispute_lost", "Dispute lost"

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="movements")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=15, choices=Kind.choices)
    paid = MoneyField(default=0, help_text="Change of what is paid.")
    credited = MoneyField(default=0, help_text="Change of what is credited.")
    held = MoneyField(default=0, help_text="Change of what is disputed, of what is paid.")
    currency = CurrencyField()
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="movement"
    )
    reversal = models.OneToOneField(
        PaymentReversal, on_delete=models.PROTECT, null=True, blank=True, related_name="movement"
    )
    credit_note = models.OneToOneField(
        CreditNote, on_delete=models.PROTECT, null=True, blank=True, related_name="movement"
    )
    dispute = models.ForeignKey(
        Dispute, on_delete=models.PROTECT, null=True, blank=True, related_name="movements"
    )
    occurred_at = models.DateTimeField(help_text="Decides the payout month of what it brings.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = InvoicePartsQuerySet.as_manager()

    class Meta:
        ordering = ("invoice", "number")
        constraints = (
            models.UniqueConstraint(fields=("invoice", "number"), name="movement_number_once"),
            models.UniqueConstraint(
                fields=("dispute", "kind"),
                condition=models.Q(dispute__isnull=False),
                name="movement_of_dispute_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number} of {self.invoice}"


class WriteOffQuerySet(ScopedQuerySet["WriteOff"]):
    agency_path = "invoice__agency"
    client_path = "invoice__client"


class WriteOff(AppendOnlyModel):
    """Somebody gave up collecting what was due of an invoice. A payment undoes it."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="write_offs")
    amount = MoneyField(help_text="What was due.")
    currency = CurrencyField()
    reason = models.CharField(max_length=500)
    written_off_at = models.DateTimeField()
    written_off_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    key = models.CharField(max_length=200, unique=True, help_text="What makes it this one.")

    objects = WriteOffQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency} of {self.invoice}, written off"
