"""Payments: recorded on the page of their invoice."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import state
from billing.models import Payment

METHODS = {"bank_transfer": "info", "card": "success", "other": "default"}


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Money received."""

    list_display = (
        "received_at",
        "client",
        "agency",
        "amount",
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
    fields = (
        ("client", "invoice"),
        ("amount", "currency"),
        ("received_at", "method"),
        "reference",
        ("recorded_by", "created_at"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)
