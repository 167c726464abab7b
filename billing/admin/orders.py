"""Top-ups that were to be paid at once: how each stands, and what can be done about trouble."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import money, state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.admin_filters import ChoiceFilter
from agencyportal.core.powers import Power
from billing.models import TopUpOrder
from billing.refusals import RefusedError
from billing.services.order_fulfilment import move_to_balance
from billing.services.top_up_orders import close_without_payment, look_at_order, take_payment
from billing.stripe_gateway import GatewayError

from .dialogs import BillingDialog

STATES = {
    "pending": "warning",
    "processing": "info",
    "paid": "success",
    "failed": "danger",
    "expired": "default",
    "cancelled": "default",
}


class PaymentForm(DialogForm):
    """The payment, where the order does not know it."""

    payment = forms.RegexField(
        regex=r"^pi_[A-Za-z0-9_]+$",
        label="Payment at Stripe",
        required=False,
        help_text="Only where the order names none: its id in Stripe's dashboard, pi_…",
    )


class OrderDialog(BillingDialog):
    """What dialogs on orders share."""

    power = Power.MONEY
    refusals: ClassVar[tuple[type[Exception], ...]] = (RefusedError, GatewayError)

    def facts(self) -> list[tuple[str, str]]:
        return [
            ("Top-up", f"{self.row.band} for {self.row.workspace}"),
            ("Asked for", money(self.row.gross, self.row.currency)),
            ("Trouble", self.row.trouble or "–"),
        ]


class LookAgain(OrderDialog):
    """How the payment stands is read from Stripe again, and what it pays is granted."""

    slug = "look-again"
    title = "Look again"
    icon = "refresh"
    submit = "Look again"
    form_class: ClassVar[type[DialogForm]] = PaymentForm

    def is_offered(self) -> bool:
        return self.row.purchase_id is None

    def explanation(self) -> str:
        return "If it is paid, the units are granted now, with an invoice that is paid; once."

    def act(self, form: DialogForm) -> str:
        if form.cleaned_data["payment"]:
            order = take_payment(
                order=self.row, intent_id=form.cleaned_data["payment"], now=self.now
            )
        else:
            order = look_at_order(order=self.row, now=self.now)
        if order.trouble:
            raise RefusedError(f"It still cannot be granted: {order.trouble}")
        return f"The order is {order.get_state_display().lower()}."


class ToBalance(OrderDialog):
    """What was paid becomes the client's balance."""

    slug = "to-balance"
    title = "Put it on the balance"
    icon = "account_balance_wallet"
    submit = "Put it on the balance"

    def is_offered(self) -> bool:
        is_paid = self.row.state == TopUpOrder.State.PAID
        return bool(self.row.trouble) and is_paid and self.row.purchase_id is None

    def explanation(self) -> str:
        return (
            "The units are not granted. The money is the client's: it pays the next invoices, or "
            "is paid back from there."
        )

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        entry = move_to_balance(order=self.row, moved_by=self.user, now=self.now)
        return f"Put {money(entry.amount, entry.currency)} on the balance of {self.row.client}."


class NothingPaid(OrderDialog):
    """Somebody has looked at Stripe: there is no payment."""

    slug = "nothing-paid"
    title = "Nothing was paid"
    icon = "money_off"
    submit = "Nothing was paid"

    def is_offered(self) -> bool:
        return bool(self.row.trouble) and self.row.state == TopUpOrder.State.FAILED

    def explanation(self) -> str:
        return "Ends the trouble. Look for the order's number in Stripe's dashboard first."

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        close_without_payment(order=self.row, now=self.now)
        return "The order is closed without a payment."


class TroubleFilter(ChoiceFilter):
    title = "trouble"
    parameter_name = "trouble"
    questions = {"yes": ("Needs somebody", "in_trouble")}

    def in_trouble(self, orders: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return orders.exclude(trouble="")


@told("To pay", ordering="gross")
def to_pay(order: TopUpOrder) -> str:
    return money(order.gross, order.currency)


@admin.register(TopUpOrder)
class TopUpOrderAdmin(ReadOnlyAdmin):
    """Everything that somebody wanted to pay for at once."""

    list_display = (
        "ordered_at",
        "client",
        "agency",
        "band",
        to_pay,
        state("state", STATES),
        "method",
        "trouble",
    )
    list_filter = (TroubleFilter, "state", "method", "agency", "client")
    list_select_related = ("client", "agency", "band", "workspace", "buyer")
    search_fields = ("client__name", "band__name", "session_id", "intent_id")
    date_hierarchy = "ordered_at"
    ordering = ("-ordered_at", "-pk")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (LookAgain, ToBalance, NothingPaid)
    fields = (
        ("client", "workspace"),
        ("band", "quantity"),
        ("net", "tax"),
        ("gross", "currency"),
        ("state", "method"),
        ("failure", "trouble"),
        ("buyer", "ordered_at"),
        ("paid_at", "purchase"),
        ("session_id", "intent_id"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)
