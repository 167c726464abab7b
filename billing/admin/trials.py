"""Trials in the admin: given another end, or ended for what is paid; and which end soon."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.db import models
from django.utils.timezone import now

from agencyportal.core.admin_dialogs import DayField, DialogForm
from agencyportal.core.admin_filters import ChoiceFilter
from agencyportal.core.periods import local_date
from billing.models import Subscription
from billing.selectors.trials import on_trial, trials_ending
from billing.services.trials import convert_trial, move_trial_end

from .lifecycle import ONE_DAY, OfSubscription, reason_field


class OnTrialFilter(ChoiceFilter):
    title = "trial"
    parameter_name = "trial"
    questions = {
        "running": ("On trial now", "running"),
        "ending": ("Trial ends within seven days", "ending"),
    }

    def running(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return on_trial(rows, now())

    def ending(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return trials_ending(rows, now())


class OfTrial(OfSubscription):
    """Something that changes where a trial ends."""

    def is_offered(self) -> bool:
        until = self.row.trial_until
        return until is not None and until > self.now and self.is_to_run()

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return f"{self.row} is not on trial."
        return ""


class ConvertForm(DialogForm):
    reason = reason_field()


class ConvertTrial(OfTrial):
    """The client buys before the trial is over."""

    slug = "convert-trial"
    title = "Convert the trial"
    icon = "task_alt"
    submit = "Let it be paid from now on"
    form_class: ClassVar[type[DialogForm]] = ConvertForm

    def explanation(self) -> str:
        return (
            "The first paid period begins now, with its fees and its whole allowance. What was "
            "used in the trial stays free; what was left of it ends."
        )

    def is_offered(self) -> bool:
        return super().is_offered() and self.row.start <= self.now

    def change(self, form: DialogForm) -> Callable[[], Subscription]:
        reason = form.cleaned_data["reason"]
        return lambda: convert_trial(
            subscription=self.row, now=self.now, converted_by=self.user, reason=reason
        )

    def act(self, form: DialogForm) -> str:
        self.change(form)()
        return f"{self.row} is paid from now on."


class MoveTrialForm(DialogForm):
    last_day = DayField(label="Last day of the trial")
    reason = reason_field()


class MoveTrialEnd(OfTrial):
    """A trial lasts longer than agreed, or less long."""

    slug = "move-trial-end"
    title = "Move the trial's end"
    icon = "more_time"
    submit = "Move the trial's end"
    form_class: ClassVar[type[DialogForm]] = MoveTrialForm

    def explanation(self) -> str:
        return (
            "The first paid period begins with the day after. The allowance of the trial stays "
            "what it is, however long it lasts."
        )

    def form(self, data: Any = None) -> DialogForm:
        form = MoveTrialForm(data)
        if self.row.trial_until is not None:
            last = local_date(self.row.trial_until, self.zone) - ONE_DAY
            form.fields["last_day"].initial = last
        return form

    def change(self, form: DialogForm) -> Callable[[], Subscription]:
        said = form.cleaned_data
        return lambda: move_trial_end(
            subscription=self.row,
            last_day=said["last_day"],
            now=self.now,
            moved_by=self.user,
            reason=said["reason"],
        )

    def act(self, form: DialogForm) -> str:
        self.change(form)()
        day: dt.date = form.cleaned_data["last_day"]
        return f"{self.row} is on trial until {day:%-d %b %Y}."


OF_TRIALS: Final = (ConvertTrial, MoveTrialEnd)
