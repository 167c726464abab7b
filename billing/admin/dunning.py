"""Dunning: the agency's schedule, what was done about an invoice, and who is suspended."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.timezone import localtime

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline, extend
from agencyportal.core.admin_columns import money, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.admin_filters import ChoiceFilter
from agencyportal.core.form_fields import WholeNumberFormField
from agencyportal.core.powers import Power
from billing.dunning import DunningError, Schedule, Step, refuse_unfit
from billing.models import (
    ChargeConsent,
    Dunning,
    DunningEntry,
    DunningSchedule,
    Invoice,
    Suspension,
)
from billing.refusals import RefusedError
from billing.services.charge_consents import consent_of, end_consent
from billing.services.dunning import UNPAID, why_waits
from billing.services.dunning_pauses import pause_dunning, resume_dunning, start_dunning
from billing.services.dunning_schedules import schedule_of, set_schedule
from clients.models import Agency, Client

from .dialogs import BillingDialog, ReasonForm

# --- The schedule, in words --------------------------------------------------------------------


def when(day: int) -> str:
    if day == 0:
        return "On the due date"
    days = "1 day" if abs(day) == 1 else f"{abs(day)} days"
    return f"{days} {'after' if day > 0 else 'before'} it"


def what(step: Step, schedule: Schedule) -> str:
    if step.ends:
        if schedule.policy == DunningSchedule.Policy.SUSPEND:
            return "New usage is suspended until it is paid; client and agency are told"
        return "The agency is told; nothing more happens by itself"
    letter = {
        "": "",
        "reminder": "the client is reminded",
        "final": "the client gets the last notice",
    }
    if not step.charges:
        return letter[step.letter].capitalize()
    charged = "The saved card is charged, where the client has consented"
    return f"{charged}; else {letter[step.letter]}" if step.letter else charged


def in_words(schedule: Schedule) -> list[tuple[str, str]]:
    return [(when(step.day), what(step, schedule)) for step in schedule.steps()]


class DaysField(forms.CharField):
    """Days after the due date, "-3, 0, 7", as numbers."""

    def clean(self, value: Any) -> Any:
        words = str(super().clean(value) or "").replace(";", ",").split(",")
        try:
            return tuple(sorted(int(word) for word in words if word.strip()))
        except ValueError:
            raise forms.ValidationError("Write days as numbers, as in -3, 0, 7.") from None


class ScheduleForm(DialogForm):
    remind_on = DaysField(
        label="Remind on days", required=False, help_text="-3 is three days before the due date."
    )
    charge_on = DaysField(
        label="Charge the saved card on days",
        required=False,
        help_text="0 is the due date. Only of clients that have consented; others are reminded.",
    )
    final_on = WholeNumberFormField(label="Last notice on day", required=False)
    ends_on = WholeNumberFormField(label="The end, on day")
    policy = forms.ChoiceField(label="At the end", choices=DunningSchedule.Policy.choices)


class SetSchedule(BillingDialog):
    """How the agency's clients are asked for what is due, from now on."""

    slug = "dunning"
    title = "Dunning"
    icon = "schedule_send"
    submit = "Use this schedule"
    power = Power.LEAD
    form_class: ClassVar[type[DialogForm]] = ScheduleForm

    def explanation(self) -> str:
        return (
            "Days are counted from the due date. It holds for invoices that are issued from now "
            "on; those in progress keep the schedule that they were issued under."
        )

    def facts(self) -> list[tuple[str, str]]:
        return in_words(schedule_of(self.row, now=self.now))

    def form(self, data: Any = None) -> DialogForm:
        now = schedule_of(self.row, now=self.now)
        shown = {
            "remind_on": ", ".join(map(str, now.remind_on)),
            "charge_on": ", ".join(map(str, now.charge_on)),
            "final_on": now.final_on,
            "ends_on": now.ends_on,
            "policy": now.policy,
        }
        return ScheduleForm(data, initial=shown)

    def preview(self, form: DialogForm) -> list[tuple[str, str]]:
        schedule = _said(form)
        try:
            refuse_unfit(schedule)
        except DunningError as error:
            raise RefusedError(str(error), field=error.field) from error
        running = Dunning.objects.filter(agency=self.row, invoice__state__in=UNPAID).count()
        return [*in_words(schedule), ("Invoices in progress", f"{running}, which keep theirs")]

    def act(self, form: DialogForm) -> str:
        row = set_schedule(
            agency=self.row,
            schedule=_said(form),
            set_by=self.user,
            now=self.now,
            key=self.key(form),
        )
        return f"Invoices that are issued from now on are dunned by schedule {row.number}."


