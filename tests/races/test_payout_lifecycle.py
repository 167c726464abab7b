"""Two who decide about a payout at once: one decides, the other is told. PostgreSQL shows it."""

from __future__ import annotations

import pytest
from django.db import IntegrityError

from billing.refusals import RefusedError
from clients.models import Agency, User
from payouts.models import Payout, PayoutTransition, Transfer
from payouts.services import lifecycle
from payouts.services.lifecycle import approve_payout, cancel_payout, mark_paid
from payouts.services.payouts import build_payouts
from payouts.services.terms import set_payout_terms
from payouts.services.transfers import make_bank_file
from tests.payouts.accounts import give_account
from tests.payouts.test_payouts import FEBRUARY_ENDS, earn, february

from .at_once import at_once, unguarded

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

NOW = FEBRUARY_ENDS


@pytest.fixture
def payout(northwind: Agency) -> Payout:
    earn(northwind, "10.00", february(3))
    give_account(northwind)
    [made] = build_payouts(now=NOW)
    return made


@pytest.fixture
def people(operator: User) -> list[User]:
    return [operator, User.objects.create_superuser("second@example.com", "demo-portal")]


def decide(payout: Payout, people: list[User], number: int) -> PayoutTransition:
    """The first approves it, the other gives it up."""
    if number:
        return cancel_payout(payout=payout, reason="No", by=people[1], now=NOW, key="cancel")
    return approve_payout(payout=payout, approved_by=people[0], now=NOW, key="approve")


def test_unlocked_both_decide_about_the_same_draft(
    payout: Payout, people: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is told of the other; at best the numbers of their steps collide."""
    rows = unguarded(2)
    monkeypatch.setattr(lifecycle, "lock_row", lambda queryset: rows(queryset)[0])
    results = at_once(2, lambda number: decide(payout, people, number))
    steps = [result for result in results if isinstance(result, PayoutTransition)]
    collided = [str(result) for result in results if isinstance(result, IntegrityError)]
    assert {step.from_state for step in steps} == {"draft"}
    assert len(steps) + len(collided) == 2
    assert all("payout_transition_number_once" in words for words in collided)


def test_one_decides_and_the_other_is_told(payout: Payout, people: list[User]) -> None:
    results = at_once(2, lambda number: decide(payout, people, number))
    payout.refresh_from_db()
    steps = list(payout.transitions.values_list("to_state", flat=True))
    # Cancelled after it was approved is both, one after the other.
    assert steps in (["approved", "cancelled"], ["cancelled"])
    refused = [str(result) for result in results if isinstance(result, RefusedError)]
    assert len(refused) == 2 - len(steps)
    assert payout.state == "cancelled"


def test_two_approvers_approve_once(payout: Payout, people: list[User]) -> None:
    results = at_once(
        2,
        lambda n: approve_payout(payout=payout, approved_by=people[n], now=NOW, key=f"a{n}"),
    )
    assert PayoutTransition.objects.count() == 1
    assert sum(isinstance(result, RefusedError) for result in results) == 1


def test_paid_at_once_it_is_paid_once(payout: Payout, people: list[User]) -> None:
    approve_payout(payout=payout, approved_by=people[0], now=NOW, key="a")
    at_once(
        4,
        lambda n: mark_paid(
            payout=payout, reference="W", paid_at=NOW, by=people[0], now=NOW, key=f"p{n}"
        ),
    )
    assert PayoutTransition.objects.filter(to_state="paid").count() == 1


def test_terms_changed_while_it_is_approved_count_or_come_after(
    payout: Payout, northwind: Agency, people: list[User]
) -> None:
    def work(number: int) -> object:
        if number:
            return set_payout_terms(agency=northwind, payout_day=9, changed_by=people[0], now=NOW)
        return approve_payout(payout=payout, approved_by=people[0], now=NOW, key="a")

    approved, _ = at_once(2, work)
    changed_first = isinstance(approved, RefusedError)
    payout.refresh_from_db()
    assert payout.state == ("draft" if changed_first else "approved")


def test_two_bank_files_made_at_once_hold_a_payout_once(payout: Payout, people: list[User]) -> None:
    approve_payout(payout=payout, approved_by=people[0], now=NOW, key="a")
    results = at_once(
        2,
        lambda n: make_bank_file(
            month=payout.month, currency="USD", created_by=people[n], now=NOW, key=f"f{n}"
        ),
    )
    assert Transfer.objects.count() == 1
    assert sum(isinstance(result, RefusedError) for result in results) == 1
