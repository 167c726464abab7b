"""Credit that was granted, and top-ups that were bought."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.timezone import now

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import money, quantity, state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.core.money import plain
from agencyportal.core.powers import Power
from billing.models import CreditGrant, GrantRevocation, GrantUse, TopUpPurchase
from billing.refusals import RefusedError
from billing.selectors.balances import left_of
from billing.selectors.explaining import Explanation, explain_grant
from billing.services.revocations import revoke
from billing.services.top_up_refunds import Refundable, refund_top_up, refundable

from .dialogs import BillingDialog, ReasonForm
from .explaining import ExplainedAdmin
from .invoice_dialogs import NOWHERE, WHERE

KINDS = {
    "allowance": "default",
    "rollover": "default",
    "adjustment": "warning",
    "promotional": "info",
    "top_up": "success",
}


@told("Period")
def use_period(use: GrantUse) -> str:
    return str(use.period_usage.period)


class UseInline(ScopedInline):
    model = GrantUse
    fields = (
        use_period,
        "opening",
        "consumed",
        "expired",
        "rolled_over",
        "revoked",
        "remaining",
    )
    verbose_name_plural = "burned by closed periods"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("period_usage__period__workspace")


class RevocationInline(ScopedInline):
    model = GrantRevocation
    fields = ("quantity", "revoked_at", "reason", "revoked_by")
    verbose_name_plural = "taken back"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("revoked_by")


class RevokeForm(DialogForm):
    quantity = PlainDecimalFormField(
        max_digits=19,
        decimal_places=6,
        min_value=Decimal("0.000001"),
        label="Units to take back",
        help_text="At most what nobody has used and no reservation holds.",
    )
    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="Kept with the credit."
    )


class Revoke(BillingDialog):
    """What is unused of a grant is taken back; nothing is paid back."""

    slug = "revoke"
    title = "Take back"
    icon = "undo"
    submit = "Take it back"
    danger = True
    form_class: ClassVar[type[DialogForm]] = RevokeForm

    def explanation(self) -> str:
        return (
            "Only what nobody has used can be taken. From now on it covers nothing, usage that is "
            "reported late included. Nothing is paid back by this."
        )

    def facts(self) -> list[tuple[str, str]]:
        return [
            ("Credit", f"{quantity(self.row.quantity)} {self.row.unit.plural}"),
            ("Unused now", quantity(left_of(self.row, now=self.now))),
        ]

    def why_not(self) -> str:
        if self.request.method == "GET" and left_of(self.row, now=self.now) <= 0:
            return "Nothing of it can be taken back: it is used, held, or has expired."
        return ""

    def form(self, data: Any = None) -> DialogForm:
        form = RevokeForm(data)
        if data is None:
            form.fields["quantity"].initial = plain(left_of(self.row, now=self.now))
        return form

    def act(self, form: DialogForm) -> str:
        taken = revoke(
            grant=self.row,
            quantity=form.cleaned_data["quantity"],
            reason=form.cleaned_data["reason"],
            revoked_by=self.user,
            now=self.now,
            key=self.key(form),
        )
        unit = self.row.unit.plural
        return f"Took back {quantity(taken.quantity)} {unit}: {taken.reason}"


@admin.register(CreditGrant)
class CreditGrantAdmin(ExplainedAdmin):
    """Every quantity ever given to a workspace, and why."""

    list_display = (
        "workspace",
        "unit",
        state("kind", KINDS),
        "quantity",
        "effective_at",
        "expires_at",
        "reason",
    )
    list_filter = ("kind", "workspace", "unit")
    list_select_related = ("workspace", "unit")
    search_fields = ("workspace__slug", "workspace__client__name", "reason", "unit__slug")
    date_hierarchy = "effective_at"
    ordering = ("-effective_at", "-pk")
    inlines = (UseInline, RevocationInline)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (Revoke,)
    fields = (
        ("workspace", "unit"),
        ("kind", "quantity"),
        "priority",
        ("effective_at", "expires_at"),
        ("period", "purchase"),
        "reason",
        ("created_at", "created_by"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ("workspace", "unit", "period__workspace", "purchase__band", "created_by")
        return super().get_queryset(request).select_related(*related)

    def explanations(self, row: CreditGrant) -> list[Explanation]:
        return explain_grant(grant=row, now=now())


class RefundTopUpForm(ReasonForm):
    amount = PlainDecimalFormField(max_digits=19, decimal_places=4, help_text="Net of tax.")
    override = forms.BooleanField(
        required=False,
        label="More than its unused units are worth",
        help_text="The reason says why.",
    )
    to = forms.ChoiceField(label="What was paid already", choices=WHERE)


class RefundTopUp(BillingDialog):
    """A top-up is given back: its unused units go, a credit note comes."""

    slug = "refund"
    title = "Give back"
    icon = "undo"
    submit = "Give it back"
    power = Power.MONEY
    danger = True
    form_class: ClassVar[type[DialogForm]] = RefundTopUpForm

    def why_not(self) -> str:
        return "" if self._there else self._refusal

    def explanation(self) -> str:
        return (
            "Its unused units are taken back, and a credit note is made. The agency's earning and "
            "the platform's fee follow."
        )

    def facts(self) -> list[tuple[str, str]]:
        there = self._there
        if there is None:
            return []
        units = self.row.unit.plural
        return [
            ("Bought", f"{quantity(self.row.quantity)} {units}"),
            ("Unused now", f"{quantity(there.unused)} {units}"),
            ("Worth", money(there.most, self.row.currency)),
        ]

    def form(self, data: Any = None) -> DialogForm:
        if data is not None:
            return RefundTopUpForm(data)
        most = self._there.most if self._there else Decimal(0)
        return RefundTopUpForm(initial={"amount": plain(most)})

    @cached_property
    def _there(self) -> Refundable | None:
        """What can be given back; None where nothing can, and then why."""
        try:
            return refundable(self.row, now=self.now)
        except RefusedError as error:
            self._refusal = str(error)
            return None

    _refusal = ""

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        note = refund_top_up(
            purchase=self.row,
            amount=said["amount"],
            override=said["override"],
            reason=said["reason"],
            refunded_by=self.user,
            now=self.now,
            key=said["key"],
            to_payer=said["to"] != NOWHERE,
        )
        return f"Given back with credit note {note.number} over {money(note.total, note.currency)}."


@admin.register(TopUpPurchase)
class TopUpPurchaseAdmin(ReadOnlyAdmin):
    """Bands bought on account: by the client, by the agency for it, or by a rule of its own."""

    list_display = (
        "workspace",
        "band",
        "quantity",
        "price",
        "purchased_at",
        "purchased_by",
    )
    list_filter = ("workspace", "unit")
    list_select_related = ("workspace", "band", "purchased_by")
    search_fields = ("workspace__slug", "workspace__client__name", "band__name")
    date_hierarchy = "purchased_at"
    ordering = ("-purchased_at", "-pk")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (RefundTopUp,)
    fields = (
        ("workspace", "unit"),
        ("band", "quantity"),
        ("price", "currency"),
        ("purchased_at", "purchased_by"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("workspace", "band", "purchased_by")
