"""Invoices that are paid online, on Stripe's page or by the saved card: how each try stands."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import money, state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.powers import Power
from billing.models import InvoiceCheckout
from billing.refusals import RefusedError
from billing.services.invoice_booking import look_at_checkout, take_payment
from billing.services.stripe_attempts import close_without_payment
from billing.stripe_gateway import GatewayError

from .dialogs import BillingDialog
from .orders import STATES, PaymentForm, TroubleFilter


class AttemptDialog(BillingDialog):
    """What dialogs on tries to pay an invoice share."""

    power = Power.MONEY
    refusals: ClassVar[tuple[type[Exception], ...]] = (RefusedError, GatewayError)

    def facts(self) -> list[tuple[str, str]]:
        return [
            ("Invoice", str(self.row.invoice)),
            ("Asked for", money(self.row.amount, self.row.currency)),
            ("Trouble", self.row.trouble or "–"),
        ]


class LookAgain(AttemptDialog):
    """How the payment stands is read from Stripe again, and booked if it is paid."""

    slug = "look-again"
    title = "Look again"
    icon = "refresh"
    submit = "Look again"
    form_class: ClassVar[type[DialogForm]] = PaymentForm

    def is_offered(self) -> bool:
        return self.row.payment_id is None

    def explanation(self) -> str:
        return (
            "If it is paid, the payment is recorded now, once. What is more than is due by now is "
            "kept as the client's balance."
        )

    def act(self, form: DialogForm) -> str:
        if form.cleaned_data["payment"]:
            found = form.cleaned_data["payment"]
            checkout = take_payment(checkout=self.row, intent_id=found, now=self.now)
        else:
            checkout = look_at_checkout(checkout=self.row, now=self.now)
        if checkout.trouble:
            raise RefusedError(f"It still cannot be booked: {checkout.trouble}")
        return f"The payment is {checkout.get_state_display().lower()}."


class NothingPaid(AttemptDialog):
    """Somebody has looked at Stripe: there is no payment."""

    slug = "nothing-paid"
    title = "Nothing was paid"
    icon = "money_off"
    submit = "Nothing was paid"

    def is_offered(self) -> bool:
        return bool(self.row.trouble) and self.row.state == InvoiceCheckout.State.FAILED

    def explanation(self) -> str:
        return (
            "Ends the trouble, and dunning goes on. Look in Stripe's dashboard first: the payment "
            f"would have invoice_payment {self.row.pk} in its metadata."
        )

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        close_without_payment(self.row)
        return "It is closed without a payment."


@told("To pay", ordering="amount")
def to_pay(checkout: InvoiceCheckout) -> str:
    return money(checkout.amount, checkout.currency)


@admin.register(InvoiceCheckout)
class InvoiceCheckoutAdmin(ReadOnlyAdmin):
    """Every try of a client to pay an invoice online."""

    list_display = (
        "opened_at",
        "client",
        "agency",
        "invoice",
        to_pay,
        "method",
        state("state", STATES),
        "trouble",
    )
    list_filter = (TroubleFilter, "state", "method", "agency", "client")
    list_select_related = ("client", "agency", "invoice__client", "payer", "payment__invoice")
    search_fields = ("client__name", "invoice__number", "session_id", "intent_id")
    date_hierarchy = "opened_at"
    ordering = ("-opened_at", "-pk")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (LookAgain, NothingPaid)
    fields = (
        ("client", "invoice"),
        ("amount", "currency"),
        ("state", "payment"),
        ("method", "decline"),
        ("failure", "trouble"),
        ("payer", "opened_at"),
        "paid_at",
        ("session_id", "intent_id"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)
