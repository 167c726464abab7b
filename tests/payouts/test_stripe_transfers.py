"""Agencies paid through Stripe: set up there, paid once whatever breaks, and taken back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing import stripe_gateway as gateway
from billing.models import StripeEvent
from billing.refusals import RefusedError
from billing.stripe_gateway import GatewayError
from clients.models import Agency, User
from payouts.models import Payout, StripeAccount, Transfer
from payouts.reconcile.findings import Difference
from payouts.reconcile.lifecycle import check_lifecycles
from payouts.reconcile.scope import Scope
from payouts.reconcile.transfers import check_transfers
from payouts.selectors.review import blockers_of
from payouts.services import stripe_transfers
from payouts.services.lifecycle import approve_payout, cancel_payout, mark_failed, mark_paid
from payouts.services.payouts import build_payouts
from payouts.services.stripe_accounts import look_at_accounts, onboard, read_account
from payouts.services.stripe_transfers import (
    CLAIMED_FOR,
    KEY_KNOWN_FOR,
    ask_back,
    send_transfer,
    send_transfers,
    take_back_transfers,
)
from payouts.services.terms import set_payout_terms
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import deliver, endpoint, stripe, stripe_server

from .test_payouts import FEBRUARY_ENDS, earn, february

__all__ = ["deliver", "endpoint", "stripe", "stripe_server"]

pytestmark = pytest.mark.django_db

D = Decimal
NOW = FEBRUARY_ENDS
SOON = NOW + CLAIMED_FOR
RETURN = "https://portal.example/admin/clients/agency/1/change/"


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def payout(stripe: StripeDouble, northwind: Agency) -> Payout:
    """514.02 for February, of an agency that is paid through Stripe."""
    set_payout_terms(agency=northwind, pay_by="stripe", now=february(1))
    earn(northwind, "514.02", february(20))
    [made] = build_payouts(now=NOW)
    return made


@pytest.fixture
def account(stripe: StripeDouble, northwind: Agency) -> StripeAccount:
    """Set up on Stripe's pages."""
    onboard(agency=northwind, address=RETURN, by=None, now=NOW)
    row = StripeAccount.objects.get()
    stripe.onboard(row.account_id)
    return read_account(account=row, now=NOW)


@pytest.fixture
def approved(payout: Payout, account: StripeAccount, operator: User) -> Transfer:
    approve_payout(payout=payout, approved_by=operator, now=NOW, key="a")
    return Transfer.objects.get()


def stands(payout: Payout) -> tuple[str, list[str]]:
    payout.refresh_from_db()
    return payout.state, list(Transfer.objects.order_by("pk").values_list("state", flat=True))


def differences() -> list[str]:
    found = [*check_transfers(Scope()), *check_lifecycles(Scope())]
    return [str(finding) for finding in found if isinstance(finding, Difference)]


# --- The account -------------------------------------------------------------------------------


def test_an_account_is_made_once_and_a_page_for_it_as_often_as_asked(stripe, northwind):
    pages = [onboard(agency=northwind, address=RETURN, by=None, now=NOW) for _ in range(2)]

    account = StripeAccount.objects.get()
    assert all(page.endswith(f"/connect/{account.account_id}") for page in pages)
    [made] = stripe.rows("account", type="express")
    assert (made["id"], made["country"]) == (account.account_id, "US")
    assert made["metadata"] == {"agency": str(northwind.pk), "slug": "northwind"}


def test_an_answer_that_was_lost_makes_no_second_account(stripe, northwind):
    stripe.breaks = ["lose", "lose"]
    with pytest.raises(GatewayError):
        onboard(agency=northwind, address=RETURN, by=None, now=NOW)
    onboard(agency=northwind, address=RETURN, by=None, now=NOW)

    assert len(stripe.rows("account", type="express")) == 1


def test_what_stripe_tells_of_an_account_blocks_and_frees_its_payout(
    stripe, deliver, payout, northwind
):
    assert [b.name for b in blockers_of(payout, now=NOW)] == ["no_account"]
    onboard(agency=northwind, address=RETURN, by=None, now=NOW)
    row = StripeAccount.objects.get()
    assert [b.name for b in blockers_of(payout, now=NOW)] == ["account_not_ready"]

    stripe.onboard(row.account_id)
    deliver(stripe.events[-1])
    assert blockers_of(payout, now=NOW) == []
    assert StripeEvent.objects.get().said == "Northwind's account: Ready."

    stripe.disable(row.account_id, "rejected.fraud")
    look_at_accounts(now=NOW)
    [blocker] = blockers_of(payout, now=NOW)
    assert blocker.words == "The account at Stripe: Disabled by Stripe: rejected, fraud."


def test_switched_off_stripe_blocks(payout, account, settings):
    settings.STRIPE_SECRET_KEY = ""
    assert [b.name for b in blockers_of(payout, now=NOW)] == ["stripe_off"]
    assert send_transfers(now=NOW, limit=9) == look_at_accounts(now=NOW) == 0


# --- Paying ------------------------------------------------------------------------------------


def test_an_approved_payout_is_paid_by_itself_once(stripe, deliver, payout, approved, account):
    assert stands(payout) == ("approved", ["pending"])
    assert send_transfers(now=NOW, limit=9) == 1
    assert send_transfers(now=SOON, limit=9) == 0
    for event in stripe.events:
        deliver(event)

    [made] = stripe.rows("transfer")
    assert (made["amount"], made["currency"], made["destination"]) == (
        51402,
        "usd",
        account.account_id,
    )
    assert made["transfer_group"] == payout.number
    assert stands(payout) == ("paid", ["paid"])
    approved.refresh_from_db()
    assert (approved.provider_id, approved.reference) == (made["id"], f"Stripe {made['id']}")
    assert differences() == []


