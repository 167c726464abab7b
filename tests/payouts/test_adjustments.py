"""Adjustments of earnings: asked for by one, decided by another, posted once."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing.refusals import RefusedError
from clients.models import Agency, Client, User
from payouts.models import AdjustmentRequest, Earning
from payouts.reconcile.adjustments import check_adjustments
from payouts.reconcile.findings import Difference
from payouts.reconcile.scope import Scope
from payouts.services.adjustments import (
    approve_adjustment,
    refuse_adjustment,
    request_adjustment,
)
from payouts.services.lifecycle import approve_payout
from payouts.services.payouts import build_payouts

from .accounts import give_account
from .test_payouts import FEBRUARY_ENDS, earn, february

D = Decimal
NOW = february(20)


@pytest.fixture
def second(db: None) -> User:
    return User.objects.create_superuser("second@example.com", "demo-portal", name="Sven")


@pytest.fixture
def asked(northwind: Agency, operator: User) -> AdjustmentRequest:
    return ask(northwind, operator)


def ask(agency: Agency, by: User, **more: Any) -> AdjustmentRequest:
    said: dict[str, Any] = {"amount": D("-4.50"), "currency": "USD", "reason": "Goodwill, shared"}
    return request_adjustment(agency=agency, requested_by=by, now=NOW, key="k", **(said | more))


def differences() -> list[str]:
    return [str(f) for f in check_adjustments(Scope()) if isinstance(f, Difference)]


def test_a_request_alone_moves_nothing(asked):
    assert asked.state == "pending"
    assert not Earning.objects.exists()


def test_approved_by_another_it_is_an_earning_once(asked, second):
    for _ in range(2):
        approve_adjustment(request=asked, approved_by=second, now=NOW, note="Seen")

    earning = Earning.objects.get()
    assert (earning.kind, earning.amount, earning.description) == (
        "adjustment",
        D("-4.50"),
        "Goodwill, shared",
    )
    assert earning.occurred_at == NOW
    assert differences() == []


def test_nobody_approves_or_refuses_what_they_asked_for(asked, operator):
    with pytest.raises(RefusedError, match=r"you asked for -\$4\.50"):
        approve_adjustment(request=asked, approved_by=operator, now=NOW)
    with pytest.raises(RefusedError, match="Somebody else"):
        refuse_adjustment(request=asked, refused_by=operator, note="No", now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        AdjustmentRequest.objects.update(state="refused", decided_by=operator, decided_at=NOW)


def test_refused_it_stays_with_why_and_is_not_approved_any_more(asked, second):
    refuse_adjustment(request=asked, refused_by=second, note="Not agreed", now=NOW)

    asked.refresh_from_db()
    assert (asked.state, asked.decided_by, asked.note) == ("refused", second, "Not agreed")
    with pytest.raises(RefusedError, match="refused already"):
        approve_adjustment(request=asked, approved_by=second, now=NOW)
    assert not Earning.objects.exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"amount": D(0)}, "no amount"),
        ({"amount": D("0.001")}, "no amount"),
        ({"reason": " "}, "Say why"),
        ({"currency": "XXX"}, "no currency"),
    ],
)
def test_what_cannot_be_asked_for(northwind, operator, more, words):
    with pytest.raises(RefusedError, match=words):
        ask(northwind, operator, **more)


def test_a_client_of_somebody_else_is_refused(northwind, operator, cedar: Client):
    with pytest.raises(RefusedError, match="no client of Northwind"):
        ask(northwind, operator, client=cedar)


def test_sent_twice_it_is_one_request_and_another_amount_is_refused(asked, northwind, operator):
    assert ask(northwind, operator) == asked
    with pytest.raises(RefusedError, match="with another amount"):
        ask(northwind, operator, amount=D(5))


def test_whoever_asked_does_not_approve_the_payout_that_it_is_in(
    asked, northwind, operator, second
):
    approve_adjustment(request=asked, approved_by=second, now=NOW)
    earn(northwind, "10.00", february(21))
    give_account(northwind)
    [payout] = build_payouts(now=FEBRUARY_ENDS)
    said: dict[str, Any] = {"payout": payout, "now": FEBRUARY_ENDS, "key": "p"}

    with pytest.raises(RefusedError, match=r"asked for an adjustment of -\$4\.50 in it"):
        approve_payout(approved_by=operator, **said)
    assert approve_payout(approved_by=second, **said).to_state == "approved"


def test_reconcile_finds_an_adjustment_that_nobody_asked_for(asked, northwind, second):
    approve_adjustment(request=asked, approved_by=second, now=NOW)
    earn(northwind, "9.00", NOW + dt.timedelta(hours=1))

    [found] = differences()
    assert "nothing that calls for it" in found
