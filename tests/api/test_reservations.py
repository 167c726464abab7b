"""Reservations as another program sees them."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Invoice, Reservation
from billing.services.caps import set_cap
from billing.services.drafting import draft_invoices
from billing.services.invoicing import issue_due_invoices
from billing.services.suspensions import suspend
from clients.models import UsageEvent
from tests.billing.plan_samples import allowance

from .caller import begun, caller, fields, problem

pytestmark = pytest.mark.django_db

URL = "/api/v1/reservations"


@pytest.fixture
def app(acme_support, conversation):
    """Acme's support chat: 10 conversations, and nothing beyond."""
    ten = allowance(included="10", overage={"policy": "block"})
    begun(acme_support, allowances=[ten], top_ups=[])
    return caller(acme_support)


def reserve(app, quantity: Any = "6", **more: Any):
    headers = {"Idempotency-Key": more.pop("key")} if "key" in more else {}
    body = {"unit": "conversation", "quantity": quantity} | more
    return app.post(URL, body, format="json", headers=headers)


def held(app, quantity: str = "6") -> str:
    identity: str = reserve(app, quantity).json()["id"]
    return identity


def settle(app, identity: str, how: str, body: Any = None):
    return app.post(f"{URL}/{identity}/{how}", body, format="json")


class TestReserving:
    def test_units_are_held(self, app):
        response = reserve(app, "2.5", ttl_seconds=60)

        body = response.json()
        row = Reservation.objects.get()
        assert response.status_code == 201
        assert body | {"reserved_at": "", "expires_at": ""} == {
            "id": str(row.public_id),
            "unit": "conversation",
            "quantity": "2.5",
            "state": "open",
            "reserved_at": "",
            "expires_at": "",
            "settled_at": None,
            "event": None,
            "committed": None,
            "overshoot": "0",
            "cost": "0",
            "committed_cost": None,
            "cost_overshoot": "0",
        }
        assert (row.expires_at - row.reserved_at).total_seconds() == 60

    def test_the_cap_says_no(self, app):
        reserve(app, "6")

        body = problem(reserve(app, 5), 402)

        assert body["title"] == "Payment Required"
        assert "4 are free of 10" in body["detail"]
        assert reserve(app, 4).status_code == 201

    def test_a_suspended_client_is_told_what_to_pay_and_what_it_reports_is_recorded(self, app):
        identity = held(app, "1")
        draft_invoices(now=timezone.now())
        issue_due_invoices(now=timezone.now())
        invoice = Invoice.objects.get()
        suspend(invoice, now=timezone.now())
        body = problem(reserve(app, "1"), 402)
        assert "New usage is suspended since" in body["detail"]
        assert f"/invoices/{invoice.pk}/" in body["detail"]
        assert settle(app, identity, "commit", {"id": "held", "quantity": "1"}).status_code == 200
        event = {"id": "plain", "unit": "conversation"}
        assert app.post("/api/v1/events", event, format="json").json()["accepted"] == 1

    def test_a_unit_outside_the_package_is_not_let_in(self, app, page):
        assert "not in the package" in problem(reserve(app, unit="page"), 402)["detail"]

    def test_the_same_key_is_the_same_reservation(self, app):
        first, again = reserve(app, key="k"), reserve(app, key="k")

        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert Reservation.objects.count() == 1
        problem(reserve(app, "1", key="k"), 409)

    @pytest.mark.parametrize(
        ("body", "wrong"),
        [
            ({}, ["unit", "quantity"]),
            ({"unit": "conversation", "quantity": "0"}, ["quantity"]),
            ({"unit": "conversation", "quantity": "-1"}, ["quantity"]),
            ({"unit": "conversation", "quantity": "NaN"}, ["quantity"]),
            ({"unit": "conversation", "quantity": 1.5}, ["quantity"]),
            ({"unit": "conversation", "quantity": "1.0000001"}, ["quantity"]),
            ({"unit": "conversation", "quantity": "9999999999"}, ["quantity"]),
            ({"unit": "conversation", "quantity": "1_000"}, ["quantity"]),
            ({"unit": "conversation", "quantity": " 1"}, ["quantity"]),
            ({"unit": "conversation", "quantity": "\u0661"}, ["quantity"]),
            ({"unit": "conversation", "quantity": "1", "cost": "1_0"}, ["cost"]),
            ({"unit": "conversation", "quantity": "1", "cost_currency": 5}, ["cost_currency"]),
            ({"unit": "conversation", "quantity": "1", "ttl_seconds": "5"}, ["ttl_seconds"]),
            ({"unit": "conversation", "quantity": "1", "ttl_seconds": 5.0}, ["ttl_seconds"]),
            ({"unit": "unicorn", "quantity": "1"}, ["unit"]),
            ({"unit": 5, "quantity": "1"}, ["unit"]),
            ({"unit": "conversation", "quantity": "1", "ttl_seconds": 0}, ["ttl_seconds"]),
            ({"unit": "conversation", "quantity": "1", "ttl_seconds": 3601}, ["ttl_seconds"]),
            ({"unit": "conversation", "quantity": "1", "cost": "-1"}, ["cost"]),
        ],
    )
    def test_what_is_wrong_is_named(self, app, body, wrong):
        assert fields(app.post(URL, body, format="json")) == wrong
        assert not Reservation.objects.exists()

    @pytest.mark.parametrize("body", ["[]", "{", '"a"', "", "[" * 100_000, '{"a":' * 50_000])
    def test_what_is_no_object_is_refused(self, app, body):
        problem(app.post(URL, body, content_type="application/json"), 400)

    @pytest.mark.parametrize("key", [" ", "k" * 256, "a\0"])
    def test_a_key_that_is_none(self, app, key):
        problem(reserve(app, key=key), 400)


