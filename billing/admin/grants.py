"""Credit that was granted, and top-ups that were bought."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import state, told
from billing.models import CreditGrant, GrantUse, TopUpPurchase

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
    fields = (use_period, "opening", "consumed", "expired", "rolled_over", "remaining")
    verbose_name_plural = "burned by closed periods"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("period_usage__period__workspace")


@admin.register(CreditGrant)
class CreditGrantAdmin(ReadOnlyAdmin):
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
    inlines = (UseInline,)
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
