"""Earnings: one row for each amount gained or lost, with its cause."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import display, state
from agencyportal.core.admin_filters import ChoiceFilter
from payouts.models import Earning

KINDS = {
    "revenue": "success",
    "routed_cost": "warning",
    "platform_fee": "default",
    "adjustment": "info",
}


class PaidOutFilter(ChoiceFilter):
    title = "payout"
    parameter_name = "paid"
    questions = {"no": ("In none yet", "waiting"), "yes": ("In a payout", "paid_out")}

    def waiting(self, earnings: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return earnings.filter(item=None)

    def paid_out(self, earnings: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return earnings.exclude(item=None)


@display(description="Payout", ordering="item__payout__number")
def payout(earning: Earning) -> str:
    item = getattr(earning, "item", None)
    return str(item.payout) if item else "–"


@admin.register(Earning)
class EarningAdmin(ReadOnlyAdmin):
    """What each payment, routed call and fee came to for the agency."""

    list_display = (
        "occurred_at",
        "description",
        state("kind", KINDS),
        "amount",
        "client",
        "agency",
        payout,
    )
    list_filter = ("kind", PaidOutFilter, "agency", "client", "currency")
    list_select_related = ("client", "agency", "item__payout")
    search_fields = ("description", "client__name", "workspace__slug", "payment__reference")
    date_hierarchy = "occurred_at"
    ordering = ("-occurred_at", "-pk")
    fields = (
        ("agency", "client"),
        "workspace",
        ("kind", "description"),
        ("amount", "currency"),
        "occurred_at",
        ("payment", "invoice_line"),
        "period",
        ("unit", payout),
    )
    readonly_fields = (payout,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = (
            "agency",
            "client",
            "workspace",
            "unit",
            "payment__invoice__client",
            "invoice_line",
            "period__workspace",
            "item__payout",
        )
        return super().get_queryset(request).select_related(*related)
