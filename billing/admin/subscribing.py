"""A workspace is put on a package; shown before it is done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.utils.timezone import localtime

from agencyportal.core.admin import extend
from agencyportal.core.admin_dialogs import DayField, DialogForm
from agencyportal.core.form_fields import WholeNumberFormField
from agencyportal.core.periods import local_date, local_day_start
from agencyportal.core.powers import Power
from billing.models import PlanVersion, Subscription
from billing.plan_documents import LONGEST_TRIAL
from billing.services.change_preview import preview_change
from billing.services.subscriptions import activate
from billing.trials import trial_end
from clients.models import Workspace

from .dialogs import BillingDialog
from .lifecycle import ONE_DAY, shown, through, versions_for, with_choices


class SubscribeForm(DialogForm):
    plan_version = forms.ChoiceField(label="Package")
    start = DayField(label="First day", help_text="Usage reported before counts, too.")
    last = DayField(label="Last day", required=False, help_text="Empty: until it is ended.")
    trial_days = WholeNumberFormField(
        label="Days on trial",
        required=False,
        min_value=0,
        max_value=LONGEST_TRIAL,
        help_text=(
            "Empty: as the package says; 0: none. Days of the client's time zone, the first day "
            "among them: the whole allowance once, no fees, nothing beyond it."
        ),
    )


class Subscribe(BillingDialog):
    """A workspace is put on a package."""

    slug = "subscribe"
    title = "Put on a package"
    icon = "playlist_add"
    submit = "Put it on the package"
    power = Power.ACT
    row: Workspace
    form_class: ClassVar[type[DialogForm]] = SubscribeForm

    def is_offered(self) -> bool:
        return not self.row.subscriptions.running_or_planned(self.now).exists()

    def why_not(self) -> str:
        if self.request.method == "GET" and not versions_for(self.row):
            return f"There is no published package in {self.row.client.currency}. Import one first."
        return ""

    def form(self, data: Any = None) -> DialogForm:
        form = with_choices(SubscribeForm(data), versions_for(self.row))
        form.fields["start"].initial = local_date(self.now, self.row.client.timezone)
        return form

    def change(self, form: DialogForm) -> Callable[[], Subscription]:
        said, zone = form.cleaned_data, self.row.client.timezone
        last = said["last"]
        return lambda: activate(
            workspace=self.row,
            plan_version=PlanVersion.objects.get(pk=said["plan_version"]),
            start=local_day_start(said["start"], zone),
            end=local_day_start(last + ONE_DAY, zone) if last else None,
            trial_days=said["trial_days"],
            now=self.now,
            created_by=self.user,
        )

    def preview(self, form: DialogForm) -> list[tuple[str, str]]:
        found = preview_change(self.change(form), workspace=self.row, now=self.now)
        rows = shown(found, self.row.client.currency, self.row.client.timezone)
        until = self._trial_until(form)
        return [("On trial", through(until, self.row.client.timezone)), *rows] if until else rows

    def _trial_until(self, form: DialogForm) -> dt.datetime | None:
        said = form.cleaned_data
        days = said["trial_days"]
        if days is None:
            days = PlanVersion.objects.get(pk=said["plan_version"]).trial_days
        zone = self.row.client.timezone
        return trial_end(local_day_start(said["start"], zone), days, zone) if days else None

    def act(self, form: DialogForm) -> str:
        made = self.change(form)()
        return f"{made.workspace} is on {made.plan_version} from {localtime(made.start):%-d %b %Y}."


extend(Workspace, dialogs=(Subscribe,))
