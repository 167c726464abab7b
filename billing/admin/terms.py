"""Margins, taxes and number series."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.timezone import now

from agencyportal.core.admin import ReadOnlyAdmin, ScopedForm, ScopedModelAdmin
from agencyportal.core.admin_columns import quantity, told
from agencyportal.core.powers import Power
from billing.models import DocumentSeries, MarginRule, TaxExemption, TaxRate
from billing.refusals import RefusedError
from billing.services.margins import add_margin_rule, check_margin_rule
from billing.services.tax_exemptions import add_tax_exemption
from clients.models import User


@told("Applies to")
def scope(rule: MarginRule) -> str:
    where = rule.workspace or rule.client
    parts = [str(part) for part in (where, rule.unit, rule.model) if part]
    return " · ".join(parts) or "Everything"


@told("Adds")
def adds(rule: MarginRule) -> str:
    surcharge = f" + {quantity(rule.surcharge)} each" if rule.surcharge else ""
    return f"{quantity(rule.percent)} %{surcharge}"


class MarginRuleForm(ScopedForm):
    """Says at the field what the service would refuse."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            for name, value in cleaned.items():
                setattr(self.instance, name, value)
            try:
                check_margin_rule(self.instance, now=now())
            except RefusedError as error:
                self.add_error(error.field or None, str(error))
            except forms.ValidationError as error:
                self.add_error(None, error)
        return cleaned


@admin.register(MarginRule)
class MarginRuleAdmin(ScopedModelAdmin):
    """What the agency adds to routed cost. Changed by a new rule from a day to come."""

    form = MarginRuleForm
    add_power = Power.ACT
    list_display = ("name", scope, adds, "floor_percent", "agency", "effective_from")
    list_filter = ("agency", "client", "unit")
    list_select_related = ("agency", "client", "workspace", "unit")
    search_fields = ("name", "client__name", "workspace__slug", "unit__slug", "model")
    ordering = ("-effective_from", "-pk")
    autocomplete_fields = ("client", "workspace")
    fields = (
        ("agency", "name"),
        ("client", "workspace"),
        ("unit", "model"),
        ("percent", "surcharge"),
        "floor_percent",
        "effective_from",
    )

    def write(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Any,
        form: Any,  # noqa: ARG002
        change: bool,  # noqa: ARG002
    ) -> None:
        add_margin_rule(rule=obj, now=now())


@admin.register(TaxRate)
class TaxRateAdmin(ScopedModelAdmin):
    """Tax on what an agency's clients buy, by their country: the platform's to say.

    Another rate is another row, from its date on.
    """

    add_power = Power.OPERATE
    list_display = ("country", "agency", "category", "percent", "effective_from")
    list_filter = ("agency", "country", "category")
    list_select_related = ("agency",)
    search_fields = ("country", "reason")
    ordering = ("country", "-effective_from")
    fields = (
        ("agency", "country"),
        ("category", "percent"),
        ("reason", "reason_code"),
        "effective_from",
    )


@told("Client is", ordering="is_exempt")
def exempt_or_taxed(row: TaxExemption) -> str:
    return "Exempt" if row.is_exempt else "Taxed as others"


@admin.register(TaxExemption)
class TaxExemptionAdmin(ScopedModelAdmin):
    """Clients who pay no tax, by a certificate: the platform's to say. Ended by another row."""

    form = ScopedForm
    add_power = Power.OPERATE
    list_display = ("client", exempt_or_taxed, "certificate", "effective_from", "until")
    list_filter = ("client__agency", "is_exempt")
    list_select_related = ("client__agency",)
    search_fields = ("client__name", "certificate", "reason")
    ordering = ("-effective_from", "-pk")
    autocomplete_fields = ("client",)
    fields = (
        "client",
        "is_exempt",
        ("certificate", "reason"),
        "reason_code",
        ("effective_from", "until"),
    )

    def write(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,  # noqa: ARG002
        change: bool,  # noqa: ARG002
    ) -> None:
        add_tax_exemption(exemption=obj, created_by=cast(User, request.user))


@admin.register(DocumentSeries)
class DocumentSeriesAdmin(ReadOnlyAdmin):
    """The gapless runs of numbers, and which comes next."""

    list_display = ("code", "prefix", "next_number")
    search_fields = ("code", "prefix")
