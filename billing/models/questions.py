"""Whether a client goes on past its last credit: what it was asked, and what it answered."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import QuantityField
from agencyportal.core.tenancy import ScopedQuerySet
from billing.asking import Asked, Verdict
from clients.models import Agency, Client, UsageUnit, User, Workspace

from .subscriptions import BillingPeriod


class OverageQuestionQuerySet(ScopedQuerySet["OverageQuestion"]):
    agency_path = "agency"
    client_path = "client"

    def open(self, now: dt.datetime) -> OverageQuestionQuerySet:
        """Those that can still be answered."""
        return self.filter(
            answer=None,
            answer_by__gt=now,
            period__end__gt=now,
            period__state=BillingPeriod.State.OPEN,
        )


class OverageQuestion(AppendOnlyModel):
    """Asked once for a unit and period, when usage or a reservation first passes its credit.

    Until ``answer_by``, which lies on the grain, ``up_to`` units of overage are let in. What the
    client says is a row of its own; without one it has timed out from then on.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="overage_questions")
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="overage_questions"
    )
    period = models.ForeignKey(
        BillingPeriod, on_delete=models.PROTECT, related_name="overage_questions"
    )
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    up_to = QuantityField(help_text="Units of overage that are let in until it is answered.")
    asked_at = models.DateTimeField()
    answer_by = models.DateTimeField()
    created_at = models.DateTimeField(default=now, editable=False)

    objects = OverageQuestionQuerySet.as_manager()

    class Meta:
        ordering = ("-asked_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("period", "unit"), name="question_once"),
            models.CheckConstraint(
                condition=models.Q(up_to__gte=0), name="question_up_to_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"{self.unit.plural} of {self.workspace}"

    @property
    def given_answer(self) -> OverageAnswer | None:
        """Reads ``answer``, which a list selects along."""
        return getattr(self, "answer", None)

    @property
    def as_asked(self) -> Asked:
        """The question as the core sees it."""
        answer = self.given_answer
        if answer is None:
            return Asked(self.answer_by)
        verdict: Verdict = answer.verdict  # type: ignore[assignment]
        return Asked(self.answer_by, verdict, answer.answered_at)

    def state(self, now: dt.datetime) -> str:
        """`open`, `approved`, `refused` or `timed_out`."""
        return self.as_asked.verdict_at(now) or "open"


class OverageAnswerQuerySet(ScopedQuerySet["OverageAnswer"]):
    agency_path = "question__agency"
    client_path = "question__client"


class OverageAnswer(AppendOnlyModel):
    """What became of a question; once. Nobody answered where it timed out.

    ``on_behalf``: somebody of the agency answered for the client, for the ``reason`` given.
    """

    class Verdict(models.TextChoices):
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"
        TIMED_OUT = "timed_out", "Not answered in time"

    question = models.OneToOneField(
        OverageQuestion, on_delete=models.PROTECT, related_name="answer"
    )
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    answered_at = models.DateTimeField()
    answered_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    on_behalf = models.BooleanField(default=False)
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = OverageAnswerQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(verdict="timed_out", answered_by__isnull=True)
                | models.Q(verdict__in=("approved", "refused"), answered_by__isnull=False),
                name="answer_has_who_answered",
            ),
        )

    def __str__(self) -> str:
        return self.get_verdict_display()
