"""Asks clients whether usage goes on past their credit, and takes their answers (ENGINE 9).

Asked once for a unit and period, by a unique constraint, when usage or a reservation first passes
the credit: `attention` looks after recording commits, `reservations` after something was held.
The question, its mail and what follows from it are one transaction.

Lock order: the workspace, alone -> balances of caps. An answer is a row of its own, once for each
question: of two at the same time the second waits for the workspace and is refused.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db import transaction
from django.db.models import F

from agencyportal.core.powers import Power, powers_of
from billing.asking import answer_by
from billing.models import BillingPeriod, OverageAnswer, OverageQuestion, PlanAllowance
from billing.refusals import RefusedError
from billing.selectors.balances import Balance, held_by, open_balances
from billing.selectors.questions import question_about, state_in_words
from clients.models import ClientMember, UsageUnit, UsageWindow, User, Workspace
from clients.services import windows

from . import spend
from .question_mail import queue_question_mail

LONGEST_REASON: Final = 500
Verdict = OverageAnswer.Verdict


def ask_where_passed(*, workspace: Workspace, now: dt.datetime) -> list[OverageQuestion]:
    """Ask about every unit that usage and reservations have taken past its credit in the period in
    progress, and that nobody was asked about. Call it with the workspace held alone.
    """
    if not _may_ask(workspace, now):
        return []
    *_, current = open_balances(
        workspace=workspace, until=now, held=held_by(workspace), grows=False
    ) or [[]]
    return [
        _ask(workspace, balance, now)
        for balance in current
        if balance.asks and balance.asked is None and balance.overage and now < balance.period.end
    ]


def _may_ask(workspace: Workspace, now: dt.datetime) -> bool:
    running = workspace.periods.open().filter(start__lte=now, end__gt=now)
    return running.filter(plan_version__allowances__policy=PlanAllowance.Policy.ASK).exists()


def _ask(workspace: Workspace, balance: Balance, now: dt.datetime) -> OverageQuestion:
    period = balance.period
    ask = balance.allowance.overage.ask if balance.allowance else None
    if ask is None:
        raise ValueError(f"The package does not ask about {balance.unit.plural}.")
    question = OverageQuestion.objects.create(
        agency_id=period.agency_id,
        client_id=period.client_id,
        workspace=workspace,
        period=period,
        unit=balance.unit,
        up_to=ask.up_to,
        asked_at=now,
        answer_by=answer_by(now, ask.within, period.end, period.timezone),
        created_at=now,
    )
    queue_question_mail(question=question, balance=balance, now=now)
    return question


def passes_credit(*, window: UsageWindow) -> bool:
    """Whether what is used and held of a window may have passed its credit, so that the client is
    to be asked. One query."""
    passed = UsageWindow.objects.filter(attention_at__lt=F("used") + F("reserved"))
    return passed.filter(pk=window.pk).exists()


@transaction.atomic
def answer(
    *,
    question: OverageQuestion,
    approve: bool,
    answered_by: User,
    now: dt.datetime,
    reason: str = "",
) -> OverageAnswer:
    """Decide the rest of the period: approved, overage from now on is billed; refused, nothing
    past the credit is let in any more. What was let in before stays billed.

    A client's admin answers; so may an owner or account manager of the agency, or the operator, on
    its behalf and with a reason. The same answer again is the one that is there. Raises
    RefusedError for anybody else, without that reason, for another answer, and once the time to
    answer or the period is over. Holds the workspace alone.
    """
    reason = reason.strip()
    workspace = windows.lock_workspace(question.workspace_id)
    on_behalf = _on_behalf(question, answered_by)
    verdict = Verdict.APPROVED if approve else Verdict.REFUSED
    given = OverageAnswer.objects.filter(question=question).first()
    if given is not None and given.verdict == verdict:
        return given
    if given is not None and given.verdict != Verdict.TIMED_OUT:
        who = given.answered_by or question.client
        raise RefusedError(f"{who} has answered already: {given.get_verdict_display().lower()}.")
    if given is not None or _is_over(question, now):
        raise RefusedError(
            "The time to answer is over, and nothing more is let in until the period ends. "
            "A top-up can be bought meanwhile."
        )
    if on_behalf and not reason:
        raise RefusedError(f"Say why you answer for {question.client}.", field="reason")
    if len(reason) > LONGEST_REASON:
        raise RefusedError(f"Say it in at most {LONGEST_REASON} characters.", field="reason")
    row = OverageAnswer.objects.create(
        question=question,
        verdict=verdict,
        answered_at=now,
        answered_by=answered_by,
        on_behalf=on_behalf,
        reason=reason,
        created_at=now,
    )
    spend.look_everywhere(workspace=workspace)  # what was only reported may be billed by now
    return row


def _is_over(question: OverageQuestion, now: dt.datetime) -> bool:
    """Whether it cannot be answered any more: in time, or because its period is over."""
    period = BillingPeriod.with_withdrawn.get(pk=question.period_id)
    has_ended = period.end <= now or period.state != BillingPeriod.State.OPEN
    return has_ended or question.answer_by <= now


def time_out(*, now: dt.datetime, limit: int | None = None) -> int:
    """Write down which questions nobody has answered in time; how many.

    It changes nothing about usage, which goes by the time itself; it is what is told. Each in its
    own transaction.
    """
    waiting = OverageQuestion.objects.filter(answer=None, answer_by__lte=now).order_by("pk")
    written = 0
    for question in list(waiting[:limit]):
        with transaction.atomic():
            windows.lock_workspace(question.workspace_id, changes_credit=False)
            _row, is_new = OverageAnswer.objects.get_or_create(
                question=question,
                defaults={
                    "verdict": Verdict.TIMED_OUT,
                    "answered_at": question.answer_by,
                    "created_at": now,
                },
            )
        written += is_new
    return written


def may_answer(*, question: OverageQuestion, user: User) -> bool:
    """Whether somebody's answer is taken."""
    try:
        _on_behalf(question, user)
    except RefusedError:
        return False
    return True


def _on_behalf(question: OverageQuestion, user: User) -> bool:
    """Whether somebody answers for the client; False: as the client's admin."""
    if user.is_active:
        admins = user.client_memberships.filter(
            client=question.client_id, role=ClientMember.Role.ADMIN
        )
        if admins.exists():
            return False
        if powers_of(user).may(Power.ACT, question.agency_id):
            return True
    raise RefusedError(f"{user} may not answer for {question.client}.")


def refusal_of(
    workspace: Workspace, unit: UsageUnit, now: dt.datetime
) -> tuple[str, dict[str, str | None]]:
    """What to add to a refusal where the client is asked first: in words, and for programs.
    Nothing under every other policy."""
    asking = PlanAllowance.objects.filter(unit=unit, policy=PlanAllowance.Policy.ASK)
    running = workspace.periods.open().filter(start__lte=now, end__gt=now)
    if not running.filter(plan_version__allowances__in=asking).exists():
        return "", {}
    question = question_about(workspace=workspace, unit=unit, now=now)
    found = state_in_words(question, now)
    state = "not_asked" if question is None else question.state(now)
    words = {
        "open": "{client} was asked whether it goes on, and can answer in the portal until "
        "{until:%Y-%m-%d %H:%M} UTC.",
        "refused": "{client} was asked whether it goes on, and refused.",
        "timed_out": "{client} was asked whether it goes on, and did not answer in time.",
    }.get(state, "{client} is asked whether it goes on once the package is used up.")
    until = now if question is None else question.answer_by
    return " " + words.format(client=workspace.client, until=until), found