class TestSettling:
    def test_committing_answers_with_what_was_used(self, app):
        identity = held(app)

        response = settle(app, identity, "commit", {"id": "e", "quantity": "4", "label": "chat"})

        body = response.json()
        stored = UsageEvent.objects.get()
        assert response.status_code == 200
        assert (body["state"], body["event"], body["committed"]) == ("committed", "e", "4")
        assert (stored.label, stored.occurred_at) == ("chat", Reservation.objects.get().reserved_at)
        assert settle(app, identity, "commit", {"id": "e", "quantity": "4"}).json() == body

    def test_more_than_was_held_is_reported(self, app):
        response = settle(app, held(app, "2"), "commit", {"id": "e", "quantity": "12"})

        assert response.json()["overshoot"] == "10"
        problem(reserve(app, "1"), 402)

    def test_releasing_frees_it(self, app):
        identity = held(app, "10")
        problem(reserve(app, "1"), 402)

        assert settle(app, identity, "release").json()["state"] == "released"
        assert settle(app, identity, "release").status_code == 200
        assert reserve(app, "10").status_code == 201

    def test_what_is_settled_stays_so(self, app):
        released, committed = held(app, "2"), held(app, "2")
        settle(app, released, "release")
        settle(app, committed, "commit", {"id": "e"})

        problem(settle(app, released, "commit", {"id": "f"}), 409)
        problem(settle(app, committed, "release"), 409)
        problem(settle(app, committed, "commit", {"id": "f"}), 409)
        assert UsageEvent.objects.count() == 1

    @pytest.mark.parametrize(
        ("event", "wrong"),
        [
            ({}, ["id"]),
            ({"id": "e", "unit": "page"}, ["unit"]),
            ({"id": "e", "quantity": "-1"}, ["quantity"]),
            ({"id": "e", "colour": "red"}, ["colour"]),
            ({"id": ""}, ["id"]),
        ],
    )
    def test_an_event_that_cannot_be_recorded_settles_nothing(self, app, event, wrong):
        identity = held(app)

        assert fields(settle(app, identity, "commit", event)) == wrong
        assert Reservation.objects.get().state == "open"

    def test_lists_and_nothing_are_no_event(self, app):
        identity = held(app)

        refused = problem(settle(app, identity, "commit", [{"id": "e"}]), 400)
        assert refused["detail"] == "A reservation is settled with one event, an object."
        problem(app.post(f"{URL}/{identity}/commit"), 400)

    @pytest.mark.parametrize("how", ["commit", "release"])
    def test_what_is_not_there(self, app, how):
        problem(settle(app, str(uuid.uuid4()), how, {"id": "e"}), 404)
        problem(settle(app, "not-an-id", how, {"id": "e"}), 404)


class TestWhoMay:
    @pytest.mark.parametrize("how", ["commit", "release"])
    def test_another_workspaces_reservation_is_not_there(self, app, cedar_support, acme_docs, how):
        """Not even for another workspace of the same client."""
        identity = held(app)

        for stranger in (caller(cedar_support), caller(acme_docs)):
            problem(settle(stranger, identity, how, {"id": "e"}), 404)

        assert Reservation.objects.get().state == "open"
        assert not UsageEvent.objects.exists()

    def test_another_workspaces_key_is_no_key(self, app, cedar_support, harbor_conversation):
        begun(cedar_support, currency="EUR", timezone="Europe/Berlin", top_ups=[])

        ours, theirs = reserve(app, key="k"), reserve(caller(cedar_support), key="k")

        assert ours.json()["id"] != theirs.json()["id"]

    def test_only_a_key_for_it_reserves(self, app, acme_support, client):
        identity = held(app)
        other = caller(acme_support, "events", "read")

        problem(reserve(other), 403)
        problem(settle(other, identity, "release"), 403)
        problem(client.post(URL), 401)


class TestCaps:
    def test_402_names_the_cap_and_the_balance_shows_what_is_left(
        self, app, acme_support, conversation
    ):
        for level in ({"client": acme_support.client}, {}):
            set_cap(
                agency=acme_support.agency,
                kind="units",
                unit=conversation,
                limit=Decimal(8),
                now=timezone.now(),
                set_by=None,
                **level,
            )
        reserve(app, "5")

        body = problem(reserve(app, "4"), 402)

        assert "8" in body["detail"]
        told = {name: body["cap"][name] for name in ("scope", "kind", "unit", "limit", "left")}
        assert told == {
            "scope": "client",
            "kind": "units",
            "unit": "conversation",
            "limit": "8",
            "left": "3",
        }
        answer = app.get("/api/v1/balance").json()
        assert [(cap["scope"], cap["reserved"], cap["left"]) for cap in answer["caps"]] == [
            ("client", "5", "3")
        ]
        assert (answer["units"][0]["cap"], answer["units"][0]["cap_left"]) == ("10", "3")

    def test_cost_is_held_and_settled(self, app, acme_support):
        set_cap(
            agency=acme_support.agency,
            workspace=acme_support,
            kind="cost",
            limit=Decimal(1),
            now=timezone.now(),
            set_by=None,
        )
        first = reserve(app, "1", cost="0.9").json()

        assert first["cost"] == "0.9"
        assert problem(reserve(app, "1", cost="0.2"), 402)["cap"]["kind"] == "cost"
        assert fields(reserve(app, "1", cost="0.1", cost_currency="XAU")) == ["cost_currency"]
        settled = settle(app, first["id"], "commit", {"id": "e"}).json()
        assert (settled["committed_cost"], settled["cost_overshoot"]) == (None, "0")
        assert reserve(app, "1", cost="1").status_code == 201
