"""A paid order that several hear of at once is granted once."""

from __future__ import annotations

import datetime as dt
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError

from billing.models import CreditGrant, Invoice, Payment, StripeEvent, TopUpOrder, TopUpPurchase
from billing.services import order_fulfilment
from billing.services.order_fulfilment import _fulfil
from billing.services.stripe_inbox import keep_event, process_event
from billing.services.top_up_orders import begin_payment, look_at_order, place_order
from billing.stripe_gateway import Intent, read_intent
from clients.models import Workspace
from tests.billing.plan_samples import NEW_YORK_2026, starter
from tests.billing.story import subscribe
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
def order(stripe: StripeDouble, acme_support: Workspace, conversation: Any) -> TopUpOrder:
    """Ordered, with Stripe's page open."""
    band = subscribe(acme_support, starter(), NEW_YORK_2026[3]).plan_version.top_ups.get()
    placed = place_order(
        workspace=acme_support, band=band, method="page", now=NOW, key="one", buyer=None
    )
    return begin_payment(order=placed, now=NOW)


@pytest.fixture
def paid(stripe: StripeDouble, order: TopUpOrder) -> Intent:
    session = stripe.pay(order.session_id or "")
    return read_intent(session["payment_intent"])


def granted() -> set[int]:
    return {
        TopUpPurchase.objects.count(),
        CreditGrant.objects.filter(kind="top_up").count(),
        Invoice.objects.filter(order__isnull=False).count(),
        Payment.objects.count(),
    }


def test_without_the_lock_two_try_to_grant_it(
    order: TopUpOrder, paid: Intent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps the second from it then is a unique constraint alone."""
    both_have_read = Barrier(2)

    def read(queryset: Any) -> Any:
        found = queryset.get()
        if isinstance(found, TopUpOrder):
            both_have_read.wait(10)
        return found

    monkeypatch.setattr(order_fulfilment, "lock_row", read)
    results = at_once(2, lambda _: _fulfil(order.pk, paid, NOW))
    assert [type(r) for r in results if isinstance(r, Exception)] == [IntegrityError]
    assert granted() == {1}


def test_the_page_and_the_events_at_once_grant_it_once(
    stripe: StripeDouble, order: TopUpOrder, paid: Intent
) -> None:
    events = [keep_event(event, now=NOW).pk for event in stripe.events]

    def hear(number: int) -> Any:
        if number % 2:
            return look_at_order(order=TopUpOrder.objects.get(pk=order.pk), now=NOW)
        return process_event(event_id=events[-1 - number // 2], now=NOW)

    results = at_once(8, hear)
    assert [r for r in results if isinstance(r, Exception)] == []
    assert granted() == {1}
    assert not TopUpOrder.objects.in_trouble().exists()
    assert not StripeEvent.objects.filter(state="failed").exists()


def test_one_form_sent_at_once_is_one_order(
    stripe: StripeDouble, acme_support: Workspace, order: TopUpOrder
) -> None:
    def send(_: int) -> TopUpOrder:
        placed = place_order(
            workspace=acme_support, band=order.band, method="page", now=NOW, key="two", buyer=None
        )
        return begin_payment(order=placed, now=NOW)

    results = at_once(6, send)
    assert len({found.session_id for found in results}) == 1
    assert TopUpOrder.objects.count() == len(stripe.rows("checkout.session")) == 2


def test_an_event_that_comes_at_once_is_kept_once(stripe: StripeDouble, order: TopUpOrder) -> None:
    event = stripe.events[-1]
    results = at_once(8, lambda _: keep_event(event, now=NOW))
    assert len({found.pk for found in results}) == 1
    assert StripeEvent.objects.get().deliveries == 8
