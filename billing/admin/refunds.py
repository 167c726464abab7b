"""Refunds on their way, and disputes."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import money, state
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.powers import Power
from billing.models import Dispute, Refund
from billing.services.refunds import record_refund_result

from .dialogs import BillingDialog

STATES = {"pending": "warning", "succeeded": "success", "failed": "danger"}
DISPUTE_STATES = {"opened": "warning", "won": "success", "lost": "danger"}


class ByHand(BillingDialog):
    """What became of a refund that somebody sends at the bank."""

    power = Power.MONEY

    def is_offered(self) -> bool:
        return bool(
            self.row.method == Refund.Method.BANK_TRANSFER and self.row.state in self.possible
        )

    possible: ClassVar[tuple[str, ...]] = (Refund.State.PENDING,)

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return "This refund is not one to be sent by hand, or it is done."
        return ""

    def facts(self) -> list[tuple[str, str]]:
        return [
            ("Client", str(self.row.client)),
            ("Amount", money(self.row.amount, self.row.currency)),
        ]


class SentForm(DialogForm):
    reference = forms.CharField(max_length=200, help_text="As on the bank statement.")


class MarkSent(ByHand):
    """The transfer was made."""

    slug = "sent"
    title = "Mark as sent"
    icon = "check"
    submit = "It was sent"
    form_class: ClassVar[type[DialogForm]] = SentForm

    def act(self, form: DialogForm) -> str:
        reference = form.cleaned_data["reference"]
        record_refund_result(
            refund=self.row, state=Refund.State.SUCCEEDED, reference=reference, now=self.now
        )
        return f"{money(self.row.amount, self.row.currency)} was paid back, {reference}."


class FailedForm(DialogForm):
    failure = forms.CharField(label="Why", max_length=500)


class MarkFailed(ByHand):
    """The transfer was not made, or came back."""

    slug = "failed"
    title = "Mark as failed"
    icon = "error"
    submit = "It failed"
    danger = True
    form_class: ClassVar[type[DialogForm]] = FailedForm
    possible = (Refund.State.PENDING, Refund.State.SUCCEEDED)

    def explanation(self) -> str:
        return "The amount goes back to the client's balance."

    def act(self, form: DialogForm) -> str:
        failure = form.cleaned_data["failure"]
        record_refund_result(
            refund=self.row, state=Refund.State.FAILED, failure=failure, now=self.now
        )
        return f"{money(self.row.amount, self.row.currency)} is on the balance again: {failure}"


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """Money that goes back to clients: asked for, sent, and what came of it."""

    list_display = (
        "requested_at",
        "client",
        "agency",
        "amount",
        "method",
        state("state", STATES),
        "reference",
        "requested_by",
    )
    list_filter = ("state", "method", "agency", "client", "currency")
    list_select_related = ("client", "agency", "requested_by")
    search_fields = ("client__name", "reference", "provider_id", "reason", "credit_note__number")
    date_hierarchy = "requested_at"
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (MarkSent, MarkFailed)
    fields = (
        ("client", "state"),
        ("amount", "currency"),
        ("method", "payment"),
        "credit_note",
        "reason",
        ("requested_at", "requested_by"),
        ("settled_at", "reference"),
        ("provider_id", "failure"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = (*self.list_select_related, "payment__invoice__client", "credit_note")
        return super().get_queryset(request).select_related(*related)


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    """Payments that clients' banks ask back, as the provider reports them."""

    list_display = (
        "opened_at",
        "client",
        "agency",
        "amount",
        "held",
        state("state", DISPUTE_STATES),
        "reason",
        "closed_at",
    )
    list_filter = ("state", "agency", "client", "currency")
    list_select_related = ("client", "agency")
    search_fields = ("client__name", "provider_id", "payment__invoice__number")
    date_hierarchy = "opened_at"
    fields = (
        ("client", "state"),
        ("amount", "held", "excess", "currency"),
        "payment",
        "reason",
        ("opened_at", "closed_at"),
        "provider_id",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = (*self.list_select_related, "payment__invoice__client")
        return super().get_queryset(request).select_related(*related)
