"""A refund that several workers send at once goes back once."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import pytest

from billing import stripe_gateway as gateway
from billing.models import ClientBalance, Payment, Refund
from billing.services.client_balance import adjust_balance
from billing.services.payments import record_payment
from billing.services.refunds import request_refund
from billing.services.stripe_customers import ensure_customer
from billing.services.stripe_inbox import keep_event, process_event
from billing.services.stripe_refunds import send_refund
from clients.models import Workspace
from tests.billing import ledger
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

from .at_once import at_once

__all__ = ["stripe", "stripe_server"]

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def asked(stripe: StripeDouble, acme_support: Workspace) -> Refund:
    """100.00 were paid by card; 30.00 of the balance are to go back to it."""
    client = acme_support.client
    invoice = ledger.issued(acme_support, now=NOW, fee="100.00")
    customer = ensure_customer(client=client, now=NOW).customer_id
    said: dict[str, Any] = {"currency": "USD", "now": NOW}
    intent = gateway.charge(
        customer_id=customer,
        card_id=stripe.save_card(customer)["id"],
        amount=Decimal(100),
        currency="USD",
        description="",
        metadata={},
        key="paid",
    )
    payment = record_payment(
        invoice=invoice,
        amount=Decimal(100),
        method=Payment.Method.CARD,
        reference="Stripe card",
        received_at=NOW,
        key="paid",
        provider_id=intent.id,
        **said,
    )
    thirty: dict[str, Any] = {"client": client, "amount": Decimal(30), **said}
    adjust_balance(reason="As agreed", adjusted_by=None, key="give", **thirty)
    return request_refund(
        reason="As agreed", requested_by=None, key="one", payment=payment, **thirty
    )


def test_without_the_key_it_would_go_back_twice(
    stripe: StripeDouble, asked: Refund, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers, pay = itertools.count(), gateway.refund
    monkeypatch.setattr(
        gateway, "refund", lambda **said: pay(**{**said, "key": f"key {next(numbers)}"})
    )
    at_once(2, lambda _: send_refund(refund=Refund.objects.get(pk=asked.pk), now=NOW))
    assert len(stripe.rows("refund")) == 2


def test_sent_at_once_it_goes_back_once_and_fails_once(stripe: StripeDouble, asked: Refund) -> None:
    at_once(4, lambda _: send_refund(refund=Refund.objects.get(pk=asked.pk), now=NOW))
    made = stripe.last("refund")
    assert stripe.rows("refund") == [made]
    stripe.finish_refund(made["id"], "failed")
    told = [event for event in stripe.events if event["type"].startswith("refund.")]
    kept = [keep_event(event, now=NOW).pk for event in told]
    results = at_once(len(kept), lambda n: process_event(event_id=kept[n], now=NOW))
    assert results == [True] * len(kept)
    assert ClientBalance.objects.get().amount == Decimal(30)
