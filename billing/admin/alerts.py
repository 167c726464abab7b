"""Alert rules, and the alerts they raised."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.timezone import now

from agencyportal.core.admin import ReadOnlyAdmin, ScopedForm, ScopedInline, ScopedModelAdmin
from agencyportal.core.admin_columns import told
from agencyportal.core.admin_dialogs import Dialog, DialogForm, dress
from agencyportal.core.powers import Power
from billing.models import Alert, AlertCrossing, AlertRule
from billing.services.alert_reading import mark_read, unread_by_agencies
from billing.services.alert_rules import save_rule
from billing.services.alert_words import AlertWords, words_of
from billing.thresholds import DEFAULT_PERCENTS, Kind, as_text, read_levels
from clients.models import User


class AlertRuleForm(ScopedForm):
    """Levels as people write them: ``80, 100``."""

    levels = forms.CharField(
        help_text=(
            "With commas between: 80, 100. Percent: of what the period entitles to. Units, money: "
            "what was used or spent in the period. Runs out early: days before the period's end. "
            "Unusual usage: percent of the usual, as 300. Repeated overage: periods in a row, as "
            "2. Margin: points below its floor, 0 for any."
        )
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "levels" in self.fields:
            dress(self.fields["levels"].widget)
            known = self.instance.levels or as_text(DEFAULT_PERCENTS)
            self.initial["levels"] = ", ".join(known)

    def clean_levels(self) -> list[str]:
        parts = self.cleaned_data["levels"].replace("%", " ").replace(",", " ").split()
        kind = self.cleaned_data.get("kind")
        if kind is None:
            raise forms.ValidationError("Choose first what is watched.")
        try:
            return as_text(read_levels(Kind(kind), sorted(set(parts), key=_by_size)))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        workspace, client = cleaned.get("workspace"), cleaned.get("client")
        if workspace and client and workspace.client_id != client.pk:
            self.add_error("workspace", f"{workspace} belongs to {workspace.client}.")
        return cleaned


def _by_size(text: object) -> Decimal:
    """What is no number is refused afterwards, in words."""
    try:
        number = Decimal(str(text))
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)


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
    list_display = (
        told_at,
        "kind",
        scope,
        "agency",
        "tells_client",
        "tells_agency",
        "is_clients",
        "is_active",
    )
    list_filter = ("kind", "is_active", "agency", "client")
    list_select_related = ("agency", "client", "workspace", "unit")
    search_fields = ("client__name", "workspace__slug", "unit__slug")
    autocomplete_fields = ("client", "workspace")
    fields = (
        "agency",
        ("client", "workspace"),
        "unit",
        "kind",
        "levels",
        ("tells_client", "tells_agency"),
        "is_active",
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a client set for itself is the client's to change."""
        is_theirs = isinstance(obj, AlertRule) and obj.is_clients
        return not is_theirs and super().has_change_permission(request, obj)

    def write(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,
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
            kind=obj.kind,
            levels=form.cleaned_data["levels"],
            tells_client=obj.tells_client,
            tells_agency=obj.tells_agency,
            is_active=obj.is_active,
            now=now(),
        )


class CrossingInline(ScopedInline):
    model = AlertCrossing
    fields = ("level", "arming")
    verbose_name_plural = "levels"
    show_change_link = False


@told("What was reached")
def what(alert: Alert) -> str:
    return _words(alert).reached


@told("In words")
def in_words(alert: Alert) -> str:
    return _words(alert).text


def _words(alert: Alert) -> AlertWords:
    client = alert.workspace.client
    return words_of(
        alert,
        [crossing.level for crossing in alert.crossings.all()],
        place=f"{alert.workspace.name} of {client.name}",
        currency=client.currency,
        locale="en",
    )


class ReadFilter(admin.SimpleListFilter):
    """What the person has not read yet."""

    title = "read"
    parameter_name = "read"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("new", "New to me")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() != "new":
            return queryset
        return unread_by_agencies(alerts=queryset, user=cast(User, request.user))


class MarkRead(Dialog):
    """The person has read this alert and all before it."""

    slug = "mark-read"
    title = "Mark as read"
    icon = "mark_email_read"
    submit = "Mark as read"
    power = Power.READ

    def is_offered(self) -> bool:
        mine = Alert.objects.filter(pk=self.row.pk)
        return unread_by_agencies(alerts=mine, user=self.user).exists()

    def explanation(self) -> str:
        return "This alert and all before it are no longer new to you. For others they are."

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        mark_read(user=self.user, up_to=self.row, client=None, now=self.now)
        return "Marked as read."


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What was crossed, when it was noticed, and the message about it."""

    list_display = ("noticed_at", "workspace", "unit", "kind", what)
    list_filter = (ReadFilter, "kind", "workspace", "unit")
    list_select_related = ("workspace__client", "unit", "period")
    search_fields = ("workspace__slug", "workspace__client__name", "unit__slug")
    date_hierarchy = "noticed_at"
    inlines = (CrossingInline,)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (MarkRead,)
    fields = (
        ("workspace", "unit"),
        "period",
        in_words,
        ("kind", "measured", "against"),
        ("used", "entitled"),
        ("noticed_at", "rule"),
        ("tells_client", "tells_agency"),
        "mail",
    )
    readonly_fields = (in_words,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ("workspace__client", "unit", "period__workspace", "rule", "mail")
        return super().get_queryset(request).select_related(*related).prefetch_related("crossings")
