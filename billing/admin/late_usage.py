"""Late usage and corrections of closed periods: what they came to, and what became of each."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline, extend
from agencyportal.core.admin_columns import money, quantity, told
from billing.models import LateEntry, LateGrantUse, LateSettlement
from clients.models import UsageEvent


@told("Amount")
def amount(settled: LateSettlement) -> str:
    return money(settled.amount, settled.currency)


@told("What it was")
def what(entry: LateEntry) -> str:
    if entry.pricing is not None:
        code = entry.workspace.client.currency
        return f"cost found later: {quantity(entry.pricing.client_cost)} {code}"
    if entry.correction is None:
        return "reported late"
    return f"corrected from {entry.correction.previous:f} to {entry.correction.quantity:f}"


@told("Event")
def event_id(entry: LateEntry) -> str:
    return str(entry.event)


@told("Settled")
def settled_at(entry: LateEntry) -> str:
    if entry.settlement is None:
        return "no: it is in no period"
    return f"{entry.settlement.settled_at:%Y-%m-%d %H:%M}, {entry.settlement}"


class UseInline(ScopedInline):
    model = LateGrantUse
    fields = ("grant", "source", "quantity", "returned_as")
    verbose_name_plural = "taken of grants; below 0: freed"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("grant", "returned_as")


class EntryInline(ScopedInline):
    model = LateEntry
    fields = (event_id, what)
    verbose_name_plural = "events and corrections"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .select_related("event", "correction", "pricing", "workspace__client")
        )


class OfEventInline(ScopedInline):
    model = LateEntry
    fields = (what, settled_at)
    verbose_name_plural = "what became of it, late"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = (
            "correction",
            "pricing",
            "workspace__client",
            "settlement__unit",
            "settlement__period__workspace",
        )
        return super().get_queryset(request).select_related(*related)


extend(UsageEvent, inlines=(OfEventInline,))


@admin.register(LateSettlement)
class LateSettlementAdmin(ReadOnlyAdmin):
    """Usage that came, or was corrected, after its period was closed."""

    list_display = (
        "workspace",
        "unit",
        "period",
        "quantity",
        "from_period",
        "from_grants",
        "overage",
        amount,
        "settled_at",
    )
    list_filter = ("workspace", "unit")
    list_select_related = ("workspace", "unit", "period__workspace")
    search_fields = ("workspace__slug", "workspace__client__name", "unit__slug")
    date_hierarchy = "settled_at"
    ordering = ("-settled_at", "-pk")
    inlines = (UseInline, EntryInline)
    fields = (
        ("workspace", "unit"),
        ("period", "settled_in"),
        ("quantity", "overage"),
        ("from_period", "from_grants"),
        ("overage_amount", "minimum_amount"),
        (amount, "charge"),
        ("platform_cost", "agency_cost"),
        "settled_at",
    )
    readonly_fields = (amount,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ("workspace", "unit", "period__workspace", "settled_in__workspace", "charge")
        return super().get_queryset(request).select_related(*related)
