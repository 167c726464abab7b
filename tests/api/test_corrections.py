"""Corrections as another program sees them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from clients.models import UsageCorrection, UsageQuarter, UsageWindow

from .caller import begun, caller, fields, problem

pytestmark = pytest.mark.django_db

URL = "/api/v1/corrections"


@pytest.fixture
def app(acme_support, conversation):
    """Acme's support chat, with 12 conversations reported as event `a`."""
    begun(acme_support)
    app = caller(acme_support)
    answer = app.post(
        "/api/v1/events", {"id": "a", "unit": "conversation", "quantity": "12"}, format="json"
    )
    assert answer.status_code == 200
    return app


def correct(app, quantity: Any = "10", **more: Any):
    headers = {"Idempotency-Key": more.pop("key")} if "key" in more else {}
    body = {"event_id": "a", "quantity": quantity, "reason": "Two were tests"} | more
    return app.post(URL, body, format="json", headers=headers)


def used() -> int:
    return int(UsageWindow.objects.order_by("start")[0].used)


def test_an_event_is_amended(app):
    response = correct(app)

    body = response.json()
    row = UsageCorrection.objects.get()
    assert response.status_code == 201
    assert dt.datetime.fromisoformat(body.pop("recorded_at")) == row.recorded_at
    assert body == {
        "id": str(row.public_id),
        "event_id": "a",
        "source": "",
        "unit": "conversation",
        "quantity": "10",
        "previous": "12",
        "reason": "Two were tests",
        "standing": "counted",
    }
    assert row.created_with is not None
    assert (used(), int(UsageQuarter.objects.get().quantity)) == (10, 10)


def test_and_voided(app):
    assert correct(app, "0").json()["quantity"] == "0"
    assert used() == 0


def test_the_latest_holds(app):
    correct(app, "3")
    again = correct(app, "4")

    assert again.json()["previous"] == "3"
    assert used() == 4


def test_the_same_key_corrects_once(app):
    first = correct(app, key="k").json()

    assert correct(app, key="k").json() == first
    assert correct(app, id="k").json() == first
    assert UsageCorrection.objects.count() == 1


def test_200_says_that_the_correction_was_there(app):
    """By its key, or because the event's latest correction says just that."""
    first = correct(app, key="k")
    by_key, without, by_another = correct(app, key="k"), correct(app), correct(app, key="other")

    assert [answer.status_code for answer in (first, by_key, without, by_another)] == [
        201,
        200,
        200,
        200,
    ]
    assert first.json() == by_key.json() == without.json() == by_another.json()
    assert UsageCorrection.objects.count() == 1


def test_what_was_said_before_the_latest_is_a_correction_again(app):
    correct(app, "10")
    correct(app, "3")

    assert correct(app, "10").status_code == 201
    assert used() == 10


def test_another_reason_is_kept(app):
    correct(app)
    again = correct(app, reason="The client says so, too")

    assert (again.status_code, again.json()["previous"]) == (201, "10")
    assert UsageCorrection.objects.count() == 2


def test_a_key_for_something_else_is_refused(app):
    correct(app, key="k")

    assert "something else" in problem(correct(app, "9", key="k"), 409)["detail"]
    assert used() == 10


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"event_id": "b"}, "event_id"),
        ({"source": "elsewhere"}, "event_id"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "0.0000001"}, "quantity"),
        ({"quantity": "1000000001"}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"quantity": "1_0"}, "quantity"),
        ({"quantity": " 1"}, "quantity"),
        ({"quantity": "\u0661"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"event_id": 5}, "event_id"),
        ({"source": 5}, "source"),
        ({"reason": 5}, "reason"),
        ({"id": 5}, "id"),
        ({"reason": " "}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"unit": "page"}, "unit"),
        ({"id": "one", "key": "another"}, "id"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(app, changed, field):
    assert fields(correct(app, **changed)) == [field]
    assert UsageCorrection.objects.count() == 0


@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 50_000, "[]", "null", "5", '"a"', "{"])
def test_what_is_no_correction_is_refused(app, body):
    problem(app.post(URL, body, content_type="application/json"), 400)


@pytest.mark.parametrize("key", [" ", "k" * 201, "a\0"])
def test_a_key_that_is_none(app, key):
    assert "printable" in problem(correct(app, key=key), 400)["detail"]
    assert UsageCorrection.objects.count() == 0


def test_it_takes_a_scope_of_its_own(app, acme_support):
    reporter = caller(acme_support, "events", "read", "reserve")

    assert "corrections" in problem(correct(reporter), 403)["detail"]


def test_another_workspaces_event_is_not_there(app, acme_docs, conversation):
    begun(acme_docs)

    assert fields(correct(caller(acme_docs))) == ["event_id"]
    assert used() == 12


def test_of_a_closed_period_it_waits_for_settling(app, acme_support):
    acme_support.settled_until = timezone.now() + dt.timedelta(hours=1)
    acme_support.save()

    assert correct(app).json()["standing"] == "late"
    assert used() == 12
