"""Adjustments: asked for on the agency's page, decided on the request's own by somebody else."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin, extend
from agencyportal.core.admin_columns import money, state
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.core.money import currency_codes
from agencyportal.core.powers import Power
from billing.admin.dialogs import BillingDialog
from clients.models import Agency, Client
from payouts.models import AdjustmentRequest
from payouts.services.adjustments import (
    approve_adjustment,
    refuse_adjustment,
    request_adjustment,
)

STATES = {"pending": "warning", "approved": "success", "refused": "default"}


class AskForm(DialogForm):
    amount = PlainDecimalFormField(
        max_digits=19, decimal_places=4, help_text="Negative takes from the agency."
    )
    currency = forms.ChoiceField(choices=[(code, code) for code in currency_codes()])
    client = forms.ModelChoiceField(
        Client.objects.none(), required=False, empty_label="No client in particular"
    )
    reason = forms.CharField(
        max_length=250,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Printed on the agency's statement.",
    )


class AskForAdjustment(BillingDialog):
    """An amount by hand, that somebody else has to approve."""

    slug = "adjust-earnings"
    title = "Adjust earnings"
    icon = "exposure"
    submit = "Ask for it"
    power = Power.OPERATE
    form_class: ClassVar[type[DialogForm]] = AskForm

    def explanation(self) -> str:
        return (
            "Nothing moves until another operator approves it. Whoever asks for an adjustment does "
            "not approve the payout that it is in."
        )

    def form(self, data: Any = None) -> DialogForm:
        clients = Client.objects.filter(agency=self.row).order_by("name")
        first = clients.first()
        form = AskForm(data, initial={"currency": first.currency if first else "USD"})
        choice: Any = form.fields["client"]
        choice.queryset = clients
        return form

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        asked = request_adjustment(
            agency=self.row,
            amount=said["amount"],
            currency=said["currency"],
            reason=said["reason"],
            client=said["client"],
            requested_by=self.user,
            now=self.now,
            key=self.key(form),
        )
        return f"Asked for {money(asked.amount, asked.currency)}: {asked.reason}"


class Decide(BillingDialog):
    """A second person's answer."""

    power = Power.OPERATE

    def is_offered(self) -> bool:
        return bool(self.row.state == AdjustmentRequest.State.PENDING)

    def why_not(self) -> str:
        if self.request.method != "GET":
            return ""
        if not self.is_offered():
            return f"It is {self.row.get_state_display().lower()} already."
        if self.row.requested_by_id == self.user.pk:
            return "Somebody else has to decide about it: you asked for it."
        return ""

    def facts(self) -> list[tuple[str, str]]:
        row = self.row
        return [
            ("Agency", str(row.agency)),
            ("Amount", money(row.amount, row.currency)),
            ("Reason", row.reason),
            ("Asked by", str(row.requested_by)),
        ]


class ApproveForm(DialogForm):
    note = forms.CharField(max_length=500, required=False)


class ApproveAdjustment(Decide):
    """It becomes an earning."""

    slug = "approve"
    title = "Approve"
    icon = "check_circle"
    submit = "Approve it"
    form_class: ClassVar[type[DialogForm]] = ApproveForm

    def explanation(self) -> str:
        return "It becomes an earning of today, and is in the next payout that is made up."

    def act(self, form: DialogForm) -> str:
        note = form.cleaned_data["note"]
        approve_adjustment(request=self.row, approved_by=self.user, now=self.now, note=note)
        return f"{self.row} is approved: {self.row.reason}"


class RefuseForm(DialogForm):
    note = forms.CharField(label="Why", max_length=500)


class RefuseAdjustment(Decide):
    """It stays a request, with why."""

    slug = "refuse"
    title = "Refuse"
    icon = "block"
    submit = "Refuse it"
    danger = True
    form_class: ClassVar[type[DialogForm]] = RefuseForm

    def act(self, form: DialogForm) -> str:
        note = form.cleaned_data["note"]
        refuse_adjustment(request=self.row, refused_by=self.user, note=note, now=self.now)
        return f"{self.row} is refused: {note}"


@admin.register(AdjustmentRequest)
class AdjustmentRequestAdmin(ReadOnlyAdmin):
    """Amounts that somebody asked for, and what another person said."""

    list_display = (
        "requested_at",
        "agency",
        "amount",
        "reason",
        "requested_by",
        state("state", STATES),
        "decided_by",
    )
    list_filter = ("state", "agency", "currency")
    list_select_related = ("agency", "requested_by", "decided_by")
    search_fields = ("reason", "agency__name", "note")
    date_hierarchy = "requested_at"
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (ApproveAdjustment, RefuseAdjustment)
    fields = (
        ("agency", "client"),
        ("amount", "currency"),
        "reason",
        ("requested_by", "requested_at"),
        ("state", "earning"),
        ("decided_by", "decided_at"),
        "note",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = (*self.list_select_related, "client", "earning")
        return super().get_queryset(request).select_related(*related)


extend(Agency, dialogs=(AskForAdjustment,))
