"""Credit that was granted, and top-ups that were bought."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.timezone import now

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import quantity, state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.money import plain
from billing.models import CreditGrant, GrantRevocation, GrantUse, TopUpPurchase
from billing.selectors.balances import left_of
from billing.selectors.explaining import Explanation, explain_grant
from billing.services.revocations import revoke

from .dialogs import BillingDialog
from .explaining import ExplainedAdmin

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
    quantity = forms.DecimalField(
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
    fields = (
        ("workspace", "unit"),
        ("band", "quantity"),
        ("price", "currency"),
        ("purchased_at", "purchased_by"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("workspace", "band", "purchased_by")
