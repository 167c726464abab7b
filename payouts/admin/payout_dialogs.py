"""What the operator decides about a payout. Each is a question, a form and one service."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar

from django import forms

from agencyportal.core.admin_columns import money
from agencyportal.core.admin_dialogs import DayField, Dialog, DialogForm
from agencyportal.core.periods import local_day_start
from agencyportal.core.powers import Power
from billing.admin.dialogs import BillingDialog, ReasonForm
from payouts.models import Payout
from payouts.selectors.review import review
from payouts.services.bank_accounts import account_of
from payouts.services.lifecycle import (
    MOVES,
    approve_payout,
    cancel_payout,
    mark_failed,
    mark_paid,
    withdraw_approval,
)

_States = Payout.State


class PayoutDialog(BillingDialog):
    """A step of a payout; offered where the payout can take it."""

    power = Power.OPERATE
    to: ClassVar[str]
    out_of: ClassVar[tuple[str, ...]] = ()
    """The states it is offered in; empty: wherever it leads to ``to``."""

    def is_offered(self) -> bool:
        if self.out_of:
            return self.row.state in self.out_of
        return self.to in MOVES[self.row.state]

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return f"This payout is {self.row.get_state_display().lower()}."
        return ""

    def facts(self) -> list[tuple[str, str]]:
        return [
            ("Agency", str(self.row.agency)),
            ("Month", f"{self.row.month:%B %Y}"),
            ("Amount", self.amount),
        ]

    @property
    def amount(self) -> str:
        return self._money(self.row.amount)

    def _money(self, amount: Decimal) -> str:
        return money(amount, self.row.currency)


class NoteForm(DialogForm):
    note = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="What you looked at, where it was unusual.",
    )


class Approve(PayoutDialog):
    """Somebody who had no hand in it has looked at it."""

    slug = "approve"
    title = "Approve"
    icon = "check_circle"
    submit = "Approve the payout"
    to = _States.APPROVED
    form_class: ClassVar[type[DialogForm]] = NoteForm

    def why_not(self) -> str:
        if reason := super().why_not():
            return reason
        if self.request.method != "GET":
            return ""
        mine = [p for p in self.review.involved if p.user_id == self.user.pk]
        if mine:
            return f"Somebody else has to approve it: you {mine[0].deed}."
        return " ".join(blocker.words for blocker in self.review.blockers)

    def facts(self) -> list[tuple[str, str]]:
        found = self.review
        changes = [
            (
                variance.figure.capitalize(),
                f"{self._money(variance.now)}, after {self._money(variance.before)}",
            )
            for variance in found.variances
            if found.before is not None and variance.figure in ("revenue", "routed cost")
        ]
        unusual = [("To look at", anomaly.words) for anomaly in found.anomalies]
        account = account_of(agency=self.row.agency, at=self.now)
        to = [("Account", f"{account}, {account.holder}")] if account is not None else []
        hands = [("Not by", f"{person.name}, who {person.deed}") for person in found.involved]
        return [*super().facts(), *to, *changes, *unusual, *hands]

    def act(self, form: DialogForm) -> str:
        approve_payout(
            payout=self.row,
            approved_by=self.user,
            now=self.now,
            key=self.key(form),
            note=form.cleaned_data["note"],
        )
        return f"{self.amount} for {self.row.agency} is approved."

    @property
    def review(self) -> Any:
        if not hasattr(self, "_review"):
            self._review = review(self.row, now=self.now)
        return self._review


class Withdraw(PayoutDialog):
    """Back to a draft, while nobody has begun to pay it."""

    slug = "withdraw"
    title = "Withdraw"
    icon = "undo"
    submit = "Withdraw the approval"
    to = _States.DRAFT
    form_class: ClassVar[type[DialogForm]] = ReasonForm

    def act(self, form: DialogForm) -> str:
        reason = form.cleaned_data["reason"]
        withdraw_approval(
            payout=self.row, reason=reason, by=self.user, now=self.now, key=self.key(form)
        )
        return f"The approval is withdrawn: {reason}"


class PaidForm(DialogForm):
    paid_on = DayField(help_text="The day on which it left the platform's account.")
    reference = forms.CharField(max_length=200, help_text="As on the bank statement.")


def first_instant(day: dt.date, timezone: str) -> dt.datetime:
    """When a day begins somewhere: one that has begun is not to come."""
    return local_day_start(day, timezone)


class MarkPaid(PayoutDialog):
    """It was paid at the bank, by hand."""

    slug = "paid"
    title = "Mark as paid"
    icon = "paid"
    submit = "It was paid"
    to = _States.PAID
    form_class: ClassVar[type[DialogForm]] = PaidForm

    def explanation(self) -> str:
        return "The agency's finance people are told, with the reference."

    def act(self, form: DialogForm) -> str:
        reference = form.cleaned_data["reference"]
        mark_paid(
            payout=self.row,
            reference=reference,
            paid_at=first_instant(form.cleaned_data["paid_on"], self.row.agency.timezone),
            by=self.user,
            now=self.now,
            key=self.key(form),
        )
        return f"{self.amount} was paid to {self.row.agency}, {reference}."

    def field_of(self, error: Exception) -> str | None:
        field = super().field_of(error)
        return "paid_on" if field == "paid_at" else field


class MarkFailed(PayoutDialog):
    """It was not paid, or came back."""

    slug = "failed"
    title = "Mark as failed"
    icon = "error"
    submit = "It failed"
    danger = True
    to = _States.FAILED
    form_class: ClassVar[type[DialogForm]] = ReasonForm

    def explanation(self) -> str:
        return (
            "The amount stays owed to the agency, whose finance people are told. Afterwards the "
            "payout is approved again, or cancelled and carried into the next one."
        )

    def act(self, form: DialogForm) -> str:
        reason = form.cleaned_data["reason"]
        mark_failed(payout=self.row, reason=reason, by=self.user, now=self.now, key=self.key(form))
        return f"{self.amount} for {self.row.agency} failed: {reason}"


class Cancel(PayoutDialog):
    """Not to be paid as it is."""

    slug = "cancel"
    title = "Cancel"
    icon = "cancel"
    submit = "Cancel the payout"
    danger = True
    to = _States.CANCELLED
    form_class: ClassVar[type[DialogForm]] = ReasonForm

    def explanation(self) -> str:
        return (
            "Its earnings stay in it, and its amount opens the next payout of the agency. What was "
            "wrong with it is put right by an adjustment, which will be in that one, too."
        )

    def act(self, form: DialogForm) -> str:
        reason = form.cleaned_data["reason"]
        cancel_payout(
            payout=self.row, reason=reason, by=self.user, now=self.now, key=self.key(form)
        )
        return f"The payout is cancelled, and {self.amount} opens the next one: {reason}"


DIALOGS: tuple[type[Dialog], ...] = (Approve, Withdraw, MarkPaid, MarkFailed, Cancel)
