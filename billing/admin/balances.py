"""Clients' balances: what lies with the platform, and every entry of it."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import money
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.core.money import plain
from agencyportal.core.powers import Power
from billing.models import BalanceEntry, ClientBalance, Payment
from billing.services.client_balance import adjust_balance
from billing.services.refunds import request_refund

from .dialogs import BillingDialog, ReasonForm


class EntryInline(ScopedInline):
    model = BalanceEntry
    fields = ("created_at", "kind", "amount", "payment", "credit_note", "reason", "created_by")
    verbose_name_plural = "entries"
    show_change_link = False
    per_page = 50

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ("payment__invoice__client", "credit_note", "created_by")
        return super().get_queryset(request).select_related(*related)


class AdjustForm(ReasonForm):
    amount = PlainDecimalFormField(
        max_digits=19, decimal_places=4, help_text="Negative takes from the balance."
    )


class AdjustBalance(BillingDialog):
    """The platform gives or takes, with a reason."""

    slug = "adjust"
    title = "Adjust"
    icon = "tune"
    submit = "Adjust the balance"
    power = Power.OPERATE
    form_class: ClassVar[type[DialogForm]] = AdjustForm

    def explanation(self) -> str:
        return (
            "It is the platform's money: no tax and no earning follow from it. Money for something "
            "that was invoiced goes back by a credit note."
        )

    def facts(self) -> list[tuple[str, str]]:
        return [("Balance", money(self.row.amount, self.row.currency))]

    def preview(self, form: DialogForm) -> list[tuple[str, str]]:
        after = self.row.amount + form.cleaned_data["amount"]
        return [("Balance after it", money(after, self.row.currency))] if after >= 0 else []

    def act(self, form: DialogForm) -> str:
        entry = adjust_balance(
            client=self.row.client,
            currency=self.row.currency,
            amount=form.cleaned_data["amount"],
            reason=form.cleaned_data["reason"],
            adjusted_by=self.user,
            now=self.now,
            key=self.key(form),
        )
        return f"Adjusted by {money(entry.amount, entry.currency)}: {entry.reason}"


class RefundForm(ReasonForm):
    amount = PlainDecimalFormField(max_digits=19, decimal_places=4)
    payment = forms.ModelChoiceField(
        Payment.objects.none(),
        required=False,
        empty_label="No payment in particular: by bank transfer",
        help_text="One that the provider collected goes back the way it came.",
    )


class PayOut(BillingDialog):
    """Money of a balance goes back to the client."""

    slug = "refund"
    title = "Pay back"
    icon = "undo"
    submit = "Pay it back"
    power = Power.MONEY
    danger = True
    form_class: ClassVar[type[DialogForm]] = RefundForm

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.row.amount:
            return "There is nothing on this balance."
        return ""

    def explanation(self) -> str:
        return (
            "It is taken from the balance now. What was paid through Stripe is paid back there, "
            "within a minute or so; a bank transfer is made by hand and marked as sent afterwards. "
            "A refund that fails comes back to the balance."
        )

    def facts(self) -> list[tuple[str, str]]:
        return [("Balance", money(self.row.amount, self.row.currency))]

    def form(self, data: Any = None) -> DialogForm:
        form = RefundForm(data, initial={"amount": plain(self.row.amount)})
        choice: Any = form.fields["payment"]
        choice.queryset = (
            Payment.objects.filter(client=self.row.client, currency=self.row.currency)
            .exclude(method=Payment.Method.BALANCE)
            .filter(returned__lt=models.F("amount"))
            .select_related("invoice__client")
            .order_by("-received_at")
        )
        return form

    def preview(self, form: DialogForm) -> list[tuple[str, str]]:
        payment = form.cleaned_data["payment"]
        currency = self.row.currency
        way = "by bank transfer"
        if payment is not None and payment.provider_id:
            way = "the way it was paid"
        return [
            ("Paid back", f"{money(form.cleaned_data['amount'], currency)}, {way}"),
            ("Balance after it", money(self.row.amount - form.cleaned_data["amount"], currency)),
        ]

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        refund = request_refund(
            client=self.row.client,
            amount=said["amount"],
            currency=self.row.currency,
            reason=said["reason"],
            requested_by=self.user,
            now=self.now,
            key=self.key(form),
            payment=said["payment"],
        )
        return f"{money(refund.amount, refund.currency)} is to be paid back to {refund.client}."


@admin.register(ClientBalance)
class ClientBalanceAdmin(ReadOnlyAdmin):
    """Money of clients, by currency: over-payments and credit notes that wait to be used."""

    list_display = ("client", "agency", "amount", "currency")
    list_filter = ("agency", "client", "currency")
    list_select_related = ("client", "agency")
    search_fields = ("client__name", "client__slug")
    inlines = (EntryInline,)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (PayOut, AdjustBalance)
    fields = (("client", "agency"), ("amount", "currency"))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("client", "agency")
