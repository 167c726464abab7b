"""Two workers that pay a payout at once pay it once. PostgreSQL shows it."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from billing import stripe_gateway as gateway
from clients.models import Agency, User
from payouts.models import Payout, PayoutTransition, StripeAccount, Transfer
from payouts.services import stripe_transfers
from payouts.services.lifecycle import approve_payout
from payouts.services.payouts import build_payouts
from payouts.services.stripe_accounts import onboard, read_account
from payouts.services.stripe_transfers import send_transfer, send_transfers
from payouts.services.terms import set_payout_terms
from tests.payouts.test_payouts import FEBRUARY_ENDS, earn, february
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

from .at_once import at_once

__all__ = ["stripe", "stripe_server"]

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

NOW = FEBRUARY_ENDS


@pytest.fixture
def approved(stripe: StripeDouble, northwind: Agency, operator: User) -> Payout:
    set_payout_terms(agency=northwind, pay_by="stripe", now=february(1))
    onboard(agency=northwind, address="https://portal.example/", by=None, now=NOW)
    account = StripeAccount.objects.get()
    stripe.onboard(account.account_id)
    read_account(account=account, now=NOW)
    earn(northwind, "10.00", february(3))
    [payout] = build_payouts(now=NOW)
    approve_payout(payout=payout, approved_by=operator, now=NOW, key="a")
    return payout


def send(_number: int) -> Transfer:
    row = Transfer.objects.select_related("payout__agency", "stripe_account").get()
    return send_transfer(transfer=row, now=NOW)


def test_without_the_key_it_would_be_paid_twice(
    stripe: StripeDouble, approved: Payout, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers, pay = itertools.count(), gateway.transfer
    monkeypatch.setattr(
        gateway, "transfer", lambda **said: pay(**{**said, "key": f"key {next(numbers)}"})
    )
    at_once(2, send)
    assert len(stripe.rows("transfer")) == 2


def test_sent_at_once_it_is_paid_once(stripe: StripeDouble, approved: Payout) -> None:
    results = at_once(4, send)
    assert [result.state for result in results] == ["paid"] * 4
    assert len(stripe.rows("transfer")) == 1
    assert PayoutTransition.objects.filter(to_state="paid").count() == 1


def test_workers_share_what_is_to_be_sent(stripe: StripeDouble, approved: Payout) -> None:
    assert sorted(at_once(3, lambda _: send_transfers(now=NOW, limit=5))) == [0, 0, 1]
    transfers = [call for call in stripe.calls if call[:2] == ("POST", "/v1/transfers")]
    assert len(transfers) == 1


def test_refused_and_paid_at_once_it_is_paid(
    stripe: StripeDouble, approved: Payout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is told that the key is taken and finds nothing yet; the other has paid meanwhile."""
    row = Transfer.objects.select_related("payout__agency", "stripe_account").get()
    send_transfer(transfer=Transfer.objects.get(pk=row.pk), now=NOW)
    monkeypatch.setattr(stripe_transfers, "_find", lambda _transfer: None)
    refusal = gateway.RejectedError("Refused.", code="something")

    def refuse(**_said: object) -> None:
        raise refusal

    monkeypatch.setattr(gateway, "transfer", refuse)
    send_transfer(transfer=row, now=NOW + dt.timedelta(seconds=1))
    approved.refresh_from_db()
    assert approved.state == "paid"
