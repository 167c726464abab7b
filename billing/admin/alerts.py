"""Alert rules, and the alerts they raised."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.timezone import now

from agencyportal.core.admin import ReadOnlyAdmin, ScopedForm, ScopedInline, ScopedModelAdmin
from agencyportal.core.admin_columns import told
from agencyportal.core.admin_dialogs import dress
from agencyportal.core.powers import Power
from billing.models import Alert, AlertCrossing, AlertRule
from billing.services.alerts import save_rule

MOST = 1000


class AlertRuleForm(ScopedForm):
    """Percents as people write them: ``80, 100``."""

    percents = forms.CharField(
        help_text="Whole percents of what the period entitles to, as in 80, 100, 120."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "percents" in self.fields:
            dress(self.fields["percents"].widget)
            known = self.instance.percents or [80, 100]
            self.initial["percents"] = ", ".join(str(percent) for percent in known)

    def clean_percents(self) -> list[int]:
        parts = self.cleaned_data["percents"].replace("%", " ").replace(",", " ").split()
        if not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts):
            raise forms.ValidationError("Write whole percents with commas between: 80, 100.")
        percents = sorted({int(part) for part in parts})
        if not percents or percents[0] < 1 or percents[-1] > MOST:
            raise forms.ValidationError(f"Name at least one percent, from 1 to {MOST}.")
        return percents

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        workspace, client = cleaned.get("workspace"), cleaned.get("client")
        if workspace and client and workspace.client_id != client.pk:
            self.add_error("workspace", f"{workspace} belongs to {workspace.client}.")
        return cleaned


@told("Told at")
def told_at(rule: AlertRule) -> str:
    return str(rule)


@told("About")
def scope(rule: AlertRule) -> str:
    parts = [str(part) for part in (rule.workspace or rule.client, rule.unit) if part]
    return " · ".join(parts) or "Everything"


@admin.register(AlertRule)
class AlertRuleAdmin(ScopedModelAdmin):
    """When who is told. The most specific rule takes the place of wider ones."""

    form = AlertRuleForm
    add_power = Power.ACT
    change_power = Power.ACT
    list_display = (told_at, scope, "agency", "tells_client", "tells_agency", "is_active")
    list_filter = ("is_active", "agency", "client")
    list_select_related = ("agency", "client", "workspace", "unit")
    search_fields = ("client__name", "workspace__slug", "unit__slug")
    autocomplete_fields = ("client", "workspace")
    fields = (
        "agency",
        ("client", "workspace"),
        "unit",
        "percents",
        ("tells_client", "tells_agency"),
        "is_active",
    )

    def write(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,  # noqa: ARG002
        change: bool,
    ) -> None:
        if not change:
            obj.created_by = request.user
        save_rule(
            rule=obj,
            agency=obj.agency,
            client=obj.client,
            workspace=obj.workspace,
            unit=obj.unit,
            percents=obj.percents,
            tells_client=obj.tells_client,
            tells_agency=obj.tells_agency,
            is_active=obj.is_active,
            now=now(),
        )


class CrossingInline(ScopedInline):
    model = AlertCrossing
    fields = ("percent", "arming")
    verbose_name_plural = "thresholds"
    show_change_link = False


@told("Thresholds")
def thresholds(alert: Alert) -> str:
    return " · ".join(f"{crossing.percent} %" for crossing in alert.crossings.all())


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What was crossed, when it was noticed, and the message about it."""

    list_display = ("noticed_at", "workspace", "unit", thresholds, "used", "entitled")
    list_filter = ("workspace", "unit")
    list_select_related = ("workspace", "unit")
    search_fields = ("workspace__slug", "workspace__client__name", "unit__slug")
    date_hierarchy = "noticed_at"
    inlines = (CrossingInline,)
    fields = (
        ("workspace", "unit"),
        "period",
        ("used", "entitled"),
        ("noticed_at", "rule"),
        "mail",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ("workspace", "unit", "period__workspace", "rule", "mail")
        return super().get_queryset(request).select_related(*related).prefetch_related("crossings")
