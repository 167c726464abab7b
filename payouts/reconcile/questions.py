"""What clients were asked about going on past their credit, and their answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from billing.asking import answer_by
from billing.models import OverageAnswer, OverageQuestion

from .findings import Checked, Finding, compare, difference, unexpected
from .periods import WorkspaceBooks, period_name

SUBJECT: Final = "Questions about overage"


def check_questions(books: WorkspaceBooks) -> Iterator[Finding]:
    """Every question is one that its period's plan asks, with its quantity and deadline; every
    answer came in time, and what nobody answered timed out at the deadline. What they make of the
    price, the frozen waterfalls prove."""
    periods = {period.pk: period for period in [*books.periods, *books.withdrawn]}
    rows = OverageQuestion.objects.filter(workspace=books.workspace)
    count = 0
    for row in rows.select_related("answer", "unit").order_by("pk"):
        count += 1
        period = periods[row.period_id]
        name = f"{row.unit.plural}, {period_name(period)}"
        terms = books.terms_in(period)
        allowance = next((a for a in terms.plan.allowances if a.unit == row.unit.slug), None)
        ask = None if allowance is None else allowance.overage.ask
        if ask is None:
            yield unexpected(SUBJECT, row, name, "a question that the plan does not ask")
            continue
        ends = books.ends_of(period)
        deadlines = {answer_by(row.asked_at, ask.within, end, period.timezone) for end in ends}
        yield from compare(SUBJECT, row, name, {"up_to": (row.up_to, ask.up_to)})
        if row.answer_by not in deadlines:
            expected = " or ".join(str(deadline) for deadline in sorted(deadlines))
            yield difference(SUBJECT, row, name, "answer_by", row.answer_by, expected)
        if not period.start <= row.asked_at < max(ends):
            yield difference(SUBJECT, row, name, "asked_at", row.asked_at, "within the period")
        yield from _check_answer(row, name)
    if count:
        yield Checked(SUBJECT, count)


def _check_answer(row: OverageQuestion, name: str) -> Iterator[Finding]:
    given = row.given_answer
    if given is None:
        return
    at = given.answered_at
    if given.verdict == OverageAnswer.Verdict.TIMED_OUT:
        yield from compare(SUBJECT, given, name, {"answered_at": (at, row.answer_by)})
    elif not row.asked_at <= at < row.answer_by:
        expected = f"from {row.asked_at} to before {row.answer_by}"
        yield difference(SUBJECT, given, name, "answered_at", at, expected)
