"""Many triggers and several workers at once: an automatic top-up buys, and charges, once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError

from billing.models import (
    AutomaticPurchase,
    AutomaticTopUp,
    AutomaticTopUpMonth,
    Mail,
    TopUpOrder,
    TopUpPurchase,
)
from billing.services import automatic_buying
from billing.services.automatic_buying import look, look_at_all
from billing.services.automatic_consent import switch_on
from billing.services.automatic_terms import Wanted, digest_of, terms_of
from billing.services.stripe_customers import ensure_customer, read_card
from billing.services.stripe_inbox import keep_event, process_event
from billing.services.top_up_orders import look_at_open_orders
from clients.models import User, Workspace
from clients.services import windows
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.plan_samples import NEW_YORK_2026, starter
from tests.billing.story import subscribe
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

from .at_once import at_once

__all__ = ["stripe", "stripe_server"]

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
TRIGGERS = 64


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def automatic(
    stripe: StripeDouble, acme_support: Workspace, conversation: Any, client_admin: User
) -> AutomaticTopUp:
    """At 200 or fewer of 1,000, at most three and 180.00 a month; 900 are used."""
    growth = subscribe(acme_support, starter(), NEW_YORK_2026[3]).plan_version.top_ups.get()
    save_card(stripe, acme_support)
    wanted = Wanted(growth, Decimal(200), 3, Decimal(180), "card")
    shown = digest_of(terms_of(workspace=acme_support, wanted=wanted, now=NOW))
    made = switch_on(
        workspace=acme_support, wanted=wanted, shown=shown, given_by=client_admin, now=NOW
    )
    use(acme_support, "first", 900)
    return made


def save_card(stripe: StripeDouble, workspace: Workspace, way: str = "card") -> None:
    customer = ensure_customer(client=workspace.client, now=NOW)
    stripe.save_card(customer.customer_id, way)
    read_card(customer=customer, now=NOW)


def use(workspace: Workspace, name: str, quantity: int) -> None:
    event = SubmittedEvent(id=name, unit="conversation", quantity=Decimal(quantity), time=NOW)
    record_events(workspace=workspace, events=[event], now=NOW)


def bought() -> tuple[int, int, int]:
    month = AutomaticTopUpMonth.objects.get()
    return AutomaticPurchase.objects.count(), TopUpPurchase.objects.count(), month.count


@contextmanager
def unguarded(workers: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is locked, and nobody writes before all have decided to buy."""
    decided = Barrier(workers)
    write = automatic_buying._write

    def together(*args: Any) -> Any:
        decided.wait(20)
        return write(*args)

    def unlocked_workspace(workspace_id: int, **_: object) -> Workspace:
        return Workspace.objects.select_related("client").get(pk=workspace_id)

    def unlocked(pk: int) -> AutomaticTopUp:
        related = ("workspace", "unit", "client__agency", "consent__band__unit")
        return AutomaticTopUp.objects.select_related(*related).get(pk=pk)

    def uncounted(*_: Any) -> bool:
        return True

    with monkeypatch.context() as off:
        off.setattr(automatic_buying, "_write", together)
        off.setattr(automatic_buying, "count_in", uncounted)
        off.setattr(automatic_buying, "_note_look", lambda *_: None)
        off.setattr(automatic_buying, "lock_automatic", unlocked)
        off.setattr(windows, "lock_workspace", unlocked_workspace)
        off.setattr(automatic_buying, "month_of", lambda *_: AutomaticTopUpMonth.objects.get())
        yield


def test_without_the_locks_the_constraints_still_let_one_through(
    stripe: StripeDouble, automatic: AutomaticTopUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All have found that too little is left, and want to buy the same number."""
    with unguarded(8, monkeypatch):
        results = at_once(8, lambda _: look(automatic_id=automatic.pk, now=NOW))
    refused = [result for result in results if isinstance(result, IntegrityError)]
    assert len(refused) == 7, results
    assert TopUpOrder.objects.count() == len(stripe.rows("payment_intent")) == 1


def test_64_triggers_charge_once(stripe: StripeDouble, automatic: AutomaticTopUp) -> None:
    results = at_once(TRIGGERS, lambda _: look(automatic_id=automatic.pk, now=NOW))
    assert [result for result in results if isinstance(result, Exception)] == []
    assert bought() == (1, 1, 1)
    assert len(stripe.rows("charge")) == 1


def test_workers_recorders_and_stripes_events_at_once_charge_once(
    stripe: StripeDouble, automatic: AutomaticTopUp, acme_support: Workspace
) -> None:
    """Two ticks buy, two look at orders, others record, while the answer of the charge is lost."""
    stripe.breaks = ["lose"] * 2
    look_at_all(now=NOW, limit=10)
    events = [keep_event(event, now=NOW).pk for event in stripe.events]
    later = NOW + dt.timedelta(minutes=2)

    def work(number: int) -> Any:
        turn = number % 4
        if turn == 0:
            return look_at_all(now=later, limit=10)
        if turn == 1:
            return look_at_open_orders(now=later, limit=10)
        if turn == 2:
            return use(acme_support, str(number), 1)
        return process_event(event_id=events[number % len(events)], now=later)

    results = at_once(16, work)
    assert [result for result in results if isinstance(result, Exception)] == []
    look_at_open_orders(now=later + dt.timedelta(hours=1), limit=10)
    look_at_all(now=later, limit=10)
    assert bought() == (1, 1, 1)
    assert len(stripe.rows("charge")) == 1
    assert not TopUpOrder.objects.in_trouble().exists()


def test_a_decline_that_several_hear_of_pauses_and_tells_once(
    stripe: StripeDouble, automatic: AutomaticTopUp, acme_support: Workspace
) -> None:
    save_card(stripe, acme_support, "no funds")
    stripe.breaks = ["lose"] * 2
    look_at_all(now=NOW, limit=10)
    events = [keep_event(event, now=NOW).pk for event in stripe.events]
    later = NOW + dt.timedelta(minutes=2)

    def hear(number: int) -> Any:
        if number % 2:
            return look_at_open_orders(now=later, limit=10)
        return process_event(event_id=events[-1 - number // 2 % len(events)], now=later)

    results = at_once(8, hear)
    assert [result for result in results if isinstance(result, Exception)] == []
    automatic.refresh_from_db()
    assert (automatic.state, automatic.declines) == ("on", 1)
    assert Mail.objects.filter(key__contains="declined").count() == 1
    assert bought() == (1, 0, 0)
