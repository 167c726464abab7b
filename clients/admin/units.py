"""Usage units, and how their meters count."""

from __future__ import annotations

import json

from django.contrib import admin

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import told
from clients.models import Meter, UnitTemplate, UsageUnit


@told("Counts")
def counts(meter: Meter) -> str:
    words = str(Meter.Aggregation(meter.aggregation).label)
    return f"{words}: {meter.property_name}" if meter.property_name else words


@told("Rules")
def rules(meter: Meter) -> str:
    parts = [("only", meter.filters), ("weights", meter.weights)]
    return "; ".join(f"{name} {json.dumps(rule)}" for name, rule in parts if rule) or "–"


class MeterInline(ScopedInline):
    model = Meter
    fields = ("version", counts, rules, "effective_from")
    verbose_name_plural = "meter versions"


@admin.register(UsageUnit)
class UsageUnitAdmin(ReadOnlyAdmin):
    """What clients count. A unit's meter changes by a new version, never in place."""

    list_display = ("name", "plural", "slug", "agency", "decimals", "created_at")
    list_filter = ("agency",)
    list_select_related = ("agency",)
    search_fields = ("name", "plural", "slug")
    inlines = (MeterInline,)
    fields = ("agency", ("name", "plural"), "slug", "decimals", "template", "created_at")


@admin.register(Meter)
class MeterAdmin(ReadOnlyAdmin):
    """Every version of every meter."""

    list_display = ("unit", "version", counts, rules, "effective_from")
    list_filter = ("unit", "aggregation")
    list_select_related = ("unit",)
    search_fields = ("unit__name", "unit__slug")
    fields = (
        ("unit", "version"),
        ("aggregation", "property_name"),
        "filters",
        "weights",
        "effective_from",
        ("created_at", "created_by"),
    )


@admin.register(UnitTemplate)
class UnitTemplateAdmin(ReadOnlyAdmin):
    """The catalogue that ships with the platform."""

    list_display = ("name", "plural", "automation", "aggregation", "slug")
    list_filter = ("automation",)
    search_fields = ("name", "plural", "slug", "automation")
