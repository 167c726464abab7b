"""Top-ups that are paid before they are granted."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.fields import CurrencyField, MoneyField, QuantityField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User, Workspace

from .credits import TopUpPurchase
from .plans import TopUpBand


class TopUpOrderQuerySet(ScopedQuerySet["TopUpOrder"]):
    agency_path = "agency"
    client_path = "client"

    def unsettled(self) -> TopUpOrderQuerySet:
        """Those that may still be paid."""
        return self.filter(state__in=(TopUpOrder.State.PENDING, TopUpOrder.State.PROCESSING))

    def in_trouble(self) -> TopUpOrderQuerySet:
        """Those about which somebody has to do something."""
        return self.exclude(trouble="")


class TopUpOrder(models.Model):
    """A band that somebody wants to pay for now: what was shown, and how far its payment is.

    The intent is written first; then Stripe is asked. ``paid`` means that the money has come: the
    ``purchase`` and its invoice follow in one transaction, or the client's balance gets it, or
    ``trouble`` says why neither was possible.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting to be paid"
        PROCESSING = "processing", "On its way"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Expired"
        CANCELLED = "cancelled", "Cancelled"

    class Starts(models.TextChoices):
        NOW = "now", "Now"
        NEXT_PERIOD = "next_period", "With the next period"

    class Method(models.TextChoices):
        PAGE = "page", "On Stripe's page"
        CARD = "card", "By the saved card"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="top_up_orders")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="top_up_orders")
    band = models.ForeignKey(TopUpBand, on_delete=models.PROTECT, related_name="+")
    quantity = QuantityField()
    net = MoneyField()
    tax = MoneyField()
    gross = MoneyField(help_text="What is asked for.")
    currency = CurrencyField()
    starts = models.CharField(max_length=20, choices=Starts.choices, default=Starts.NOW)
    method = models.CharField(max_length=10, choices=Method.choices)
    saves_card = models.BooleanField(default=False)
    card_id = models.CharField(max_length=255, blank=True, help_text="The card to be charged.")
    buyer = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    key = models.CharField(max_length=200, help_text="The buyer's idempotency key.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    is_live = models.BooleanField()
    session_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    intent_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    pay_url = models.CharField(
        max_length=2000, blank=True, help_text="Where it can be paid or confirmed."
    )
    failure = models.CharField(max_length=500, blank=True, help_text="In words for the client.")
    trouble = models.CharField(
        max_length=500, blank=True, help_text="Paid, and not granted: why. For the operator."
    )
    purchase = models.OneToOneField(
        TopUpPurchase, on_delete=models.PROTECT, null=True, blank=True, related_name="order"
    )
    ordered_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    look_at = models.DateTimeField(help_text="When Stripe is asked next how it stands.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = TopUpOrderQuerySet.as_manager()

    class Meta:
        ordering = ("-ordered_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("workspace", "key"), name="order_once"),
            models.CheckConstraint(
                condition=models.Q(purchase__isnull=True) | models.Q(state="paid"),
                name="order_granted_when_paid",
            ),
            models.CheckConstraint(condition=models.Q(gross__gt=0), name="order_not_for_nothing"),
        )
        indexes = (
            models.Index(
                fields=("look_at",),
                condition=models.Q(state__in=("pending", "processing")),
                name="order_to_look_at",
            ),
        )

    def __str__(self) -> str:
        return f"Order {self.pk}: {self.band}, {plain(self.gross)} {self.currency}"
