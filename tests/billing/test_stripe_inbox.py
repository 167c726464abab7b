"""Stripe's events: verified, kept once, done afterwards, and again when asked to."""

from __future__ import annotations

import copy
import datetime as dt
import time
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from billing import stripe_handlers
from billing.models import StripeEvent
from billing.refusals import RefusedError
from billing.services.stripe_inbox import (
    BACK_OFF,
    STALE_AFTER,
    keep_event,
    process_due_events,
    process_event,
    replay_event,
)
from billing.stripe_gateway import UnreachableError
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import deliver, endpoint, stripe, stripe_server

__all__ = ["deliver", "endpoint", "stripe", "stripe_server"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a handler of ``transfer.updated`` was called with; it fails while told to."""
    called: list[str] = []

    def handler(event: StripeEvent, *, now: dt.datetime) -> str:
        called.append(event.event_id)
        if failures:
            raise failures.pop()
        return f"Saw {event.object_id}."

    failures: list[Exception] = []
    called_failures[:] = [failures]
    monkeypatch.setitem(stripe_handlers._handlers, "transfer.updated", [handler])
    return called


called_failures: list[list[Exception]] = []


def fail_with(*errors: Exception) -> None:
    called_failures[0].extend(errors)


@pytest.fixture
def event(stripe: StripeDouble) -> dict[str, Any]:
    return stripe.book.tell("transfer.updated", {"id": "tr_1", "object": "transfer"})


def test_an_event_is_kept_and_done(seen: list[str], event: dict[str, Any], deliver: Any) -> None:
    assert deliver(event).status_code == 200

    kept = StripeEvent.objects.get()
    assert (kept.event_id, kept.type, kept.object_id) == (event["id"], "transfer.updated", "tr_1")
    assert (kept.state, kept.said, kept.deliveries) == ("done", "Saw tr_1.", 1)
    assert seen == [event["id"]]


def test_sent_three_times_it_is_done_once(
    seen: list[str], event: dict[str, Any], deliver: Any
) -> None:
    for _ in range(3):
        assert deliver(event).status_code == 200

    assert seen == [event["id"]]
    assert StripeEvent.objects.get().deliveries == 3


def test_a_wrong_signature_is_refused_and_keeps_nothing(
    event: dict[str, Any], deliver: Any
) -> None:
    assert deliver(event, secret="whsec_somebody_elses").status_code == 400
    assert not StripeEvent.objects.exists()


def test_a_signature_of_long_ago_is_refused(event: dict[str, Any], deliver: Any) -> None:
    assert deliver(event, at=time.time() - 3600).status_code == 400
    assert not StripeEvent.objects.exists()


def test_without_a_signature_and_at_other_addresses_there_is_nothing(endpoint: Any) -> None:
    path = f"/stripe/webhook/{endpoint.djstripe_uuid}/"
    assert Browser().post(path, "{}", content_type="application/json").status_code == 400
    assert Browser().get(path).status_code == 405
    signature = {"Stripe-Signature": "t=1,v1=00"}
    other = "/stripe/webhook/0b0c9ad5-3a14-4d5f-9a27-2f1a4f3f5f10/"
    answer = Browser().post(other, "{}", content_type="application/json", headers=signature)
    assert answer.status_code == 404


def test_a_changed_body_is_refused(event: dict[str, Any], deliver: Any, endpoint: Any) -> None:
    from tests.stripe_double import signed
    from tests.stripe_fixtures import SECRET

    body, headers = signed(event, SECRET)
    answer = Browser().post(
        f"/stripe/webhook/{endpoint.djstripe_uuid}/",
        body.replace(b"tr_1", b"tr_2"),
        content_type="application/json",
        headers={"Stripe-Signature": headers["Stripe-Signature"]},
    )
    assert answer.status_code == 400
    assert not StripeEvent.objects.exists()


def test_events_that_nobody_handles_are_harmless(stripe: StripeDouble, deliver: Any) -> None:
    unknown = stripe.book.tell("some.new_thing", {"id": "x_1", "object": "new_thing"})
    no_id = stripe.book.tell("balance.available", {"object": "balance"})
    for found in (unknown, no_id):
        assert deliver(found).status_code == 200
    assert set(StripeEvent.objects.values_list("state", flat=True)) == {"ignored"}


def test_an_event_of_the_other_mode_is_ignored(
    seen: list[str], event: dict[str, Any], deliver: Any
) -> None:
    live = copy.deepcopy(event) | {"livemode": True}
    assert deliver(live).status_code == 200
    assert StripeEvent.objects.get().state == "ignored"
    assert "this portal uses test mode" in StripeEvent.objects.get().said
    assert seen == []


def test_what_fails_is_kept_and_tried_again_later(
    seen: list[str], event: dict[str, Any], now: dt.datetime
) -> None:
    fail_with(UnreachableError("Stripe does not answer just now."))
    kept = keep_event(event, now=now)

    assert process_due_events(now=now) == 0
    kept.refresh_from_db()
    assert (kept.state, kept.not_before) == ("pending", now + BACK_OFF[0])
    assert kept.said == "UnreachableError: Stripe does not answer just now."
    assert process_due_events(now=now + BACK_OFF[0] - dt.timedelta(seconds=1)) == 0
    assert len(seen) == 1

    assert process_due_events(now=now + BACK_OFF[0]) == 1
    kept.refresh_from_db()
    assert (kept.state, kept.said, kept.attempts) == ("done", "Saw tr_1.", 2)


def test_after_the_last_try_it_is_given_up_and_can_be_done_again_by_hand(
    seen: list[str], event: dict[str, Any], now: dt.datetime
) -> None:
    fail_with(*[RuntimeError("broken")] * (len(BACK_OFF) + 1))
    kept = keep_event(event, now=now)
    at = now
    for wait in (*BACK_OFF, dt.timedelta(0)):
        process_due_events(now=at)
        at += wait
    kept.refresh_from_db()
    assert (kept.state, kept.said) == ("failed", "RuntimeError: broken")
    assert process_due_events(now=at + dt.timedelta(days=9)) == 0

    replay_event(event=kept, now=at)
    with pytest.raises(RefusedError, match="waiting"):
        replay_event(event=kept, now=at)
    assert process_due_events(now=at) == 1
    kept.refresh_from_db()
    assert (kept.state, kept.tries, kept.attempts) == ("done", 1, len(BACK_OFF) + 2)


def test_one_that_fails_holds_up_no_other(
    stripe: StripeDouble, seen: list[str], now: dt.datetime
) -> None:
    fail_with(RuntimeError("broken"))
    for number in range(3):
        found = stripe.book.tell("transfer.updated", {"id": f"tr_{number}", "object": "transfer"})
        keep_event(found, now=now)
    assert process_due_events(now=now) == 2
    assert sorted(StripeEvent.objects.values_list("state", flat=True)) == [
        "done",
        "done",
        "pending",
    ]


def test_a_worker_that_died_is_followed_by_another(
    seen: list[str], event: dict[str, Any], now: dt.datetime
) -> None:
    kept = keep_event(event, now=now)
    StripeEvent.objects.update(state="working", claimed_at=now, tries=1, attempts=1)
    assert process_due_events(now=now + STALE_AFTER - dt.timedelta(seconds=1)) == 0
    assert process_due_events(now=now + STALE_AFTER) == 1
    kept.refresh_from_db()
    assert kept.state == "done"


def test_what_was_taken_over_is_not_recorded_by_the_first(
    event: dict[str, Any], now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker comes back after a second one has taken the event over."""

    def handler(event: StripeEvent, *, now: dt.datetime) -> str:
        StripeEvent.objects.update(attempts=2, claimed_at=now)
        return "The first."

    monkeypatch.setitem(stripe_handlers._handlers, "transfer.updated", [handler])
    kept = keep_event(event, now=now)
    process_event(event_id=kept.pk, now=now)
    kept.refresh_from_db()
    assert (kept.state, kept.said) == ("working", "")


def test_an_event_that_is_done_is_not_taken_again(
    seen: list[str], event: dict[str, Any], now: dt.datetime
) -> None:
    kept = keep_event(event, now=now)
    assert process_event(event_id=kept.pk, now=now)
    assert not process_event(event_id=kept.pk, now=now)
    assert len(seen) == 1


def test_without_a_worker_the_call_is_answered_and_the_tick_does_it(
    seen: list[str], event: dict[str, Any], deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from billing.tasks import process_stripe_event

    def no_broker(*_: Any) -> None:
        raise OSError("The broker is away.")

    monkeypatch.setattr(process_stripe_event, "delay", no_broker)
    assert deliver(event).status_code == 200
    assert StripeEvent.objects.get().state == "pending"
    assert process_due_events(now=timezone.now()) == 1