def _said(form: DialogForm) -> Schedule:
    said = form.cleaned_data
    return Schedule(
        remind_on=said["remind_on"],
        charge_on=said["charge_on"],
        final_on=said["final_on"],
        ends_on=said["ends_on"],
        policy=said["policy"],
    )


@told("Steps")
def steps(row: DunningSchedule) -> str:
    return "; ".join(f"{day}: {does}" for day, does in in_words(row.schedule))


@admin.register(DunningSchedule)
class DunningScheduleAdmin(ReadOnlyAdmin):
    """Every schedule that an agency has had. Another one is set on the agency's page."""

    list_display = ("agency", "number", "starts_at", "policy", "set_by")
    list_filter = ("agency", "policy")
    list_select_related = ("agency", "set_by")
    search_fields = ("agency__name",)
    ordering = ("-starts_at", "-pk")
    fields = (("agency", "number"), ("starts_at", "set_by"), steps)
    readonly_fields = (steps,)


# --- On an invoice -----------------------------------------------------------------------------


@told("What came of it")
def outcome(entry: DunningEntry) -> str:
    """Of a charge, how it stands; else why, or whom it was sent to."""
    if entry.checkout is not None:
        state = entry.checkout.get_state_display()
        return f"{state}. {entry.checkout.failure}".strip()
    if entry.mail is not None and not entry.said:
        to = ", ".join(entry.mail.recipients) or "nobody"
        return f"Mail to {to}: {entry.mail.get_state_display().lower()}"
    return entry.said or "–"


@told("Day")
def of_schedule(entry: DunningEntry) -> str:
    return "–" if entry.day is None else when(entry.day)


class DunningEntryInline(ScopedInline):
    model = DunningEntry
    verbose_name_plural = "dunning"
    show_change_link = False

    fields = ("done_at", of_schedule, "kind", outcome, "by")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("mail", "checkout", "by")


@told("Dunning")
def dunning_in_words(invoice: Invoice) -> str:
    """What comes next, or why nothing does."""
    row = Dunning.objects.select_related("version").filter(invoice=invoice).first()
    if invoice.state not in UNPAID:
        return "Nothing to ask for"
    if row is None:
        return "Not dunned: it is from before there was dunning"
    if row.paused_at is not None:
        return f"Paused since {localtime(row.paused_at):%-d %b %Y}"
    if waits := why_waits(invoice):
        return f"Waits. {waits}"
    if row.next_at is None:
        return "Every step is over"
    done = set(invoice.dunning_entries.exclude(day=None).values_list("day", flat=True))
    coming = next((step for step in row.schedule.steps() if step.day not in done), None)
    if coming is None:
        return "Every step is over"
    return f"{localtime(row.next_at):%-d %b %Y}: {what(coming, row.schedule)}"


class OfDunning(BillingDialog):
    """Something about how an invoice is dunned."""

    power = Power.MONEY

    def facts(self) -> list[tuple[str, str]]:
        return [
            ("Due", money(self.row.amount_due, self.row.currency)),
            ("Dunning", str(dunning_in_words(self.row))),
        ]

    def _row(self) -> Dunning | None:
        return Dunning.objects.filter(invoice=self.row).first()


class PauseDunning(OfDunning):
    """Nobody is reminded and no card charged until somebody says so."""

    slug = "pause-dunning"
    title = "Pause dunning"
    icon = "pause_circle"
    submit = "Pause it"
    form_class: ClassVar[type[DialogForm]] = ReasonForm

    def is_offered(self) -> bool:
        row = self._row()
        owed = self.row.state in UNPAID or self.row.suspensions.open().exists()
        return row is not None and row.paused_at is None and owed

    def explanation(self) -> str:
        return (
            "No reminders, no charges, no end; where new usage is suspended for this invoice, it "
            "is admitted again. The client is not told why."
        )

    def act(self, form: DialogForm) -> str:
        reason = form.cleaned_data["reason"]
        pause_dunning(invoice=self.row, reason=reason, paused_by=self.user, now=self.now)
        return f"Dunning of {self.row} is paused: {reason}"


