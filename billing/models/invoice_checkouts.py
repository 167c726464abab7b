"""Invoices that somebody pays on Stripe's page, and those that the saved card is charged for."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.db import models

from agencyportal.core.fields import CurrencyField, MoneyField
from agencyportal.core.money import plain
from clients.models import Client, User

from .attempts import AUTHENTICATE, AttemptQuerySet, PaymentAttempt
from .invoices import Invoice
from .payments import Payment


class InvoiceCheckoutQuerySet(AttemptQuerySet["InvoiceCheckout"]):
    pass


class InvoiceCheckout(PaymentAttempt):
    """One try to pay what is due of an invoice, on Stripe's page or by the saved card.

    Of an invoice one is open at most, so that never both are charged.

    The amount is what was due when it was written. ``paid`` means that the money has come:
    ``payment`` is it in the books, or ``trouble`` says why it is not there.
    """

    FINAL: ClassVar[tuple[str, ...]] = tuple(
        state for state in PaymentAttempt.State.values if state not in PaymentAttempt.UNSETTLED
    )
    RELATED: ClassVar[tuple[str, ...]] = ("invoice__client", "client__agency", "payer")

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="invoice_checkouts")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="checkouts")
    amount = MoneyField(help_text="What was due, and is asked for.")
    currency = CurrencyField()
    method = models.CharField(
        max_length=10,
        choices=PaymentAttempt.Method.choices,
        default=PaymentAttempt.Method.PAGE,
    )
    card_id = models.CharField(max_length=255, blank=True, help_text="The card to be charged.")
    decline = models.CharField(max_length=60, blank=True, help_text="The bank's word for why not.")
    payer = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    trouble = models.CharField(
        max_length=500, blank=True, help_text="Paid, and not in the books: why. For the operator."
    )
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="checkout"
    )
    opened_at = models.DateTimeField()

    objects = InvoiceCheckoutQuerySet.as_manager()

    class Meta:
        ordering = ("-opened_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("invoice",),
                condition=models.Q(state__in=("pending", "processing")),
                name="invoice_checkout_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(payment__isnull=True) | models.Q(state="paid"),
                name="invoice_checkout_booked_when_paid",
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gt=0), name="invoice_checkout_not_for_nothing"
            ),
        )
        indexes = (
            models.Index(
                fields=("look_at",),
                condition=models.Q(state__in=("pending", "processing")),
                name="checkout_to_look_at",
            ),
        )

    def __str__(self) -> str:
        return f"Payment {self.pk} of {self.invoice}, {plain(self.amount)} {self.currency}"

    @property
    def begun_at(self) -> dt.datetime:
        return self.opened_at

    @property
    def awaits_holder(self) -> bool:
        """Whether the saved card was charged while its holder was away, and its bank wants them."""
        is_open = self.method == self.Method.CARD and self.state == self.State.PENDING
        return is_open and self.decline == AUTHENTICATE