@pytest.mark.parametrize("broken", [["drop"] * 2, ["lose"] * 2, ["500"] * 2, ["429"]])
def test_whatever_breaks_on_the_way_it_is_paid_once(stripe, payout, approved, broken):
    stripe.breaks = list(broken)
    assert send_transfers(now=NOW, limit=9) == 0
    assert stands(payout) == ("approved", ["pending"])
    assert send_transfers(now=NOW, limit=9) == 0  # claimed for some minutes

    assert send_transfers(now=SOON, limit=9) == 1
    assert len(stripe.rows("transfer")) == 1
    assert stands(payout) == ("paid", ["paid"])


def test_dying_after_stripe_has_paid_and_before_it_is_written_down(
    stripe, payout, approved, monkeypatch
):
    def die(*_args, **_more):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(stripe_transfers, "_take_in", die)
        with pytest.raises(SystemExit):
            send_transfers(now=NOW, limit=9)
    assert stands(payout) == ("approved", ["pending"])

    assert send_transfers(now=SOON, limit=9) == 1
    assert len(stripe.rows("transfer")) == 1
    assert stands(payout) == ("paid", ["paid"])


def test_after_a_day_stripe_is_asked_what_it_has_before_it_is_asked_to_pay(
    stripe, payout, approved
):
    stripe.breaks = ["lose", "lose"]
    send_transfers(now=NOW, limit=9)
    stripe.api.answered.clear()  # Stripe forgets its keys

    assert send_transfers(now=NOW + KEY_KNOWN_FOR, limit=9) == 1
    assert len(stripe.rows("transfer")) == 1


def test_an_event_that_is_quicker_than_the_answer_pays_it_too(stripe, deliver, payout, approved):
    stripe.breaks = ["lose", "lose"]
    send_transfers(now=NOW, limit=9)
    deliver(stripe.events[-1])

    assert stands(payout) == ("paid", ["paid"])
    assert send_transfers(now=SOON, limit=9) == 0


def test_an_account_that_is_disabled_fails_the_payout_which_may_be_tried_again(
    stripe, payout, approved, account, operator
):
    stripe.disable(account.account_id)
    assert send_transfers(now=NOW, limit=9) == 1
    assert stands(payout) == ("failed", ["failed"])
    assert "capabilities" in Transfer.objects.get().failure

    stripe.onboard(account.account_id)
    approve_payout(payout=payout, approved_by=operator, now=SOON, key="again")
    send_transfers(now=SOON, limit=9)
    assert stands(payout) == ("paid", ["failed", "paid"])
    assert differences() == []


def test_people_do_not_say_what_stripe_does(payout, approved, operator):
    said = {"payout": payout, "by": operator, "now": NOW, "key": "k"}
    for paid in (False, True):
        with pytest.raises(RefusedError, match="Stripe pays it"):
            mark_failed(reason="x", **said)
        if not paid:
            with pytest.raises(RefusedError, match="Stripe pays it"):
                mark_paid(reference="x", paid_at=NOW, **said)
            with pytest.raises(RefusedError, match="It is on its way"):
                cancel_payout(reason="x", **said)
            send_transfers(now=NOW, limit=9)


def test_a_transfer_that_is_paid_is_not_sent_again(stripe, payout, approved):
    send_transfers(now=NOW, limit=9)
    approved.refresh_from_db()
    send_transfer(transfer=approved, now=SOON)

    assert len(stripe.rows("transfer")) == 1


# --- Taken back --------------------------------------------------------------------------------


def test_what_is_taken_back_at_stripe_has_failed(stripe, deliver, payout, approved):
    send_transfers(now=NOW, limit=9)
    made = stripe.last("transfer")
    stripe.take_back(made["id"], 1402)
    deliver(stripe.events[-1])
    approved.refresh_from_db()
    assert (approved.state, approved.returned) == ("paid", D("14.02"))

    stripe.take_back(made["id"])
    deliver(stripe.events[-1])
    assert stands(payout) == ("failed", ["failed"])
    assert payout.transitions.last().reason == "It was taken back at Stripe."
    assert differences() == []


def test_a_transfer_is_taken_back_from_here_once(stripe, payout, approved, operator):
    with pytest.raises(RefusedError, match="Only what was paid"):
        ask_back(transfer=approved, reason="Wrong", asked_by=operator, now=NOW)
    send_transfers(now=NOW, limit=9)
    approved.refresh_from_db()
    ask_back(transfer=approved, reason="Wrong agency", asked_by=operator, now=NOW)
    stripe.breaks = ["lose", "lose"]
    assert take_back_transfers(now=NOW) == 0

    assert take_back_transfers(now=NOW) == 1
    assert take_back_transfers(now=NOW) == 0
    assert len(stripe.rows("transfer_reversal")) == 1
    assert stands(payout) == ("failed", ["failed"])
    assert payout.transitions.last().reason == "Wrong agency"


def test_a_transfer_of_nobody_here_is_none_of_our_business(stripe, deliver, account):
    gateway.transfer(
        account_id=account.account_id,
        amount=D(5),
        currency="USD",
        description="By hand",
        group="",
        metadata={},
        key="elsewhere",
    )
    deliver(stripe.events[-1])

    assert StripeEvent.objects.get().state == "ignored"
    assert not Transfer.objects.exists()
