"""A client's time zone is changed from its page."""

from __future__ import annotations

import zoneinfo
from typing import Any, ClassVar

from django import forms

from agencyportal.core.admin import extend
from agencyportal.core.admin_dialogs import DialogForm
from agencyportal.core.powers import Power
from billing.services.time_zones import change_timezone
from clients.models import Client

from .dialogs import BillingDialog
from .lifecycle import reason_field


class TimeZoneForm(DialogForm):
    timezone = forms.ChoiceField(label="Time zone")
    reason = reason_field()


class ChangeTimeZone(BillingDialog):
    """The client's days and periods are counted in another zone."""

    slug = "timezone"
    title = "Change the time zone"
    icon = "schedule"
    submit = "Change the time zone"
    power = Power.ACT
    row: Client
    form_class: ClassVar[type[DialogForm]] = TimeZoneForm

    def explanation(self) -> str:
        return (
            "The running periods keep their start, their days and their fees, and end at the next "
            "boundary in the new zone. The periods after them are counted there."
        )

    def facts(self) -> list[tuple[str, str]]:
        return [("Time zone now", str(self.row.timezone))]

    def form(self, data: Any = None) -> DialogForm:
        form = TimeZoneForm(data)
        form.fields["timezone"] = forms.ChoiceField(
            label="Time zone",
            choices=[(name, name) for name in sorted(zoneinfo.available_timezones())],
            initial=self.row.timezone,
            widget=form.fields["timezone"].widget,
        )
        return form

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        change_timezone(
            client=self.row,
            timezone=said["timezone"],
            now=self.now,
            changed_by=self.user,
            reason=said["reason"],
        )
        return f"{self.row} is in {said['timezone']} now."


extend(Client, dialogs=(ChangeTimeZone,))
