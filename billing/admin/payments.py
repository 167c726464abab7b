"""Payments: recorded on the page of their invoice."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import money, state
from agencyportal.core.admin_dialogs import DayField, Dialog, DialogForm
from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.core.money import plain
from agencyportal.core.periods import local_date, local_day_start
from agencyportal.core.powers import Power
from billing.models import Payment, PaymentReversal, Refund
from billing.services.reversals import reverse_payment

from .dialogs import BillingDialog, ReasonForm

METHODS = {
    "bank_transfer": "info",
    "card": "success",
    "balance": "default",
    "other": "default",
}


class ReversalForm(ReasonForm):
    cause = forms.ChoiceField(
        label="What happened",
        choices=[
            (cause.value, cause.label)
            for cause in PaymentReversal.Cause
            if cause is not PaymentReversal.Cause.DISPUTE
        ],
    )
    amount = PlainDecimalFormField(max_digits=19, decimal_places=4)
    reversed_at = DayField(label="On")


class Reverse(BillingDialog):
    """A payment did not stay."""

    slug = "reverse"
    title = "Did not stay"
    icon = "undo"
    submit = "Take the payment back"
    power = Power.MONEY
    danger = True
    form_class: ClassVar[type[DialogForm]] = ReversalForm

    def is_offered(self) -> bool:
        payment: Payment = self.row
        return payment.method != Payment.Method.BALANCE and payment.returnable > 0

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return "Nothing of this payment can bounce: it came from the balance, or went back."
        return ""

    def explanation(self) -> str:
        return (
            "The payment stays in the books; a new row takes it back. Its invoice is due again, "
            "and the agency's earnings sink by its share. What was kept as the client's balance "
            "is taken from there first."
        )

    def facts(self) -> list[tuple[str, str]]:
        currency = self.row.currency
        return [
            ("Invoice", str(self.row.invoice)),
            ("Received", money(self.row.amount, currency)),
            ("Has not gone back", money(self.row.returnable, currency)),
        ]

    def form(self, data: Any = None) -> DialogForm:
        today = local_date(self.now, self.row.agency.timezone)
        initial = {"amount": plain(self.row.returnable), "reversed_at": today}
        return ReversalForm(data, initial=initial)

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        day, zone = said["reversed_at"], self.row.agency.timezone
        at = local_day_start(day, zone)
        if day == local_date(self.row.received_at, zone):
            at = self.row.received_at  # a day's first instant is before what came that day
        back = reverse_payment(
            payment=self.row,
            amount=said["amount"],
            cause=said["cause"],
            reason=said["reason"],
            reversed_at=at,
            now=self.now,
            key=self.key(form),
            recorded_by=self.user,
        )
        words = f"{money(back.amount, back.currency)} of {self.row.invoice} did not stay"
        if back.shortfall:
            words += f"; {money(back.shortfall, back.currency)} of it has to be claimed by hand"
        return f"{words}."


class ReversalInline(ScopedInline):
    model = PaymentReversal
    fields = ("reversed_at", "cause", "amount", "off_invoice", "off_balance", "shortfall", "reason")
    verbose_name_plural = "did not stay"
    show_change_link = False


class RefundInline(ScopedInline):
    model = Refund
    fields = ("requested_at", "amount", "state", "reference", "reason")
    verbose_name_plural = "refunds"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("client")


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Money received."""

    list_display = (
        "received_at",
        "client",
        "agency",
        "amount",
        "returned",
        "invoice",
        state("method", METHODS),
        "reference",
        "recorded_by",
    )
    list_filter = ("method", "agency", "client", "currency")
    list_select_related = ("client", "agency", "invoice__client", "recorded_by")
    search_fields = ("reference", "invoice__number", "client__name")
    date_hierarchy = "received_at"
    ordering = ("-received_at", "-pk")
    inlines = (ReversalInline, RefundInline)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (Reverse,)
    fields = (
        ("client", "invoice"),
        ("amount", "currency"),
        ("kept", "returned"),
        ("received_at", "method"),
        ("reference", "provider_id"),
        ("recorded_by", "created_at"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)
