"""Invoices that somebody pays on Stripe's page."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.fields import CurrencyField, MoneyField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User

from .invoices import Invoice
from .orders import TopUpOrder
from .payments import Payment


class InvoiceCheckoutQuerySet(ScopedQuerySet["InvoiceCheckout"]):
    agency_path = "agency"
    client_path = "client"

    def unsettled(self) -> InvoiceCheckoutQuerySet:
        """Those that may still be paid."""
        return self.filter(state__in=("pending", "processing"))


class InvoiceCheckout(models.Model):
    """One try to pay what is due of an invoice on Stripe's page; of an invoice one is open at most.

    The intent is written first, with the amount of then; then Stripe is asked. ``paid`` means that
    the money has come: ``payment`` is it in the books, or ``trouble`` says why it is not there.
    """

    State = TopUpOrder.State

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="invoice_checkouts")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="checkouts")
    amount = MoneyField(help_text="What was due, and is asked for.")
    currency = CurrencyField()
    payer = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    is_live = models.BooleanField()
    session_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    intent_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    pay_url = models.CharField(max_length=2000, blank=True, help_text="Where it can be paid.")
    failure = models.CharField(max_length=500, blank=True, help_text="In words for the client.")
    trouble = models.CharField(
        max_length=500, blank=True, help_text="Paid, and not in the books: why. For the operator."
    )
    payment = models.OneToOneField(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="checkout"
    )
    opened_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    look_at = models.DateTimeField(help_text="When Stripe is asked next how it stands.")
    created_at = models.DateTimeField(default=now, editable=False)

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
