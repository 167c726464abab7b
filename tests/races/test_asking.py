"""Many at once at the edge of what is let in before an answer, and an answer in a burst."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from threading import Barrier

import pytest

from billing.models import Mail, OverageAnswer, OverageQuestion, Reservation
from billing.refusals import NotAdmittedError, RefusedError
from billing.services import questions
from billing.services.attention import attend
from billing.services.questions import answer
from billing.services.reservations import commit_reservation, reserve
from clients.models import ClientMember, User, Workspace
from clients.services import windows
from clients.services.people import add_client_member
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.plan_samples import NEW_YORK_2026, allowance, starter
from tests.billing.story import close, lines_of, periods_of, subscribe

from .at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

JANUARY = NEW_YORK_2026[1]
NOW = JANUARY + dt.timedelta(hours=1)
LATER = NOW + dt.timedelta(minutes=30)
CALLERS = 32
UP_TO = 10


@pytest.fixture
def admin(acme) -> User:
    user = User.objects.create_user("ada@acme.example", "x")
    add_client_member(client=acme, user=user, role=ClientMember.Role.ADMIN)
    return user


@pytest.fixture
def workspace(acme_support, conversation) -> Workspace:
    """15 conversations, all used; 10 more are let in while the client is asked."""
    overage = {
        "policy": "ask",
        "up_to": str(UP_TO),
        "pricing": {"model": "per_unit", "unit_amount": "0.10"},
    }
    subscribe(
        acme_support, starter(allowances=[allowance(included="15", overage=overage)]), JANUARY
    )
    used = SubmittedEvent(id="used", unit="conversation", quantity=Decimal(15), time=JANUARY)
    record_events(workspace=acme_support, events=[used], now=JANUARY)
    attend(workspace_id=acme_support.pk, now=JANUARY)
    return acme_support


def call(workspace: Workspace, unit, number: int, now: dt.datetime) -> Reservation | None:
    """Hold one unit and use it; None where it is not let in."""
    try:
        held = reserve(workspace=workspace, unit=unit, quantity=Decimal(1), now=now)
    except NotAdmittedError:
        return None
    event = SubmittedEvent(id=f"call {number}", unit=unit.slug)
    return commit_reservation(reservation=held, event=event, now=now).reservation


def granted(results: list[object]) -> int:
    for result in results:
        assert result is None or isinstance(result, Reservation | OverageAnswer), result
    return sum(isinstance(result, Reservation) for result in results)


def test_many_at_the_edge_get_what_is_let_in_and_ask_once(workspace, conversation, admin):
    results = at_once(CALLERS, lambda number: call(workspace, conversation, number, NOW))

    assert granted(results) == UP_TO
    assert OverageQuestion.objects.count() == 1
    assert Mail.objects.filter(key__startswith="question:").count() == 1


def test_a_refusal_in_a_burst_stops_it_and_what_got_in_is_billed(workspace, conversation, admin):
    call(workspace, conversation, -1, NOW)
    question = OverageQuestion.objects.get()

    def work(number: int) -> object:
        if number == CALLERS // 2:
            return answer(question=question, approve=False, answered_by=admin, now=LATER)
        return call(workspace, conversation, number, LATER)

    in_burst = granted(at_once(CALLERS, work))

    assert call(workspace, conversation, CALLERS, LATER) is None
    assert in_burst < UP_TO
    used = 1 + in_burst
    january = close(periods_of(workspace)[0])
    overage = [line for line in lines_of(january) if line[0] == "overage"]
    assert overage == [("overage", str(used), f"{used / 10:.2f}")]


def test_an_approval_in_a_burst_lets_the_rest_in(workspace, conversation, admin):
    call(workspace, conversation, -1, NOW)
    question = OverageQuestion.objects.get()

    def work(number: int) -> object:
        if number == CALLERS // 2:
            return answer(question=question, approve=True, answered_by=admin, now=LATER)
        return call(workspace, conversation, number, LATER)

    used = 1 + granted(at_once(CALLERS, work))
    while used <= CALLERS:
        assert call(workspace, conversation, CALLERS + used, LATER) is not None
        used += 1

    january = close(periods_of(workspace)[0])
    overage = [line for line in lines_of(january) if line[0] == "overage"]
    assert overage == [("overage", str(used), f"{used / 10:.2f}")]


def said_at_once(workspace, conversation, admin) -> list[str]:
    """Two answers at the same time, one of each kind: what came of them."""
    call(workspace, conversation, -1, NOW)
    question = OverageQuestion.objects.get()

    def work(number: int) -> str:
        try:
            return answer(
                question=question, approve=bool(number), answered_by=admin, now=LATER
            ).verdict
        except RefusedError:
            return "too late"

    results = at_once(2, work)
    return sorted(str(result) for result in results)


def test_of_two_answers_at_once_one_counts(workspace, conversation, admin):
    results = said_at_once(workspace, conversation, admin)

    assert OverageAnswer.objects.count() == 1
    assert results == sorted([OverageAnswer.objects.get().verdict, "too late"])


@pytest.mark.postgres
def test_without_the_lock_both_believe_that_they_are_first(
    monkeypatch, workspace, conversation, admin
):
    """Without holding the workspace both have looked before either has answered; what stops the
    second is the constraint, with an error that nobody could read."""
    looked = Barrier(2)

    def unlocked(workspace_id: int, **_options: bool) -> Workspace:
        return Workspace.objects.select_related("client").get(pk=workspace_id)

    def both_have_looked(*_args: object, **_options: object) -> bool:
        looked.wait(20)
        return False

    call(workspace, conversation, -1, NOW)
    question = OverageQuestion.objects.get()
    monkeypatch.setattr(windows, "lock_workspace", unlocked)
    monkeypatch.setattr(questions, "_is_over", both_have_looked)

    results = at_once(
        2,
        lambda number: answer(
            question=question, approve=bool(number), answered_by=admin, now=LATER
        ),
    )

    assert sorted(type(result).__name__ for result in results) == [
        "IntegrityError",
        "OverageAnswer",
    ]


@pytest.mark.postgres
def test_without_the_lock_more_gets_in_after_a_refusal(monkeypatch, workspace, conversation, admin):
    """A limit that a refusal does not make void goes on letting in what was meant to stop."""
    call(workspace, conversation, -1, NOW)
    question = OverageQuestion.objects.get()

    def unlocked(workspace_id: int, **_options: bool) -> Workspace:
        return Workspace.objects.select_related("client").get(pk=workspace_id)

    assert call(workspace, conversation, -2, LATER) is not None
    with monkeypatch.context() as patched:
        patched.setattr(windows, "lock_workspace", unlocked)
        answer(question=question, approve=False, answered_by=admin, now=LATER)

    results = at_once(CALLERS, lambda number: call(workspace, conversation, number, LATER))

    assert granted(results) == UP_TO - 2
