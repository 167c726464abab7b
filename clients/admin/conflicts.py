"""Events that came again with something else in them, and what was found."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import display, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.admin_filters import ChoiceFilter
from agencyportal.core.powers import Power
from clients.models import EventConflict
from clients.services.conflicts import LONGEST_REMARK, settle_conflict


@display(description="State", label={"open": "warning", "settled": "success"})
def standing(conflict: EventConflict) -> tuple[str, str]:
    return ("open", "Open") if conflict.settled_at is None else ("settled", "Settled")


@told("What came")
def body(conflict: EventConflict) -> SafeString:
    text = json.dumps(conflict.body, indent=2, ensure_ascii=False)
    return format_html('<pre class="console-body">{}</pre>', text)


@told("Event", ordering="event__external_id")
def event_id(conflict: EventConflict) -> str:
    return str(conflict.event)


class SettledFilter(ChoiceFilter):
    title = "state"
    parameter_name = "settled"
    questions = {"open": ("Open", "open"), "settled": ("Settled", "settled")}

    def open(self, conflicts: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return conflicts.filter(settled_at=None)

    def settled(self, conflicts: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return conflicts.exclude(settled_at=None)


class SettleForm(DialogForm):
    remark = forms.CharField(
        max_length=LONGEST_REMARK,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="What was found",
        help_text="Kept with the conflict.",
    )


class Settle(Dialog):
    """Somebody has looked at both reports and knows which one holds."""

    slug = "settle"
    title = "Settle"
    icon = "done"
    submit = "Settle it"
    power = Power.ACT
    form_class: ClassVar[type[DialogForm]] = SettleForm

    def is_offered(self) -> bool:
        return bool(self.row.settled_at is None)

    def why_not(self) -> str:
        if self.row.settled_at is None:
            return ""
        return f"It is settled since {self.row.settled_at:%Y-%m-%d %H:%M} UTC: {self.row.remark}"

    def explanation(self) -> str:
        return (
            "The first report stands and is what was counted; this changes nothing about it. Where "
            "the second one is right, correct the event first. Where both happened, the program "
            "has to send the second one under an id of its own."
        )

    def act(self, form: DialogForm) -> str:
        settled = settle_conflict(
            conflict=self.row,
            remark=form.cleaned_data["remark"],
            settled_by=self.user,
            now=self.now,
        )
        return f"Settled: {settled.remark}"


class ConflictInline(ScopedInline):
    model = EventConflict
    fields = ("received_at", standing, "remark")
    verbose_name_plural = "conflicting reports"


@admin.register(EventConflict)
class EventConflictAdmin(ReadOnlyAdmin):
    """What came under the id of an event that is there, and differs from it. Counts nothing."""

    list_display = (event_id, "workspace", "received_at", standing, "remark")
    list_filter = (SettledFilter, "workspace")
    list_select_related = ("event", "workspace")
    search_fields = ("event__external_id__exact", "workspace__slug", "remark")
    date_hierarchy = "received_at"
    ordering = ("-received_at", "-pk")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (Settle,)
    fields = (
        ("event", "workspace"),
        ("received_at", standing),
        body,
        ("settled_at", "settled_by"),
        "remark",
    )
    readonly_fields = (standing, body)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("event", "workspace", "settled_by")