class ResumeDunning(OfDunning):
    """It goes on."""

    slug = "resume-dunning"
    title = "Go on with dunning"
    icon = "play_circle"
    submit = "Go on with it"

    def is_offered(self) -> bool:
        row = self._row()
        return row is not None and row.paused_at is not None

    def explanation(self) -> str:
        return (
            "What was missed by more than a week is passed over, but for the last notice: the end "
            "comes as long after it as the schedule says. Who was suspended is so again at once."
        )

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        resume_dunning(invoice=self.row, resumed_by=self.user, now=self.now)
        return f"Dunning of {self.row} goes on."


class StartDunning(OfDunning):
    """An invoice of before there was dunning is asked for, too."""

    slug = "start-dunning"
    title = "Start dunning"
    icon = "schedule_send"
    submit = "Start it"

    def is_offered(self) -> bool:
        return self.row.state in UNPAID and self._row() is None

    def explanation(self) -> str:
        return (
            "By the agency's schedule of now, counted from the due date. What is over by more than "
            "a week is passed over, but for the last notice."
        )

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        start_dunning(invoice=self.row, now=self.now)
        return f"{self.row} is dunned from now on."


DIALOGS: tuple[type[Dialog], ...] = (PauseDunning, ResumeDunning, StartDunning)

# --- Consents and suspensions ------------------------------------------------------------------


class EndConsent(BillingDialog):
    """The saved card is not charged on due dates any more."""

    slug = "end-consent"
    title = "No charges on due dates"
    icon = "credit_card_off"
    submit = "Do not charge the card"
    power = Power.MONEY
    form_class: ClassVar[type[DialogForm]] = ReasonForm

    def is_offered(self) -> bool:
        return consent_of(self.row) is not None

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return f"{self.row} has not consented to charges on due dates, so there are none."
        return ""

    def explanation(self) -> str:
        return "The client alone can switch it on again, in the portal."

    def act(self, form: DialogForm) -> str:
        end_consent(
            client=self.row,
            words=form.cleaned_data["reason"],
            ended_by=self.user,
            side=ChargeConsent.Side.AGENCY,
            now=self.now,
        )
        return f"The saved card of {self.row} is not charged on due dates any more."


@admin.register(ChargeConsent)
class ChargeConsentAdmin(ReadOnlyAdmin):
    """What clients said about charges on due dates; the latest holds."""

    list_display = ("decided_at", "client", "agency", "is_given", "side", "decided_by")
    list_filter = ("is_given", "side", "agency", "client")
    list_select_related = ("client", "agency", "decided_by")
    search_fields = ("client__name",)
    ordering = ("-pk",)
    fields = (("client", "is_given"), ("side", "decided_by"), "decided_at", "words")


class OpenFilter(ChoiceFilter):
    title = "suspension"
    parameter_name = "suspension"
    questions = {"open": ("Holds", "holding"), "lifted": ("Lifted", "lifted")}

    def holding(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return rows.filter(lifted_at=None)

    def lifted(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return rows.exclude(lifted_at=None)


@told("To pay")
def owed(suspension: Suspension) -> str:
    return money(suspension.invoice.amount_due, suspension.invoice.currency)


@admin.register(Suspension)
class SuspensionAdmin(ReadOnlyAdmin):
    """Clients whose new usage is not admitted. Paying lifts it, or pausing on the invoice."""

    list_display = ("began_at", "client", "agency", "invoice", owed, "lifted_at")
    list_filter = (OpenFilter, "agency", "client")
    list_select_related = ("client", "agency", "invoice__client")
    search_fields = ("client__name", "invoice__number")
    ordering = ("-began_at", "-pk")
    fields = (("client", "invoice"), (owed, "began_at"), "lifted_at")
    readonly_fields = (owed,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)


extend(Agency, dialogs=(SetSchedule,))
extend(Client, dialogs=(EndConsent,))
