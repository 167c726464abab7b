"""Money that goes back to a client, and payments that a client disputes."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User

from .credit_notes import CreditNote
from .payments import Payment


class RefundQuerySet(ScopedQuerySet["Refund"]):
    agency_path = "agency"
    client_path = "client"

    def pending(self) -> RefundQuerySet:
        return self.filter(state=Refund.State.PENDING)

    def to_send(self) -> RefundQuerySet:
        """Those that Stripe was not asked for yet, or has not answered about."""
        return self.pending().filter(
            method=Refund.Method.PROVIDER, provider_id="", payment__provider_id__startswith="pi_"
        )

    def on_their_way(self) -> RefundQuerySet:
        """Those that Stripe has, and has not said the end of."""
        return self.pending().filter(provider_id__startswith="re_", method=Refund.Method.PROVIDER)


class Refund(AppendOnlyModel):
    """Money out of a client's balance: the intent first, taken from the balance with it; a refund
    that fails puts it back. What happens to it moves in ``state``, ``provider_id``, ``reference``,
    ``settled_at`` and ``failure``.
    """

    class State(models.TextChoices):
        PENDING = "pending", "On its way"
        SUCCEEDED = "succeeded", "Paid back"
        FAILED = "failed", "Failed"

    class Method(models.TextChoices):
        PROVIDER = "provider", "The way it was paid"
        BANK_TRANSFER = "bank_transfer", "Bank transfer"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="refunds")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="refunds")
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="refunds"
    )
    credit_note = models.ForeignKey(
        CreditNote, on_delete=models.PROTECT, null=True, blank=True, related_name="refunds"
    )
    amount = MoneyField()
    currency = CurrencyField()
    method = models.CharField(max_length=20, choices=Method.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    provider_id = models.CharField(
        max_length=200, blank=True, help_text="What whoever sends it calls it."
    )
    reference = models.CharField(max_length=200, blank=True, help_text="As on the bank statement.")
    reason = models.CharField(max_length=500)
    requested_at = models.DateTimeField()
    requested_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    settled_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=500, blank=True, help_text="Why it failed.")
    key = models.CharField(max_length=200, unique=True, help_text="What makes it this refund.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = RefundQuerySet.as_manager()

    class Meta:
        ordering = ("-requested_at", "-pk")
        constraints = (
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="refund_positive"),
            models.UniqueConstraint(
                fields=("provider_id",),
                condition=~models.Q(provider_id=""),
                name="refund_provider_id_once",
            ),
            models.CheckConstraint(
                condition=models.Q(state="pending", settled_at__isnull=True)
                | (~models.Q(state="pending") & models.Q(settled_at__isnull=False)),
                name="refund_settled_when_done",
            ),
        )

    def __str__(self) -> str:
        return f"Refund of {plain(self.amount)} {self.currency} to {self.client}"


class DisputeQuerySet(ScopedQuerySet["Dispute"]):
    agency_path = "agency"
    client_path = "client"

    def open(self) -> DisputeQuerySet:
        return self.filter(state=Dispute.State.OPENED)


class Dispute(AppendOnlyModel):
    """A payment that the client's bank asks back. Opened once, closed once.

    ``held`` is how much of it stands on the invoice: the agency's share of that is held back from
    its earnings until the dispute is won, and gone when it is lost.
    """

    class State(models.TextChoices):
        OPENED = "opened", "Open"
        WON = "won", "Won"
        LOST = "lost", "Lost"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="disputes")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="disputes")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    provider_id = models.CharField(
        max_length=200, unique=True, help_text="What whoever collected the payment calls it."
    )
    amount = MoneyField()
    excess = MoneyField(
        default=0,
        help_text="What of it had gone back before: refunded, or disputed elsewhere. Lost, it is "
        "to be claimed by hand.",
    )
    held = MoneyField(help_text="How much of it stands on the invoice.")
    currency = CurrencyField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPENED)
    reason = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = DisputeQuerySet.as_manager()

    class Meta:
        ordering = ("-opened_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(amount__gt=0, held__gte=0, held__lte=models.F("amount")),
                name="dispute_held_is_a_part",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    excess__gte=0, excess__lte=models.F("amount") - models.F("held")
                ),
                name="dispute_excess_is_a_part",
            ),
            models.CheckConstraint(
                condition=models.Q(state="opened", closed_at__isnull=True)
                | (~models.Q(state="opened") & models.Q(closed_at__isnull=False)),
                name="dispute_closed_when_decided",
            ),
        )

    def __str__(self) -> str:
        return f"Dispute {self.provider_id} of {plain(self.amount)} {self.currency}"
