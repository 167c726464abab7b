"""Whether clients go on past their credit: what they were asked, and what they said."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.timezone import now

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import display, money, quantity, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.admin_filters import ChoiceFilter
from agencyportal.core.powers import Power
from billing.models import OverageQuestion
from billing.selectors.balances import Balance, balances
from billing.services.question_mail import most_until_answered
from billing.services.questions import LONGEST_REASON, answer

from .dialogs import BillingDialog
from .plans import pricing_in_words

STATES = {"open": "warning", "approved": "success", "refused": "danger", "timed_out": "default"}
WORDS = {
    "open": "Waiting",
    "approved": "Approved",
    "refused": "Refused",
    "timed_out": "Not answered in time",
}


class OnBehalfForm(DialogForm):
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Why you answer for the client",
        help_text="Kept with the answer.",
    )


class AnswerOnBehalf(BillingDialog):
    """What the two answers share."""

    power = Power.ACT
    form_class: ClassVar[type[DialogForm]] = OnBehalfForm
    approves: ClassVar[bool]

    def is_offered(self) -> bool:
        return bool(self.row.state(self.now) == "open" and self.row.period.end > self.now)

    def facts(self) -> list[tuple[str, str]]:
        row = self.row
        found = [
            ("For", f"{row.client} · {row.workspace}"),
            ("Unit", str(row.unit.plural)),
            ("Let in until answered", quantity(row.up_to)),
            ("Answer by", f"{row.answer_by:%-d %b %Y, %H:%M} UTC"),
        ]
        balance = self._balance()
        overage = balance.allowance.overage if balance and balance.allowance else None
        if balance is None or overage is None:
            return found
        currency = row.period.currency
        most = most_until_answered(overage, row.up_to, currency)
        found.append(("Beyond the credit so far", quantity(balance.overage)))
        found.append(("Price", self._price(balance)))
        if overage.cap_amount is not None:
            found.append(("At most in the period", money(overage.cap_amount, currency)))
        if most is not None:
            found.append(("Charged at most until answered", money(most, currency)))
        return found

    def _balance(self) -> Balance | None:
        found = balances(workspace=self.row.workspace, now=self.now)
        return next((balance for balance in found if balance.unit == self.row.unit), None)

    def _price(self, balance: Balance) -> str:
        row = balance.period.plan_version.allowances.get(unit=balance.unit)
        return pricing_in_words(row.pricing, balance.period.currency)

    def act(self, form: DialogForm) -> str:
        given = answer(
            question=self.row,
            approve=self.approves,
            answered_by=self.user,
            now=self.now,
            reason=form.cleaned_data["reason"],
        )
        return f"{self.row}: {given.get_verdict_display().lower()}, for {self.row.client}."


class ApproveForClient(AnswerOnBehalf):
    """Usage goes on and is billed."""

    slug = "approve"
    title = "Approve for the client"
    icon = "check"
    submit = "Approve: it goes on and is billed"
    approves = True

    def explanation(self) -> str:
        return (
            "From now on to the end of the period everything past the credit is let in and billed "
            "at the price below. An answer cannot be taken back."
        )


class RefuseForClient(AnswerOnBehalf):
    """Nothing past the credit is let in any more."""

    slug = "refuse"
    title = "Refuse for the client"
    icon = "block"
    submit = "Refuse: nothing more is let in"
    danger = True
    approves = False

    def explanation(self) -> str:
        return (
            "To the end of the period nothing past the credit is let in, unless a top-up is "
            "bought. What was let in before stays billed. An answer cannot be taken back."
        )


class StateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "asked"
    questions = {
        "open": ("Waiting for an answer", "open"),
        "answered": ("Answered", "answered"),
        "timed_out": ("Not answered in time", "timed_out"),
    }

    def open(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return rows.open(now())  # type: ignore[attr-defined, no-any-return]

    def answered(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return rows.filter(answer__verdict__in=("approved", "refused"))

    def timed_out(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        unanswered = models.Q(answer=None, answer_by__lte=now())
        return rows.filter(unanswered | models.Q(answer__verdict="timed_out"))


@display(description="state", label=dict(STATES))
def state(question: OverageQuestion) -> tuple[str, str]:
    found = question.state(now())
    return found, WORDS[found]


@told("State")
def state_in_words(question: OverageQuestion) -> str:
    return WORDS[question.state(now())]


@told("Answered by")
def answered_by(question: OverageQuestion) -> str:
    given = question.given_answer
    if given is None or given.answered_by is None:
        return "–"
    return f"{given.answered_by}, for the client" if given.on_behalf else str(given.answered_by)


@told("Answered at")
def answered_at(question: OverageQuestion) -> Any:
    given = question.given_answer
    return None if given is None else given.answered_at


@told("Why")
def reason(question: OverageQuestion) -> str:
    given = question.given_answer
    return (given.reason if given is not None else "") or "–"


@admin.register(OverageQuestion)
class OverageQuestionAdmin(ReadOnlyAdmin):
    """What clients are asked about going on past their credit, once for each unit and period."""

    list_display = ("workspace", "unit", "up_to", "asked_at", "answer_by", state, answered_by)
    list_filter = (StateFilter, "workspace")
    list_select_related = (
        "client",
        "workspace",
        "unit",
        "period__workspace",
        "answer__answered_by",
    )
    search_fields = ("workspace__slug", "client__name", "unit__slug")
    ordering = ("-asked_at", "-pk")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (ApproveForClient, RefuseForClient)
    fields = (
        ("client", "workspace"),
        ("unit", "up_to"),
        ("asked_at", "answer_by"),
        "period",
        state_in_words,
        (answered_by, answered_at),
        reason,
    )
    readonly_fields = (state_in_words, answered_by, answered_at, reason)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)
