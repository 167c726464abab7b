"""GET /api/v1/explanation."""

from __future__ import annotations

import datetime as dt

import pytest

from billing.models import CreditGrant
from tests.billing.test_explaining import FEBRUARY, january

from .caller import caller, fields, problem

__all__ = ["january"]

URL = "/api/v1/explanation"
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def app(january, acme_support, monkeypatch):
    """At the end of January: 10 included, 5 bought, 18 used."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: FEBRUARY - HOUR)
    return caller(acme_support, "read")


def test_says_what_consumed_each_credit(app):
    response = app.get(URL, {"unit": "conversation"})

    assert response.status_code == 200, response.content
    body = response.json()
    assert body["period"] == {
        "start": "2026-01-01T05:00:00Z",
        "end": "2026-02-01T05:00:00Z",
        "state": "open",
    }
    assert (body["unit"], body["used"], body["is_provisional"]) == ("conversation", "18", True)
    assert [(taken["from"], taken["quantity"]) for taken in body["taken"]] == [
        ("allowance", "10"),
        ("top_up", "5"),
        ("overage", "3"),
    ]
    assert body["taken"][1] == {
        "from": "top_up",
        "grant": CreditGrant.objects.get(kind="top_up").pk,
        "quantity": "5",
        "days": [
            {"day": "2026-01-21", "quantity": "1"},
            {"day": "2026-01-22", "quantity": "4"},
        ],
        "labels": [{"label": "orders", "quantity": "5", "events": 1}],
        "models": [{"model": "", "quantity": "5", "events": 1}],
        "runs": [{"run_id": "r1", "quantity": "1", "events": 0}],
    }


def test_says_nothing_of_cost(app):
    assert "cost" not in app.get(URL, {"unit": "conversation"}).content.decode()


def test_of_the_period_that_holds_a_day(app):
    body = app.get(URL, {"unit": "conversation", "at": "2026-01-03"}).json()
    assert body["used"] == "18"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "unit"),
        ({"unit": "nothing"}, "unit"),
        ({"unit": "conversation\0"}, "unit"),
        ({"unit": "conversation", "at": "yesterday"}, "at"),
        ({"unit": "conversation", "when": "2026-01-03"}, "when"),
    ],
)
def test_bad_questions_are_refused(app, query, field):
    assert fields(app.get(URL, query)) == [field]


def test_outside_a_package_there_is_nothing(app, page):
    problem(app.get(URL, {"unit": "page"}), 404)
    problem(app.get(URL, {"unit": "conversation", "at": "2025-06-01"}), 404)


def test_a_key_that_may_not_read_is_refused(app, acme_support):
    problem(caller(acme_support, "events").get(URL, {"unit": "conversation"}), 403)


def test_another_agencys_unit_is_unknown(app, cedar_support, harbor_conversation):
    assert fields(caller(cedar_support, "read").get(URL, {"unit": "page"})) == ["unit"]
    problem(caller(cedar_support, "read").get(URL, {"unit": "conversation"}), 404)
