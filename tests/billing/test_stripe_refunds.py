"""Refunds and disputes at Stripe: money goes back, and what came of it counts once."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from agencyportal.core.periods import quarter_floor
from billing import stripe_gateway as gateway
from billing.models import (
    BalanceEntry,
    ClientBalance,
    Dispute,
    Invoice,
    Payment,
    PaymentReversal,
    Refund,
    StripeEvent,
    TopUpOrder,
)
from billing.services.client_balance import adjust_balance, enter, lock_balance
from billing.services.payments import record_payment
from billing.services.refunds import request_refund
from billing.services.reversals import reverse_payment
from billing.services.stripe_customers import ensure_customer
from billing.services.stripe_refunds import (
    KEY_KNOWN_FOR,
    look_at_pending_refunds,
    send_refund,
    send_refunds,
)
from clients.models import UsageUnit, Workspace
from tests.billing import ledger
from tests.billing.plan_samples import starter
from tests.billing.story import subscribe
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import deliver, endpoint, stripe, stripe_server

D = Decimal

__all__ = ["deliver", "endpoint", "stripe", "stripe_server"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon(now: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)


@pytest.fixture
def payment(stripe: StripeDouble, acme_support: Workspace, now: dt.datetime) -> Payment:
    """An invoice of 100.00, paid by card; the client has 30.00 more on its balance."""
    invoice = ledger.issued(acme_support, now=now, fee="100.00")
    customer = ensure_customer(client=acme_support.client, now=now).customer_id
    intent = gateway.charge(
        customer_id=customer,
        card_id=stripe.save_card(customer)["id"],
        amount=D(100),
        currency="USD",
        description="",
        metadata={},
        key="paid",
    )
    give(acme_support, now)
    return record_payment(
        invoice=invoice,
        amount=D(100),
        currency="USD",
        method=Payment.Method.CARD,
        reference="Stripe card",
        received_at=now,
        now=now,
        key="paid",
        provider_id=intent.id,
    )


def give(workspace: Workspace, now: dt.datetime) -> None:
    adjust_balance(
        client=workspace.client,
        currency="USD",
        amount=D(30),
        reason="As agreed",
        adjusted_by=None,
        now=now,
        key="give",
    )


@pytest.fixture
def asked(payment: Payment, now: dt.datetime) -> Refund:
    """30.00 of the balance are to go back to the card."""
    return request_refund(
        client=payment.client,
        amount=D(30),
        currency="USD",
        reason="As agreed",
        requested_by=None,
        now=now,
        key="one",
        payment=payment,
    )


def balance() -> D:
    return ClientBalance.objects.get().amount


def known(refund: Refund) -> tuple[str, str, D]:
    refund.refresh_from_db()
    return refund.state, refund.provider_id, balance()


# --- Refunds -----------------------------------------------------------------------------------


def test_what_is_to_be_paid_back_is_asked_of_stripe_once(
    stripe: StripeDouble, asked: Refund, now: dt.datetime
) -> None:
    assert [send_refunds(now=now, limit=10) for _twice in range(2)] == [1, 0]
    made = stripe.last("refund")
    assert (made["amount"], made["payment_intent"]) == (3000, asked.payment.provider_id)
    assert known(asked) == ("succeeded", made["id"], D(0))
    asked.payment.refresh_from_db()
    assert asked.payment.returned == D(30)


@pytest.mark.parametrize("broken", ["lose", "drop", "500", "401"])
def test_a_lost_answer_is_asked_for_again_and_nothing_goes_back_twice(
    stripe: StripeDouble, asked: Refund, now: dt.datetime, broken: str
) -> None:
    stripe.breaks = [broken, broken]
    assert send_refunds(now=now, limit=10) == 0
    assert known(asked) == ("pending", "", D(0))
    stripe.breaks = []
    assert send_refunds(now=now, limit=10) == 1
    assert len(stripe.rows("refund")) == 1
    assert known(asked)[0] == "succeeded"


def test_after_a_day_stripe_is_asked_what_it_has_before_it_is_asked_to_pay(
    stripe: StripeDouble, asked: Refund, now: dt.datetime
) -> None:
    stripe.breaks = ["lose", "lose"]
    send_refunds(now=now, limit=10)
    stripe.breaks = []
    stripe.api.answered.clear()  # Stripe has forgotten the key

    assert send_refunds(now=now + KEY_KNOWN_FOR, limit=10) == 1
    assert len(stripe.rows("refund")) == 1
    assert known(asked) == ("succeeded", stripe.last("refund")["id"], D(0))


def test_a_refund_that_stripe_refuses_is_on_the_balance_again(
    stripe: StripeDouble, payment: Payment, asked: Refund, now: dt.datetime
) -> None:
    gateway.refund(
        intent_id=payment.provider_id, amount=D(80), currency="USD", metadata={}, key="elsewhere"
    )
    for _twice in range(2):
        send_refund(refund=asked, now=now)
    assert known(asked) == ("failed", "", D(30))
    assert "greater than" in asked.failure
    payment.refresh_from_db()
    assert payment.returned == 0


def test_a_refund_that_fails_later_is_on_the_balance_again_once(
    stripe: StripeDouble, asked: Refund, deliver: Any, now: dt.datetime
) -> None:
    send_refunds(now=now, limit=10)
    refund_id = stripe.last("refund")["id"]
    stripe.finish_refund(refund_id, "failed")
    told = [event for event in stripe.events if event["type"].startswith("refund.")]
    for event in [*told, *told]:
        deliver(event)
    assert known(asked) == ("failed", refund_id, D(30))
    assert asked.failure == "expired or canceled card"
    assert BalanceEntry.objects.filter(kind="refund_failed").count() == 1


def test_an_event_that_overtakes_the_answer_is_understood(
    stripe: StripeDouble, asked: Refund, deliver: Any, now: dt.datetime
) -> None:
    stripe.breaks = ["lose", "lose"]
    send_refunds(now=now, limit=10)
    deliver(stripe.events[-2])
    assert known(asked) == ("succeeded", stripe.last("refund")["id"], D(0))
    assert send_refunds(now=now, limit=10) == 0


def test_a_refund_that_nobody_told_the_end_of_is_looked_at(
    stripe: StripeDouble, asked: Refund, now: dt.datetime
) -> None:
    send_refunds(now=now, limit=10)
    made = stripe.last("refund")
    Refund.objects.filter(pk=asked.pk).update(state="pending", settled_at=None)
    made["status"] = "pending"
    assert look_at_pending_refunds(now=now) == 0
    stripe.finish_refund(made["id"], "failed")
    assert [look_at_pending_refunds(now=now) for _twice in range(2)] == [1, 0]
    assert known(asked) == ("failed", made["id"], D(30))


def test_a_refund_made_at_stripe_makes_the_invoice_due_again_once(
    stripe: StripeDouble, payment: Payment, deliver: Any
) -> None:
    made = gateway.refund(
        intent_id=payment.provider_id, amount=D(40), currency="USD", metadata={}, key="there"
    )
    told = next(event for event in stripe.events if event["type"] == "refund.created")
    for _twice in range(2):
        deliver(told)
    back = PaymentReversal.objects.get()
    assert (back.cause, back.amount, back.off_invoice) == ("refund", D(40), D(40))
    assert made.id in back.reason
    assert Invoice.objects.get().amount_due == D(40)


def test_a_refund_of_somebody_else_changes_nothing(
    stripe: StripeDouble, asked: Refund, deliver: Any
) -> None:
    """What is noted on it says a number of ours; its payment is not ours."""
    customer = ensure_customer(client=asked.client, now=asked.requested_at).customer_id
    other = gateway.charge(
        customer_id=customer,
        card_id=stripe.save_card(customer)["id"],
        amount=D(50),
        currency="USD",
        description="",
        metadata={},
        key="other",
    )
    gateway.refund(
        intent_id=other.id,
        amount=D(30),
        currency="USD",
        metadata={"refund": str(asked.pk)},
        key="their",
    )
    deliver(next(event for event in stripe.events if event["type"] == "refund.created"))
    assert StripeEvent.objects.get().state == "ignored"
    assert known(asked) == ("pending", "", D(0))


def test_a_bank_transfer_is_not_asked_of_stripe(
    stripe: StripeDouble, payment: Payment, now: dt.datetime
) -> None:
    request_refund(
        client=payment.client,
        amount=D(30),
        currency="USD",
        reason="As agreed",
        requested_by=None,
        now=now,
        key="bank",
    )
    assert send_refunds(now=now, limit=10) == 0
    assert stripe.rows("refund") == []


# --- Disputes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "due", "held"), [("won", D(0), [100, -100]), ("lost", D(100), [100, -100])]
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_dispute_is_opened_and_closed_once_in_whatever_order_it_is_told(
    stripe: StripeDouble,
    payment: Payment,
    deliver: Any,
    outcome: str,
    due: D,
    held: list[int],
    seed: int,
) -> None:
    opened = stripe.dispute(payment.provider_id)
    stripe.close_dispute(opened["id"], outcome)
    told = [event for event in stripe.events if event["type"].startswith("charge.dispute.")] * 2
    random.Random(seed).shuffle(told)
    for event in told:
        deliver(event)
    dispute = Dispute.objects.get()
    assert (dispute.provider_id, dispute.state, dispute.reason) == (
        opened["id"],
        outcome,
        "fraudulent",
    )
    invoice = Invoice.objects.get()
    assert invoice.amount_due == due
    assert [m.held for m in invoice.movements.exclude(held=0)] == held
    assert PaymentReversal.objects.count() == (outcome == "lost")
    assert not StripeEvent.objects.exclude(state="done").exists()


def test_an_open_dispute_holds_the_money_and_an_inquiry_does_not(
    stripe: StripeDouble, payment: Payment, deliver: Any
) -> None:
    opened = stripe.dispute(payment.provider_id)
    opened["status"] = "warning_needs_response"
    told = next(event for event in stripe.events if event["type"] == "charge.dispute.created")
    deliver(told)
    assert not Dispute.objects.exists()
    opened["status"] = "needs_response"
    deliver({**told, "id": "evt_later"})
    assert Dispute.objects.get().held == D(100)
    assert Invoice.objects.get().state == "paid"


def test_a_dispute_in_another_currency_than_its_payment_is_somebodys_to_look_at(
    stripe: StripeDouble, payment: Payment, deliver: Any
) -> None:
    """Its bank counts in yen: 100 of them are not 100.00 USD."""
    stripe.dispute(payment.provider_id, amount=100)["currency"] = "jpy"
    deliver(stripe.events[-1])
    assert not Dispute.objects.exists()
    event = StripeEvent.objects.get(event_id=stripe.events[-1]["id"])
    assert (event.state, "is in JPY, and its payment in USD" in event.said) == ("pending", True)


@pytest.mark.parametrize("outcome", ["won", "lost"])
@pytest.mark.parametrize(("refunded", "excess", "due"), [(40, 40, 60), (100, 100, 0)])
def test_a_dispute_over_more_than_is_left_takes_what_is_left(
    stripe: StripeDouble,
    payment: Payment,
    deliver: Any,
    now: dt.datetime,
    refunded: int,
    excess: int,
    due: int,
    outcome: str,
) -> None:
    """100.00 paid, a part refunded at Stripe, and then all of it disputed."""
    reverse_payment(
        payment=payment,
        amount=D(refunded),
        reason="Refunded",
        reversed_at=now,
        now=now,
        key="refund",
        cause=PaymentReversal.Cause.REFUND,
    )
    before = Invoice.objects.get().amount_due
    made = stripe.dispute(payment.provider_id)
    stripe.close_dispute(made["id"], outcome)
    for event in [*stripe.events, *stripe.events]:
        deliver(event)
    dispute = Dispute.objects.get()
    assert (dispute.amount, dispute.excess, dispute.state) == (D(100), D(excess), outcome)
    lost = D(due) if outcome == "lost" else D(0)
    assert Invoice.objects.get().amount_due == before + lost
    payment.refresh_from_db()
    assert payment.returned == D(refunded) + lost
    assert not StripeEvent.objects.filter(state="failed").exists()


@pytest.mark.parametrize("how", ["refund", "dispute"])
@pytest.mark.parametrize(("there", "left", "claimed"), [(60, 0, ""), (25, 0, "$35.00 is no")])
def test_money_of_an_order_that_is_on_the_balance_is_taken_from_there(
    stripe: StripeDouble,
    acme_support: Workspace,
    conversation: UsageUnit,
    deliver: Any,
    now: dt.datetime,
    how: str,
    there: int,
    left: int,
    claimed: str,
) -> None:
    """An order of 60.00 that could not be granted; some of it was used since."""
    customer = ensure_customer(client=acme_support.client, now=now).customer_id
    intent = gateway.charge(
        customer_id=customer,
        card_id=stripe.save_card(customer)["id"],
        amount=D(60),
        currency="USD",
        description="",
        metadata={},
        key="order",
    )
    start = quarter_floor(now - dt.timedelta(days=3))
    band = subscribe(acme_support, starter(), start).plan_version.top_ups.get()
    order = TopUpOrder.objects.create(
        agency=acme_support.agency,
        client=acme_support.client,
        workspace=acme_support,
        band=band,
        quantity=500,
        net=60,
        tax=0,
        gross=60,
        currency="USD",
        method="card",
        key="one",
        is_live=False,
        state="paid",
        intent_id=intent.id,
        ordered_at=now,
        look_at=now,
    )
    with transaction.atomic():
        balance = lock_balance(order.client, "USD")
        kind = BalanceEntry.Kind.ADJUSTMENT
        enter(balance, kind=kind, amount=D(60), now=now, key=f"order:{order.pk}", reason="Given")
        if there < 60:
            enter(balance, kind=kind, amount=D(there - 60), now=now, key="used", reason="Used")
    if how == "refund":
        stripe.api.payments.refund({"payment_intent": intent.id})
    else:
        stripe.close_dispute(stripe.dispute(intent.id)["id"], "lost")
    for event in [*stripe.events, *stripe.events]:
        deliver(event)
    assert ClientBalance.objects.get().amount == D(left)
    assert not StripeEvent.objects.filter(state="failed").exists()
    words = " ".join(StripeEvent.objects.values_list("said", flat=True))
    assert f"${there}.00 came off the balance of Acme." in words
    assert claimed in words
