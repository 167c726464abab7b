"""What clients were asked about going on past their credit, and how that stands. Reads only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from billing.asking import Asked
from billing.models import BillingPeriod, OverageQuestion
from billing.services.plans import Terms
from clients.models import Client, UsageUnit, Workspace

Questions = Mapping[tuple[int, int], Asked]
"""By period and unit."""


def asks(terms: Terms) -> bool:
    """Whether a plan asks about any unit."""
    return any(allowance.overage.ask is not None for allowance in terms.plan.allowances)


def questions_of(periods: Iterable[BillingPeriod], terms: Mapping[int, Terms]) -> Questions:
    """What was asked in some periods. No query where none of their plans asks; else one.

    ``terms``: of their plan versions, by id.
    """
    asking = [period.pk for period in periods if asks(terms[period.plan_version_id])]
    if not asking:
        return {}
    rows = OverageQuestion.objects.filter(period__in=asking).select_related("answer")
    return {(row.period_id, row.unit_id): row.as_asked for row in rows}


def open_questions(client: Client, *, now: dt.datetime) -> list[OverageQuestion]:
    """What waits for a client's answer, the most urgent first."""
    rows = OverageQuestion.objects.for_client(client).open(now)
    return list(rows.select_related("workspace", "unit", "period").order_by("answer_by", "pk"))


def question_about(
    *, workspace: Workspace, unit: UsageUnit, now: dt.datetime
) -> OverageQuestion | None:
    """The question of a unit in the period in progress."""
    rows = OverageQuestion.objects.filter(
        workspace=workspace, unit=unit, period__start__lte=now, period__end__gt=now
    ).exclude(period__state=BillingPeriod.State.WITHDRAWN)
    return rows.select_related("answer").first()


def state_in_words(question: OverageQuestion | None, now: dt.datetime) -> dict[str, str | None]:
    """How a question stands, for programs: their times are UTC and ISO 8601."""
    if question is None:
        return {"state": "not_asked", "asked_at": None, "answer_by": None, "answered_at": None}
    answer = question.given_answer
    return {
        "state": question.state(now),
        "asked_at": _instant(question.asked_at),
        "answer_by": _instant(question.answer_by),
        "answered_at": None if answer is None else _instant(answer.answered_at),
    }


def _instant(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
