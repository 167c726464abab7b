"""Corrections of events, and the dialog that makes one."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import quantity, state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.core.powers import Power
from clients import metering
from clients.models import UsageCorrection
from clients.selectors import corrected_quantities
from clients.services.corrections import (
    LONGEST_REASON,
    CorrectionRefusedError,
    correct_event,
)

STANDINGS = {"counted": "success", "late": "warning", "unbilled": "danger"}


class CorrectionForm(DialogForm):
    quantity = PlainDecimalFormField(
        min_value=0,
        max_value=metering.MAX_QUANTITY,
        decimal_places=metering.PLACES,
        label="Counts from now on",
        help_text="In its unit, weights included. 0 voids it.",
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept with the correction.",
    )


class Correct(Dialog):
    """Amends or voids what an event counts."""

    slug = "correct"
    title = "Correct"
    icon = "edit"
    submit = "Correct it"
    power = Power.ACT
    form_class: ClassVar[type[DialogForm]] = CorrectionForm
    refusals = (CorrectionRefusedError,)

    def facts(self) -> list[tuple[str, str]]:
        known = corrected_quantities([self.row.pk]).get(self.row.pk, self.row.quantity)
        return [
            ("Event", str(self.row)),
            ("Happened", f"{self.row.occurred_at:%Y-%m-%d %H:%M} UTC"),
            ("Counts now", f"{quantity(known)} {self.row.unit.plural}"),
        ]

    def explanation(self) -> str:
        return (
            "The event stays as it was reported. In an open period its usage moves at once; in a "
            "closed one the difference settles in the open period and is billed, or credited, "
            "with it. What the call cost stays."
        )

    def act(self, form: DialogForm) -> str:
        done = correct_event(
            workspace=self.row.workspace,
            event_id=self.row.external_id,
            source=self.row.source,
            quantity=form.cleaned_data["quantity"],
            reason=form.cleaned_data["reason"],
            key=self.key(form),
            now=self.now,
            created_by=self.user,
        )
        held = done.correction
        if not done.is_new and held.key != self.key(form):
            return f"{held.event} counts {quantity(held.quantity)} for that reason already."
        return f"{held.event} counts {quantity(held.quantity)} instead of {quantity(held.previous)}"


class CorrectionInline(ScopedInline):
    model = UsageCorrection
    fields = ("recorded_at", "previous", "quantity", "reason", "created_by", "created_with")
    verbose_name_plural = "corrections"


@told("Event", ordering="event__external_id")
def event_id(correction: UsageCorrection) -> str:
    return str(correction.event)


@told("Unit", ordering="event__unit")
def unit(correction: UsageCorrection) -> str:
    return str(correction.event.unit)


@admin.register(UsageCorrection)
class UsageCorrectionAdmin(ReadOnlyAdmin):
    """What events count after all, by whom and why."""

    list_display = (
        event_id,
        "workspace",
        unit,
        "previous",
        "quantity",
        state("standing", STANDINGS),
        "reason",
        "recorded_at",
    )
    list_filter = ("standing", "workspace")
    list_select_related = ("event__unit", "workspace")
    search_fields = ("event__external_id__exact", "workspace__slug", "reason")
    date_hierarchy = "recorded_at"
    ordering = ("-recorded_at", "-pk")
    fields = (
        ("event", "workspace"),
        ("previous", "quantity"),
        "reason",
        ("standing", "recorded_at"),
        ("created_by", "created_with"),
        "public_id",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ("event__unit", "workspace", "created_by", "created_with")
        return super().get_queryset(request).select_related(*related)
