"""Asking first: what is let in meanwhile, what the answer decides, and what is billed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from billing.asking import Asked, AskFirst, answer_by, billable, less_the_latest
from billing.models import Mail, OverageAnswer, OverageQuestion
from billing.refusals import NotAdmittedError, RefusedError
from billing.selectors.usage import unit_balances
from billing.services.attention import attend, attend_all
from billing.services.caps import set_cap
from billing.services.grants import adjust
from billing.services.questions import answer, time_out
from billing.services.reservations import commit_reservation, release_reservation, reserve
from clients.models import AgencyMember, CapBalance, ClientMember, User, Workspace
from clients.services.people import add_client_member, add_member
from clients.services.recording import SubmittedEvent, record_events

from .plan_samples import NEW_YORK_2026, allowance, starter
from .story import close, lines_of, periods_of, subscribe

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
NOON = JANUARY + dt.timedelta(hours=12, minutes=7)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
QUARTER = dt.timedelta(minutes=15)


def asking(included: str = "100", **policy: Any) -> dict[str, Any]:
    """100 conversations; asked before it goes on at 0.10 each, 20 more are let in meanwhile."""
    overage = {
        "policy": "ask",
        "up_to": "20",
        "answer_within": "P2D",
        "pricing": {"model": "per_unit", "unit_amount": "0.10"},
    } | policy
    return starter(allowances=[allowance(included=included, overage=overage)])


# --- The core ------------------------------------------------------------------------------------


ASK = AskFirst(Decimal(20), "P2D")
OVERAGE = {JANUARY + n * QUARTER: Decimal(15) for n in range(4)}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, 20),
        (Asked(JANUARY + QUARTER), 15),
        (Asked(JANUARY + 2 * QUARTER), 20),
        (Asked(FEBRUARY, "refused", JANUARY + dt.timedelta(minutes=1)), 15),
        (Asked(FEBRUARY, "refused", JANUARY + QUARTER), 20),
        (Asked(FEBRUARY, "refused", JANUARY + dt.timedelta(minutes=16)), 20),
        (Asked(FEBRUARY, "approved", JANUARY), 60),
        (Asked(FEBRUARY, "approved", JANUARY + dt.timedelta(minutes=16)), 60),
        (Asked(FEBRUARY, "approved", JANUARY + dt.timedelta(minutes=31)), 50),
    ],
)
def test_what_is_billed_goes_by_the_quarter_hour_of_the_answer(asked, expected):
    assert billable(OVERAGE, ASK, asked) == expected


def test_what_credit_covered_is_taken_off_the_latest():
    left = less_the_latest(OVERAGE, Decimal(20))

    assert list(left.values()) == [15, 15, 10, 0]


def test_the_time_to_answer_runs_from_the_end_of_the_quarter_hour_and_ends_with_the_period():
    assert answer_by(NOON, "P2D", FEBRUARY, "America/New_York") == JANUARY + 2 * DAY + 12.25 * HOUR
    assert answer_by(NOON, "P90D", FEBRUARY, "America/New_York") == FEBRUARY


# --- In the books --------------------------------------------------------------------------------


pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(acme) -> User:
    user = User.objects.create_user("ada@acme.example", "x")
    add_client_member(client=acme, user=user, role=ClientMember.Role.ADMIN)
    return user


@pytest.fixture
def workspace(acme_support, conversation, proved) -> Workspace:
    subscribe(acme_support, asking(), JANUARY)
    return acme_support


def record(workspace: Workspace, quantity: int | str, at: dt.datetime = NOON, now=None) -> None:
    event = SubmittedEvent(
        id=f"event {workspace.events.count()}",
        unit="conversation",
        quantity=Decimal(quantity),
        time=at,
    )
    record_events(workspace=workspace, events=[event], now=now or at)
    attend(workspace_id=workspace.pk, now=now or at)


def hold(workspace: Workspace, unit, quantity: int, now: dt.datetime = NOON):
    return reserve(workspace=workspace, unit=unit, quantity=Decimal(quantity), now=now)


def overage_of(workspace: Workspace) -> list[tuple[str, str, str]]:
    january = close(periods_of(workspace)[0])
    return [line for line in lines_of(january) if line[0] == "overage"]


def shown(workspace: Workspace, now: dt.datetime) -> tuple[str, Decimal | None]:
    (balance,) = unit_balances(workspace=workspace, now=now)
    return balance.asking, balance.cap


def test_usage_past_the_credit_asks_once_and_tells_the_admins(workspace, admin):
    record(workspace, 100)
    assert shown(workspace, NOON) == ("not_asked", 120)
    assert not OverageQuestion.objects.exists()

    record(workspace, 1)
    record(workspace, 5)
    attend_all(now=NOON + HOUR)

    question = OverageQuestion.objects.get()
    assert (question.up_to, question.asked_at) == (20, NOON)
    assert question.answer_by == JANUARY + 2 * DAY + dt.timedelta(hours=12, minutes=15)
    assert shown(workspace, NOON) == ("open", 120)
    mail = Mail.objects.get(key=f"question:{question.pk}")
    assert mail.recipients == [admin.email]
    assert "$2.00 at most" in mail.body_text
    assert "January 3, 2026, 12:15" in mail.body_text
    assert f"/portal/{workspace.client_id}/questions/{question.pk}/" in mail.body_text


def test_a_reservation_past_the_credit_asks_and_one_within_it_does_not(workspace, conversation):
    record(workspace, 90)

    hold(workspace, conversation, 10)
    assert not OverageQuestion.objects.exists()
    hold(workspace, conversation, 1)

    assert OverageQuestion.objects.get().asked_at == NOON


def test_up_to_the_stated_quantity_is_let_in_while_nobody_has_answered(workspace, conversation):
    record(workspace, 95)

    hold(workspace, conversation, 25)
    with pytest.raises(NotAdmittedError, match="was asked whether it goes on, and can") as refused:
        hold(workspace, conversation, 1)

    assert refused.value.question["state"] == "open"
    assert refused.value.question["answer_by"] == "2026-01-03T17:15:00Z"


def test_what_earlier_usage_took_of_it_is_not_let_in_again_after_a_grant(workspace, conversation):
    record(workspace, 115)
    later = NOON + DAY
    adjust(
        workspace=workspace,
        unit=conversation,
        quantity=Decimal(10),
        reason="sorry",
        created_by=None,
        now=later,
        key="sorry",
    )

    hold(workspace, conversation, 15, later)  # 10 given, and 5 of the 20 are left
    with pytest.raises(NotAdmittedError):
        hold(workspace, conversation, 1, later)


def test_approved_everything_from_then_on_is_let_in_and_billed(workspace, conversation, admin):
    record(workspace, 110)
    question = OverageQuestion.objects.get()

    answer(question=question, approve=True, answered_by=admin, now=NOON + DAY)
    hold(workspace, conversation, 500, NOON + DAY)
    record(workspace, 90, NOON + DAY)

    assert shown(workspace, NOON + DAY) == ("approved", None)
    assert overage_of(workspace) == [("overage", "100", "10.00")]


def test_refused_nothing_more_is_let_in_and_what_was_stays_billed(workspace, conversation, admin):
    record(workspace, 95)
    held = hold(workspace, conversation, 15)
    question = OverageQuestion.objects.get()

    answer(question=question, approve=False, answered_by=admin, now=NOON + dt.timedelta(minutes=1))
    commit_reservation(
        reservation=held,
        event=SubmittedEvent(id="held", unit="conversation", quantity=Decimal(15)),
        now=NOON + dt.timedelta(minutes=2),
    )

    with pytest.raises(NotAdmittedError, match="and refused"):
        hold(workspace, conversation, 1, NOON + DAY)
    record(workspace, 7, NOON + DAY)  # a fact, reported and not charged
    assert overage_of(workspace) == [("overage", "10", "1.00")]
    (usage,) = periods_of(workspace)[0].usage.all()
    assert (usage.overage, usage.overage_amount) == (17, 1)


def test_not_answered_in_time_is_a_refusal_at_the_deadline(workspace, conversation, admin):
    record(workspace, 110)
    question = OverageQuestion.objects.get()
    deadline = question.answer_by

    hold(workspace, conversation, 1, deadline - QUARTER)
    with pytest.raises(NotAdmittedError, match="did not answer in time"):
        hold(workspace, conversation, 1, deadline)
    with pytest.raises(RefusedError, match="time to answer is over"):
        answer(question=question, approve=True, answered_by=admin, now=deadline)

    assert time_out(now=deadline) == 1
    assert time_out(now=deadline) == 0
    written = OverageAnswer.objects.get()
    assert (written.verdict, written.answered_at) == ("timed_out", deadline)
    record(workspace, 3, deadline)
    assert overage_of(workspace) == [("overage", "10", "1.00")]


def test_beyond_the_stated_quantity_is_reported_until_somebody_agrees(workspace, admin):
    record(workspace, 130)
    record(workspace, 5, NOON + DAY)

    answer(question=OverageQuestion.objects.get(), approve=True, answered_by=admin, now=NOON + DAY)

    # 30 before the answer, of which 20 were foreseen; 5 in its quarter hour.
    assert overage_of(workspace) == [("overage", "25", "2.50")]


def test_a_later_report_counts_at_its_own_time(workspace, admin):
    record(workspace, 101)
    answer(question=OverageQuestion.objects.get(), approve=False, answered_by=admin, now=NOON + DAY)

    record(workspace, 4, NOON + HOUR, now=NOON + 2 * DAY)
    record(workspace, 8, NOON + 2 * DAY)

    assert overage_of(workspace) == [("overage", "5", "0.50")]


def test_usage_nobody_could_be_asked_about_is_billed_up_to_the_quantity(workspace):
    record(workspace, 130, FEBRUARY - HOUR, now=FEBRUARY + HOUR)

    assert not OverageQuestion.objects.filter(period=periods_of(workspace)[0]).exists()
    assert overage_of(workspace) == [("overage", "20", "2.00")]


def test_each_period_asks_anew(workspace, admin):
    record(workspace, 101)
    answer(question=OverageQuestion.objects.get(), approve=True, answered_by=admin, now=NOON)

    record(workspace, 101, FEBRUARY + HOUR)

    january, february = OverageQuestion.objects.order_by("asked_at")
    assert (january.state(FEBRUARY + HOUR), february.state(FEBRUARY + HOUR)) == ("approved", "open")


def test_one_answer_counts_and_the_same_again_is_that_one(workspace, admin):
    record(workspace, 101)
    question = OverageQuestion.objects.get()

    first = answer(question=question, approve=True, answered_by=admin, now=NOON)
    assert answer(question=question, approve=True, answered_by=admin, now=NOON + HOUR) == first
    with pytest.raises(RefusedError, match="has answered already: approved"):
        answer(question=question, approve=False, answered_by=admin, now=NOON + HOUR)


@pytest.mark.parametrize("role", [AgencyMember.Role.FINANCE, AgencyMember.Role.VIEWER])
def test_others_may_not_answer(workspace, acme, role):
    record(workspace, 101)
    viewer = User.objects.create_user("viewer@acme.example", "x")
    add_client_member(client=acme, user=viewer, role=ClientMember.Role.VIEWER)
    looker = User.objects.create_user("looker@northwind.example", "x")
    add_member(agency=acme.agency, user=looker, role=role)

    for user in (viewer, looker):
        with pytest.raises(RefusedError, match="may not answer"):
            answer(
                question=OverageQuestion.objects.get(),
                approve=True,
                answered_by=user,
                now=NOON,
                reason="please",
            )


def test_the_agency_answers_on_behalf_and_says_why(workspace, acme):
    record(workspace, 101)
    manager = User.objects.create_user("manager@northwind.example", "x")
    add_member(agency=acme.agency, user=manager, role=AgencyMember.Role.MANAGER)
    question = OverageQuestion.objects.get()

    with pytest.raises(RefusedError, match="Say why"):
        answer(question=question, approve=True, answered_by=manager, now=NOON)
    given = answer(
        question=question, approve=True, answered_by=manager, now=NOON, reason="On the phone"
    )

    assert (given.on_behalf, given.reason) == (True, "On the phone")


def test_late_usage_of_a_closed_period_goes_by_the_answer_that_was_given(workspace, admin):
    record(workspace, 105)
    answer(question=OverageQuestion.objects.get(), approve=False, answered_by=admin, now=NOON + DAY)
    january, february = periods_of(workspace)
    close(january)
    assert ("overage", "5", "0.50") in lines_of(january)

    record(workspace, 10, NOON + HOUR, now=january.due_at + HOUR)  # before the refusal
    record(workspace, 40, NOON + 3 * DAY, now=january.due_at + HOUR)  # after it
    close(february)

    late = [line for line in lines_of(january) if line[0] == "late_usage"]
    assert late == [("late_usage", "50", "1.00")]


def test_a_spend_cap_counts_what_is_billed(workspace, acme, admin):
    set_cap(agency=acme.agency, client=acme, kind="spend", limit=Decimal(50), now=NOON, set_by=None)
    record(workspace, 150)
    spent = CapBalance.objects.get(workspace=workspace, kind="spend")
    assert spent.spend_used == 2

    record(workspace, 10, NOON + DAY)
    answer(question=OverageQuestion.objects.get(), approve=True, answered_by=admin, now=NOON + DAY)

    spent.refresh_from_db()
    assert spent.spend_used == 3


def test_a_reservation_that_is_given_back_leaves_the_question(workspace, conversation):
    record(workspace, 100)
    held = hold(workspace, conversation, 5)

    release_reservation(reservation=held, now=NOON)

    assert OverageQuestion.objects.count() == 1
    assert overage_of(workspace) == []
