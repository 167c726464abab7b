"""Usage units, and how their meters count."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import URLPattern, path

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import told
from agencyportal.core.admin_dialogs import Dialog, DialogForm, link
from agencyportal.core.form_fields import JsonListField
from agencyportal.core.powers import Power
from clients.models import Meter, UnitTemplate, UsageUnit
from clients.services.units import change_meter

from .bench import bench_view


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


class ChangeMeterForm(DialogForm):
    aggregation = forms.ChoiceField(label="Counts", choices=Meter.Aggregation.choices)
    property_name = forms.CharField(
        required=False, max_length=100, help_text="What a sum adds: its name in `properties`."
    )
    filters = JsonListField(
        required=False,
        initial=list,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text='Only these events count, as [{"field": "model", "op": "eq", "value": "…"}].',
    )
    weights = JsonListField(
        required=False,
        initial=list,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text='The first that matches multiplies, as [{"when": [condition], "multiply": "2"}].',
    )
    effective_from = forms.DateTimeField(
        label="From",
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
        help_text="In the agency's time zone. What happened before stays as it was counted.",
    )

    def clean_effective_from(self) -> dt.datetime:
        """In UTC; the calendar's own ends are instants in some zones only."""
        given: dt.datetime = self.cleaned_data["effective_from"]
        try:
            return given.astimezone(dt.UTC)
        except OverflowError:
            raise ValidationError("Choose a time that there is.") from None


class ChangeMeter(Dialog):
    """A unit is counted differently from a date on: a new version, the past does not move."""

    slug = "change-meter"
    title = "Change the meter"
    icon = "straighten"
    submit = "Add the version"
    power = Power.ACT
    form_class: ClassVar[type[DialogForm]] = ChangeMeterForm

    def explanation(self) -> str:
        return (
            "Every package that includes this unit counts it the new way from then on, periods in "
            "progress included. Try a sample on the test bench afterwards: it shows every version."
        )

    def form(self, data: Any = None) -> DialogForm:
        form = ChangeMeterForm(data)
        last: Meter = self.row.meters.latest("version")
        for name in ("aggregation", "property_name", "filters", "weights"):
            form.fields[name].initial = getattr(last, name)
        return form

    def act(self, form: DialogForm) -> str:
        given = form.cleaned_data
        meter = change_meter(
            unit=self.row,
            aggregation=given["aggregation"],
            property_name=given["property_name"],
            filters=given["filters"] or [],
            weights=given["weights"] or [],
            effective_from=given["effective_from"],
            now=self.now,
            created_by=self.user,
        )
        return f"{meter} holds from {meter.effective_from:%Y-%m-%d %H:%M} UTC."


@admin.register(UsageUnit)
class UsageUnitAdmin(ReadOnlyAdmin):
    """What clients count. A unit's meter changes by a new version, never in place."""

    list_display = ("name", "plural", "slug", "agency", "decimals", "created_at")
    list_filter = ("agency",)
    list_select_related = ("agency",)
    search_fields = ("name", "plural", "slug")
    inlines = (MeterInline,)
    fields = ("agency", ("name", "plural"), "slug", "decimals", "template", "created_at")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (ChangeMeter,)

    def more_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(bench_view(self))
        return [path("<path:object_id>/bench/", view, name=self._url_name("bench"))]

    def links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        return [link("Test bench", "science", self.url("bench", obj))]


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
