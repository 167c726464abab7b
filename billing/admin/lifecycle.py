"""What is done to subscriptions and to the zone they run in; shown before it is done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, ClassVar, Final

from django import forms

from agencyportal.core.admin import ScopedInline
from agencyportal.core.admin_columns import money, quantity
from agencyportal.core.admin_dialogs import DayField, DialogForm
from agencyportal.core.periods import local_date, local_day_start
from agencyportal.core.powers import Power
from billing.models import PlanVersion, Subscription, SubscriptionChange
from billing.services.change_preview import ChangePreview, preview_change
from billing.services.pauses import pause, resume
from billing.services.plan_changes import change_plan
from billing.services.subscriptions import end, keep
from clients.models import Workspace

from .dialogs import BillingDialog

ONE_DAY: Final = dt.timedelta(days=1)


def reason_field() -> forms.CharField:
    return forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Kept with the change.",
    )


def shown(found: ChangePreview, currency: str, zone: str) -> list[tuple[str, str]]:
    """A preview as names and values: every line, and what is left of each unit right after."""
    rows = []
    for line in found.lines:
        amount = -line.amount if line.is_taken_back else line.amount
        due = f"due {local_date(line.bill_at, zone):%-d %b %Y}"
        taken = ", not invoiced yet and taken back" if line.is_taken_back else ""
        rows.append((line.description, f"{money(amount, currency)}, {due}{taken}"))
    rows.append(("Together", money(found.total, currency)))
    rows += [
        (f"{str(unit.plural).capitalize()} left now", quantity(left)) for unit, left in found.left
    ]
    return rows


def through(end: dt.datetime, zone: str) -> str:
    """A boundary by the last day before it, as people say it."""
    return f"until {local_date(end - dt.timedelta(microseconds=1), zone):%-d %b %Y}"


class OfSubscription(BillingDialog):
    """Something that changes a subscription; ``row`` is it."""

    power = Power.ACT
    row: Subscription

    @property
    def zone(self) -> str:
        return str(self.row.timezone)

    def is_offered(self) -> bool:
        return self.is_to_run()

    def is_to_run(self) -> bool:
        return self.row.end is None or self.row.end > self.now

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return f"{self.row} has ended, or is not in a state for this."
        return ""

    def facts(self) -> list[tuple[str, str]]:
        until = f"{local_date(self.row.end, self.zone):%-d %b %Y}" if self.row.end else "no end"
        trial = self.row.trial_until
        on_trial = trial is not None and trial > self.now
        return [
            ("Workspace", str(self.row.workspace)),
            ("Package", str(self.row.plan_version)),
            *([("On trial", through(trial, self.zone))] if trial and on_trial else []),
            ("Until", until),
            ("Time zone", self.zone),
        ]

    def first_instant(self, day: dt.date) -> dt.datetime:
        return local_day_start(day, self.zone)

    def change(self, form: DialogForm) -> Callable[[], object]:
        """What is done, to be called once."""
        raise NotImplementedError

    def preview(self, form: DialogForm) -> list[tuple[str, str]]:
        found = preview_change(self.change(form), workspace=self.row.workspace, now=self.now)
        return shown(found, self.row.currency, self.zone)


# --- Plans -------------------------------------------------------------------------------------


def versions_for(workspace: Workspace) -> list[PlanVersion]:
    """The published versions that a workspace can be put on, the latest of each plan first."""
    return list(
        PlanVersion.objects.for_agency(workspace.agency_id)
        .filter(
            published_at__isnull=False,
            plan__currency=workspace.client.currency,
            plan__archived_at=None,
        )
        .select_related("plan")
        .order_by("plan__name", "-number")
    )


class PlanForm(DialogForm):
    plan_version = forms.ChoiceField(label="Package")
    when = forms.ChoiceField(
        choices=(("now", "Today"), ("period_end", "With the next period")), label="From"
    )
    reason = reason_field()


def with_choices(form: DialogForm, versions: list[PlanVersion]) -> DialogForm:
    form.fields["plan_version"] = forms.ChoiceField(
        label="Package",
        choices=[(str(version.pk), str(version)) for version in versions],
        widget=form.fields["plan_version"].widget,
    )
    return form


class ChangePlan(OfSubscription):
    """Another package, or another version of it."""

    slug = "change-plan"
    title = "Change the package"
    icon = "swap_horiz"
    submit = "Change the package"
    form_class: ClassVar[type[DialogForm]] = PlanForm

    def explanation(self) -> str:
        return (
            "Today: the days from today on are credited and charged anew, and the allowance is "
            "shared by days. With the next period: nothing of the running one changes."
        )

    def form(self, data: Any = None) -> DialogForm:
        found = versions_for(self.row.workspace)
        return with_choices(PlanForm(data), [v for v in found if v.pk != self.row.plan_version_id])

    def change(self, form: DialogForm) -> Callable[[], Subscription]:
        said = form.cleaned_data
        return lambda: change_plan(
            subscription=self.row,
            plan_version=PlanVersion.objects.get(pk=said["plan_version"]),
            when=said["when"],
            now=self.now,
            changed_by=self.user,
            reason=said["reason"],
        )

    def act(self, form: DialogForm) -> str:
        following = self.change(form)()
        day = local_date(following.start, following.timezone)
        return f"{following.workspace} is on {following.plan_version} from {day:%-d %b %Y}."


# --- Ends and pauses ---------------------------------------------------------------------------


class EndForm(DialogForm):
    last = DayField(label="Last day", help_text="The last one charged.")
    reason = reason_field()


class End(OfSubscription):
    """It runs out after a day."""

    slug = "end"
    title = "End"
    icon = "event_busy"
    submit = "End the subscription"
    danger = True
    form_class: ClassVar[type[DialogForm]] = EndForm

    def explanation(self) -> str:
        return (
            "Fees that were charged ahead are credited for the days after. Usage after the last "
            "day is stored and not charged, and nothing is admitted."
        )

    def change(self, form: DialogForm) -> Callable[[], Subscription]:
        said = form.cleaned_data
        return lambda: end(
            subscription=self.row,
            end=self.first_instant(said["last"] + ONE_DAY),
            now=self.now,
            ended_by=self.user,
            reason=said["reason"],
        )

    def act(self, form: DialogForm) -> str:
        self.change(form)()
        return f"{self.row} ends after {form.cleaned_data['last']:%-d %b %Y}."


class KeepForm(DialogForm):
    reason = reason_field()


class Keep(OfSubscription):
    """A planned end, pause or change is called off."""

    slug = "keep"
    title = "Call off the end"
    icon = "undo"
    submit = "Let it go on"
    form_class: ClassVar[type[DialogForm]] = KeepForm

    def is_offered(self) -> bool:
        return self.row.end is not None and self.is_to_run()

    def explanation(self) -> str:
        return "It goes on without an end; what was planned to follow it is dropped."

    def change(self, form: DialogForm) -> Callable[[], Subscription]:
        reason = form.cleaned_data["reason"]
        return lambda: keep(subscription=self.row, now=self.now, kept_by=self.user, reason=reason)

    def act(self, form: DialogForm) -> str:
        self.change(form)()
        return f"{self.row} goes on."


class PauseForm(DialogForm):
    first = DayField(label="First day of the pause")
    until = DayField(
        label="First day after it",
        required=False,
        help_text="Empty: until somebody lets it go on.",
    )
    reason = reason_field()


class PauseSubscription(OfSubscription):
    """It rests for a while."""

    slug = "pause"
    title = "Pause"
    icon = "pause_circle"
    submit = "Pause the subscription"
    form_class: ClassVar[type[DialogForm]] = PauseForm

    def explanation(self) -> str:
        return (
            "Meanwhile nothing is charged, included or admitted; usage is stored and not charged. "
            "Fees that were charged ahead are credited for the days of the pause."
        )

    def change(self, form: DialogForm) -> Callable[[], Subscription]:
        said = form.cleaned_data
        return lambda: pause(
            subscription=self.row,
            at=self.first_instant(said["first"]),
            until=self.first_instant(said["until"]) if said["until"] else None,
            now=self.now,
            paused_by=self.user,
            reason=said["reason"],
        )

    def act(self, form: DialogForm) -> str:
        self.change(form)()
        return f"{self.row} rests from {form.cleaned_data['first']:%-d %b %Y}."


class ResumeForm(DialogForm):
    first = DayField(label="First day")
    reason = reason_field()


class ResumeSubscription(OfSubscription):
    """A paused one goes on."""

    slug = "resume"
    title = "Resume"
    icon = "play_circle"
    submit = "Let it go on"
    form_class: ClassVar[type[DialogForm]] = ResumeForm

    def is_offered(self) -> bool:
        begun = self.row.continued_by.filter(start__lte=self.now)
        return self.row.end_reason == Subscription.EndReason.PAUSED and not begun.exists()

    def form(self, data: Any = None) -> DialogForm:
        form = ResumeForm(data)
        form.fields["first"].initial = local_date(self.now, self.zone)
        return form

    def change(self, form: DialogForm) -> Callable[[], Subscription]:
        said = form.cleaned_data
        return lambda: resume(
            subscription=self.row,
            at=max(self.first_instant(said["first"]), self._rests_from(said["first"])),
            now=self.now,
            resumed_by=self.user,
            reason=said["reason"],
        )

    def _rests_from(self, day: dt.date) -> dt.datetime:
        """Its end, where that is on the very day; else no bound, and the service says no."""
        ends = self.row.end
        if ends is not None and local_date(ends, self.zone) == day:
            return ends
        return self.first_instant(day)

    def act(self, form: DialogForm) -> str:
        self.change(form)()
        return f"{self.row.workspace} goes on from {form.cleaned_data['first']:%-d %b %Y}."


# --- History -----------------------------------------------------------------------------------


class ChangeInline(ScopedInline):
    model = SubscriptionChange
    fk_name = "subscription"
    fields = ("kind", "effective_at", "from_version", "to_version", "reason", "made_at", "made_by")
    verbose_name_plural = "history"
    ordering = ("-pk",)

    def get_queryset(self, request: Any) -> Any:
        related = ("from_version__plan", "to_version__plan", "made_by")
        return super().get_queryset(request).select_related(*related)


OF_SUBSCRIPTIONS: Final = (ChangePlan, PauseSubscription, ResumeSubscription, End, Keep)
