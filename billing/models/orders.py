"""Top-ups that are paid before they are granted."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.db import models

from agencyportal.core.fields import CurrencyField, MoneyField, QuantityField
from agencyportal.core.money import plain
from clients.models import Client, User, Workspace

from .attempts import AttemptQuerySet, PaymentAttempt
from .credits import TopUpPurchase
from .plans import TopUpBand


class TopUpOrderQuerySet(AttemptQuerySet["TopUpOrder"]):
    pass


class TopUpOrder(PaymentAttempt):
    """A band that somebody wants to pay for now: what was shown, and how far its payment is.

    The intent is written first; then Stripe is asked. ``paid`` means that the money has come: the
    ``purchase`` and its invoice follow in one transaction, or the client's balance gets it, or
    ``trouble`` says why neither was possible.
    """

    class Starts(models.TextChoices):
        NOW = "now", "Now"
        NEXT_PERIOD = "next_period", "With the next period"

    RELATED: ClassVar[tuple[str, ...]] = ("workspace", "band", "client__agency", "agency", "buyer")

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="top_up_orders")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="top_up_orders")
    band = models.ForeignKey(TopUpBand, on_delete=models.PROTECT, related_name="+")
    quantity = QuantityField()
    net = MoneyField()
    tax = MoneyField()
    gross = MoneyField(help_text="What is asked for.")
    currency = CurrencyField()
    starts = models.CharField(max_length=20, choices=Starts.choices, default=Starts.NOW)
    method = models.CharField(max_length=10, choices=PaymentAttempt.Method.choices)
    saves_card = models.BooleanField(default=False)
    card_id = models.CharField(max_length=255, blank=True, help_text="The card to be charged.")
    buyer = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    key = models.CharField(max_length=200, help_text="The buyer's idempotency key.")
    trouble = models.CharField(
        max_length=500, blank=True, help_text="Paid, and not granted: why. For the operator."
    )
    purchase = models.OneToOneField(
        TopUpPurchase, on_delete=models.PROTECT, null=True, blank=True, related_name="order"
    )
    ordered_at = models.DateTimeField()

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

    @property
    def begun_at(self) -> dt.datetime:
        return self.ordered_at

    @property
    def has_ended(self) -> bool:
        """Whether it was not paid, and nothing is asked for any more."""
        return self.state in (self.State.FAILED, self.State.EXPIRED, self.State.CANCELLED)

    @property
    def waits_for_holder(self) -> bool:
        """Whether the card was charged while nobody was there, and its bank asks for them."""
        is_asked = self.state == self.State.PENDING and self.session_id is None
        return is_asked and self.intent_id is not None and not self.pay_url
