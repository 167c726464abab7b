"""What was used and what is left, as another program reads it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.selectors.usage import unit_balances
from billing.services.purchases import buy_on_account
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.plan_samples import NEW_YORK_2026, allowance, starter
from tests.billing.story import subscribe

from .caller import begun, caller, fields, problem

pytestmark = pytest.mark.django_db

USAGE, BALANCE = "/api/v1/usage", "/api/v1/balance"
JANUARY = NEW_YORK_2026[1]
HOUR = dt.timedelta(hours=1)


def sent(number: int, at: dt.datetime, quantity: int, **more) -> SubmittedEvent:
    return SubmittedEvent(
        id=f"e{number}", unit="conversation", time=at, quantity=Decimal(quantity), **more
    )


@pytest.fixture
def app(acme_support, conversation, page):
    """January 2026: 12 conversations on two local days, under two labels and models."""
    plan = starter(allowances=[allowance(), allowance("page")])
    subscribe(acme_support, plan, JANUARY)
    record_events(
        workspace=acme_support,
        events=[
            sent(1, JANUARY + HOUR, 3, label="chat", model="small"),
            sent(2, JANUARY + HOUR + dt.timedelta(minutes=20), 2, label="chat", model="big"),
            sent(3, JANUARY + 2 * HOUR, 1, label="mail", model="small"),
            sent(4, JANUARY + 25 * HOUR, 6, label="mail", model="big"),
            SubmittedEvent(id="p", unit="page", time=JANUARY + HOUR),
        ],
        now=JANUARY + 26 * HOUR,
    )
    return caller(acme_support, "read")


def ask(app, **query: str):
    return app.get(USAGE, {"from": "2026-01-01", "to": "2026-02-01"} | query)


def totals(app, **query: str) -> list[tuple]:
    response = ask(app, unit="conversation", **query)
    assert response.status_code == 200, response.content
    return [tuple(row.values())[1:] for row in response.json()["totals"]]


class TestUsage:
    def test_one_total_for_each_unit(self, app):
        assert ask(app).json() == {
            "from": "2026-01-01T05:00:00Z",
            "to": "2026-02-01T05:00:00Z",
            "group_by": None,
            "totals": [
                {"unit": "conversation", "quantity": "12", "events": 4},
                {"unit": "page", "quantity": "1", "events": 1},
            ],
        }

    def test_by_hour(self, app):
        assert totals(app, group_by="hour", to="2026-01-03") == [
            ("2026-01-01T06:00:00Z", "5", 2),
            ("2026-01-01T07:00:00Z", "1", 1),
            ("2026-01-02T06:00:00Z", "6", 1),
        ]

    def test_by_the_clients_days(self, app):
        assert totals(app, group_by="day") == [("2026-01-01", "6", 3), ("2026-01-02", "6", 1)]

    def test_by_label(self, app):
        assert totals(app, group_by="label") == [("mail", "7", 2), ("chat", "5", 2)]

    def test_by_model(self, app):
        assert totals(app, group_by="model") == [("big", "8", 2), ("small", "4", 2)]

    def test_from_is_in_and_to_is_out(self, app):
        hours = {"from": "2026-01-01T06:00:00Z", "to": "2026-01-01T02:00:00-05:00"}

        assert totals(app, **hours) == [("5", 2)]

    def test_labels_are_added_up_over_whole_days_and_the_answer_says_which(self, app):
        asked = {"from": "2026-01-01T06:00:00Z", "to": "2026-01-01T06:30:00Z"}

        body = ask(app, unit="conversation", group_by="label", **asked).json()

        assert (body["from"], body["to"]) == ("2026-01-01T05:00:00Z", "2026-01-02T05:00:00Z")
        assert [row["quantity"] for row in body["totals"]] == ["5", "1"]

    def test_by_default_it_is_the_period_in_progress(self, acme_docs, conversation):
        start = begun(acme_docs, top_ups=[]).start
        record_events(workspace=acme_docs, events=[sent(1, start, 2)], now=timezone.now())

        body = caller(acme_docs).get(USAGE).json()

        assert dt.datetime.fromisoformat(body["from"]) == start
        assert body["totals"] == [{"unit": "conversation", "quantity": "2", "events": 1}]

    @pytest.mark.parametrize(
        ("query", "wrong"),
        [
            ({"unit": "unicorn"}, "unit"),
            ({"group_by": "week"}, "group_by"),
            ({"from": "yesterday"}, "from"),
            ({"from": "2026-02-30"}, "from"),
            ({"to": "2026-01-31T09:00:00"}, "to"),
            ({"to": "9999-12-31"}, "to"),
            ({"from": "2026-03-01"}, "to"),
            ({"group_by": "hour", "to": "2026-03-01"}, "to"),
            ({"until": "2026-03-01"}, "until"),
        ],
    )
    def test_what_is_wrong_is_named(self, app, query, wrong):
        assert fields(ask(app, **query)) == [wrong]


class TestBalance:
    def test_what_is_left(self, acme_support, conversation):
        ten = allowance(included="10", overage={"policy": "block"})
        subscription = begun(acme_support, allowances=[ten])
        start = subscription.start
        record_events(workspace=acme_support, events=[sent(1, start, 12)], now=timezone.now())
        buy_on_account(
            workspace=acme_support,
            band=subscription.plan_version.top_ups.get(),
            now=timezone.now(),
            key="k",
        )
        app = caller(acme_support)
        app.post("/api/v1/reservations", {"unit": "conversation", "quantity": "5"}, format="json")

        (unit,) = app.get(BALANCE).json()["units"]

        resets_at = dt.datetime.fromisoformat(unit.pop("resets_at"))
        assert resets_at == subscription.periods.order_by("start").first().end
        assert unit == {
            "unit": "conversation",
            "included": "10",
            "granted": "510",
            "promotional": "0",
            "used": "12",
            "reserved": "5",
            "remaining": "498",
            "overage": "0",
            "cap": "510",
            "cap_left": "493",
            "policy": "block",
            "question": None,
        }

    def test_without_a_package_there_is_nothing(self, acme_docs):
        assert caller(acme_docs).get(BALANCE).json() == {"units": [], "caps": []}

    def test_asking_costs_the_same_for_any_usage(self, app, acme_support):

        def queries() -> int:
            with CaptureQueriesContext(
                connection,
            ) as captured:
                assert len(unit_balances(workspace=acme_support, now=JANUARY + 30 * HOUR)) == 2
            return len(captured)

        before = queries()
        more = [sent(100 + n, JANUARY + n * HOUR / 2, 1) for n in range(50)]
        record_events(workspace=acme_support, events=more, now=JANUARY + 30 * HOUR)
        assert queries() == before <= 10


class TestWhoMay:
    def test_a_key_sees_its_own_workspace_alone(self, app, acme_docs, cedar_support):
        for stranger in (caller(acme_docs), caller(cedar_support)):
            assert ask(stranger).json()["totals"] == []
            assert stranger.get(BALANCE).json() == {"units": [], "caps": []}

    def test_a_unit_of_another_agency_is_unknown(self, cedar_support, conversation):
        assert fields(ask(caller(cedar_support), unit="conversation")) == ["unit"]

    @pytest.mark.parametrize("url", [USAGE, BALANCE])
    def test_only_a_key_for_it_reads(self, acme_support, client, url):
        problem(caller(acme_support, "events", "reserve").get(url), 403)
        problem(client.get(url), 401)
        problem(caller(acme_support).post(url, {}, format="json"), 405)
