"""What model calls cost: overrides of the shipped price list, and exchange rates."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agencyportal.core.admin import ScopedModelAdmin
from agencyportal.core.admin_columns import state
from agencyportal.core.powers import Power, powers_in
from clients.models import CostPayer, ExchangeRate, ModelPrice

PAYERS = {"platform": "info", "agency": "warning"}


@admin.register(ModelPrice)
class ModelPriceAdmin(ScopedModelAdmin):
    """A dated price. Once events may have been priced by it, the next one takes its place."""

    add_power = Power.ACT
    list_display = (
        "model",
        "provider",
        "agency",
        state("cost_payer", PAYERS),
        "input_price",
        "output_price",
        "currency",
        "effective_from",
    )
    list_filter = ("cost_payer", "provider", "agency")
    list_select_related = ("agency",)
    search_fields = ("model", "provider")
    ordering = ("model", "-effective_from")
    fields = (
        ("agency", "cost_payer"),
        ("provider", "model"),
        ("input_price", "cached_input_price"),
        "output_price",
        ("currency", "effective_from"),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """What the platform pays is the operator's to say; an agency prices its own bill."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if not powers_in(request).everything:
            if db_field.name == "cost_payer":
                field.choices = [
                    choice for choice in CostPayer.choices if choice[0] == CostPayer.AGENCY
                ]
            elif db_field.name == "agency":
                field.required = True
        return field


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ScopedModelAdmin):
    """Dated rates, the operator's."""

    add_power = Power.OPERATE
    list_display = ("base", "quote", "rate", "effective_from")
    list_filter = ("base", "quote")
    search_fields = ("base", "quote")
    ordering = ("base", "quote", "-effective_from")
    fields = (("base", "quote"), ("rate", "effective_from"))
