"""Usage events: what happened, and whether it is counted."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import display, quantity, state, told
from agencyportal.core.admin_dialogs import Dialog
from agencyportal.core.admin_filters import ChoiceFilter
from clients.models import UsageDay, UsageEvent

from .conflicts import ConflictInline
from .corrections import Correct, CorrectionInline

STANDINGS = {"counted": "success", "late": "warning", "unbilled": "danger"}
STATUSES = {"ok": "success", "error": "danger"}


@told("Cost", ordering="cost")
def cost(event: UsageEvent) -> str:
    later = getattr(event, "pricing", None)
    if later is not None:
        return f"{quantity(later.cost)} {later.cost_currency}, found later"
    if event.cost is None:
        return f"? ({event.get_cost_flag_display()})"
    return f"{quantity(event.cost)} {event.cost_currency}"


@display(description="Standing", ordering="standing", label=STANDINGS)
def standing(event: UsageEvent) -> str:
    """In one word: the sentence is on the event's own page."""
    return event.standing


class CostFilter(ChoiceFilter):
    title = "cost"
    parameter_name = "cost"
    questions = {
        "unknown": ("Unknown", "unknown"),
        "known": ("Known", "known"),
    }

    def unknown(self, events: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return events.filter(cost=None, pricing=None).exclude(model="")

    def known(self, events: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return events.exclude(cost=None, pricing=None)


@admin.register(UsageEvent)
class UsageEventAdmin(ReadOnlyAdmin):
    """Found by id, run or label. Late and unbilled events are here like all others."""

    list_display = (
        "external_id",
        "occurred_at",
        "workspace",
        "unit",
        "quantity",
        "label",
        "model",
        cost,
        standing,
        state("status", STATUSES),
    )
    list_filter = ("standing", "status", CostFilter, "cost_flag", "workspace", "unit")
    list_select_related = ("workspace", "unit")
    search_fields = (
        "external_id__exact",
        "run_id__exact",
        "subject__exact",
        "label",
        "model__exact",
    )
    search_help_text = "Id, run, subject, model or label"
    date_hierarchy = "occurred_at"
    ordering = ("-occurred_at", "-pk")
    inlines = (CorrectionInline, ConflictInline)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (Correct,)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("external_id", "source"),
                    ("workspace", "unit"),
                    ("quantity", "standing"),
                    ("occurred_at", "recorded_at"),
                )
            },
        ),
        ("What it was", {"fields": (("label", "run_id"), ("subject", "status"), "properties")}),
        (
            "The model's work",
            {
                "fields": (
                    ("provider", "model"),
                    ("input_tokens", "cached_input_tokens"),
                    ("output_tokens", "reasoning_tokens"),
                    ("tool_calls", "attempts"),
                )
            },
        ),
        (
            "What it cost",
            {
                "fields": (
                    (cost, "cost_payer"),
                    ("client_cost", "exchange_rate"),
                    ("price_source", "cost_flag"),
                    ("meter", "body_hash"),
                )
            },
        ),
    )
    readonly_fields = (cost,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .select_related("workspace", "unit", "meter__unit", "pricing")
        )


@told("Platform paid", ordering="platform_cost")
def platform_cost(day: UsageDay) -> str:
    return f"{quantity(day.platform_cost)} {day.workspace.client.currency}"


@told("Agency paid", ordering="agency_cost")
def agency_cost(day: UsageDay) -> str:
    return f"{quantity(day.agency_cost)} {day.workspace.client.currency}"


@admin.register(UsageDay)
class UsageDayAdmin(ReadOnlyAdmin):
    """Counted usage by the client's day, label and model: what explains a month."""

    list_display = (
        "day",
        "workspace",
        "unit",
        "label",
        "model",
        "quantity",
        "events",
        "errors",
        "retries",
        platform_cost,
        agency_cost,
    )
    list_filter = ("workspace", "unit", "model")
    list_select_related = ("workspace__client", "unit")
    search_fields = ("label", "model", "workspace__slug", "workspace__client__name")
    date_hierarchy = "day"
    ordering = ("-day", "workspace__slug", "-quantity", "pk")
    fields = (
        ("day", "workspace"),
        ("unit", "quantity"),
        ("label", "model"),
        ("events", "unpriced"),
        ("errors", "retries"),
        ("input_tokens", "cached_input_tokens"),
        ("output_tokens", "tool_calls"),
        (platform_cost, agency_cost),
    )
    readonly_fields = (platform_cost, agency_cost)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("workspace__client", "unit")
