"""POST /api/v1/events, as another program sees it."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from rest_framework.test import APIClient

from clients.models import UsageEvent, WorkspaceKey
from clients.services.keys import create_key, revoke_key

pytestmark = pytest.mark.django_db

URL = "/api/v1/events"


@pytest.fixture
def key(acme_support) -> tuple[WorkspaceKey, str]:
    return create_key(workspace=acme_support, name="App", scopes=["events"], now=timezone.now())


@pytest.fixture
def app(key) -> APIClient:
    """Acme's support chat, with its key."""
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key[1]}")
    return client


def send(app: APIClient, body: Any, content_type: str = "application/json") -> Any:
    raw = body if isinstance(body, bytes | str) else json.dumps(body)
    return app.post(URL, data=raw, content_type=content_type)


def errors(response: Any) -> list[tuple[int | None, str | None, str]]:
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.status_code == response.json()["status"]
    return [(e["index"], e["field"], e["message"]) for e in response.json().get("errors", [])]


class TestRecording:
    def test_one_event(self, app, conversation):
        response = send(app, {"id": "a", "unit": "conversation", "quantity": "2.5"})

        assert response.status_code == 200
        assert response.json() == {"accepted": 1, "duplicates": 0, "conflicts": []}
        stored = UsageEvent.objects.get()
        assert (stored.external_id, stored.quantity) == ("a", Decimal("2.5"))
        assert timezone.now() - stored.occurred_at < dt.timedelta(minutes=1)

    @pytest.mark.parametrize("zero", [b"0e999999", b'"0e999999"', b"0e-999999", b'"-0"'])
    def test_zero_however_it_is_written(self, app, conversation, zero):
        response = send(app, b'{"id": "a", "unit": "conversation", "quantity": %b}' % zero)

        assert response.status_code == 200, response.content
        assert UsageEvent.objects.get().quantity == 0

    def test_a_property_is_not_held_to_what_a_quantity_is(self, app, conversation):
        """It is no number of ours; "1e3" and escaped digits are numbers all the same."""
        body = (
            b'[{"id": "a", "unit": "conversation", "quantity": "1e3"},'
            b' {"id": "b", "unit": "conversation", "quantity": "\\u0031",'
            b'  "properties": {"quantity": "1_000", "cost": 0.5}}]'
        )
        assert send(app, body).json()["accepted"] == 2

        first, second = UsageEvent.objects.order_by("external_id")
        assert (first.quantity, second.quantity) == (1000, 1)
        assert second.properties == {"quantity": "1_000", "cost": 0.5}

    def test_every_field(self, app, conversation):
        response = send(
            app,
            {
                "id": "a",
                "unit": "conversation",
                "quantity": 2,
                "time": "2026-03-10T12:00:00.5+02:00",
                "subject": "s",
                "label": "chat",
                "run_id": "r",
                "provider": "openai",
                "model": "gpt-4o",
                "usage": {
                    "input_tokens": 10,
                    "cached_input_tokens": 4,
                    "output_tokens": 3,
                    "reasoning_tokens": 1,
                    "tool_calls": 2,
                },
                "cost": "123.45",
                "attempts": 2,
                "status": "ok",
                "properties": {"a": 1.25},
                "source": "app",
            },
        )

        assert response.status_code == 200
        stored = UsageEvent.objects.get()
        assert stored.occurred_at == dt.datetime(2026, 3, 10, 10, 0, 0, 500_000, tzinfo=dt.UTC)
        # The platform pays, so the price list says what it cost, not the caller:
        # 6 x 2.50 + 4 x 1.25 + 3 x 10 dollars per million.
        assert stored.cost == Decimal("0.00005")
        assert stored.properties == {"a": 1.25}

    def test_a_list_with_repeats_and_a_conflict(self, app, conversation):
        send(app, {"id": "a", "unit": "conversation"})
        response = send(
            app,
            [
                {"id": "a", "unit": "conversation", "quantity": "2"},
                {"id": "b", "unit": "conversation"},
                {"unit": "conversation", "id": "b"},
            ],
        )

        assert response.json() == {"accepted": 1, "duplicates": 2, "conflicts": ["a"]}

    def test_an_empty_list_is_nothing(self, app):
        assert send(app, []).json() == {"accepted": 0, "duplicates": 0, "conflicts": []}

    def test_an_idempotency_key_is_welcome_and_changes_nothing(self, app, conversation):
        body = json.dumps({"id": "a", "unit": "conversation"})
        for _ in range(2):
            response = app.post(
                URL, body, content_type="application/json", HTTP_IDEMPOTENCY_KEY="once"
            )
        assert response.json() == {"accepted": 0, "duplicates": 1, "conflicts": []}

    def test_a_thousand_are_welcome_one_more_is_not(self, app, conversation):
        events = [{"id": str(i), "unit": "conversation"} for i in range(1001)]

        assert send(app, events[:1000]).json()["accepted"] == 1000
        response = send(app, events)
        assert response.status_code == 400
        assert "at most 1,000" in response.json()["detail"]
        assert UsageEvent.objects.count() == 1000


class TestRefusals:
    def test_all_or_nothing_with_every_problem_by_index(self, app, conversation):
        response = send(
            app,
            [
                {"id": "fine", "unit": "conversation"},
                {"id": "a", "unit": "nonsense"},
                {"id": "b", "unit": "conversation", "time": "2999-01-01T00:00:00Z"},
            ],
        )

        assert response.status_code == 400
        assert errors(response) == [
            (1, "unit", "This agency has no unit “nonsense”."),
            (2, "time", "More than 15 minutes in the future. Is the clock right?"),
        ]
        assert not UsageEvent.objects.exists()

    def test_of_a_single_event_no_index_is_given(self, app):
        assert errors(send(app, {"unit": "conversation"})) == [(None, "id", "Required.")]

    @pytest.mark.parametrize(
        ("fields", "field", "message"),
        [
            ({"id": 7}, "id", "Expected str, got int."),
            ({"id": ""}, "id", "Must not be empty."),
            ({"id": "x" * 256}, "id", "At most 255 characters; these are 256."),
            ({"id": "a\0"}, "id", "cannot be stored"),
            ({"label": "a\0"}, "label", "cannot be stored"),
            ({"quantitiy": "1"}, "quantitiy", "Unknown field; known are id, unit, quantity"),
            ({"quantity": "NaN"}, "quantity", "Not a number."),
            ({"quantity": "Infinity"}, "quantity", "Not a number."),
            ({"quantity": True}, "quantity", "Expected decimal, got bool."),
            ({"quantity": "-1"}, "quantity", "Must not be negative."),
            ({"quantity": "1e999999"}, "quantity", "At most 1,000,000,000."),
            ({"quantity": "0.0000001"}, "quantity", "At most 6 decimal places."),
            ({"quantity": "1_000"}, "quantity", "Not a number."),
            ({"quantity": " 1"}, "quantity", "Not a number."),
            ({"quantity": "\u0661"}, "quantity", "Not a number."),
            ({"cost": "1_0"}, "cost", "Not a number."),
            ({"time": "2026-03-10T12:00:00"}, "time", "timezone"),
            ({"time": "yesterday"}, "time", "RFC3339"),
            ({"time": 1773144000}, "time", "Expected datetime, got int."),
            ({"time": "0001-01-01T00:00:00+14:00"}, "time", "Before 2000."),
            ({"time": "9999-12-31T23:59:59Z"}, "time", "in the future"),
            ({"status": "maybe"}, "status", "Invalid enum value 'maybe'."),
            ({"attempts": 0}, "attempts", "From 1 to 10,000."),
            ({"attempts": 2**70}, "attempts", "From 1 to 10,000."),
            ({"usage": {"input_tokens": -1}}, "usage.input_tokens", "From 0 to"),
            ({"usage": {"input_tokens": 2**70}}, "usage.input_tokens", "From 0 to"),
            ({"usage": {"input_tokens": 1.5}}, "usage.input_tokens", "Expected int, got float."),
            ({"usage": {"tokens": 1}}, "usage.tokens", "Unknown field; known are input_tokens"),
            (
                {"usage": {"input_tokens": 1, "cached_input_tokens": 2}},
                "usage.cached_input_tokens",
                "2 is more than input_tokens (1), which includes it.",
            ),
            (
                {"usage": {"output_tokens": 1, "reasoning_tokens": 2}},
                "usage.reasoning_tokens",
                "2 is more than output_tokens (1), which includes it.",
            ),
            ({"usage": {"tool_calls": -1}}, "usage.tool_calls", "From 0 to"),
            ({"cost": "-0.01"}, "cost", "Must not be negative."),
            ({"cost_currency": "XXX"}, "cost_currency", "ISO 4217"),
            ({"properties": [1]}, "properties", "Expected object, got array."),
            ({"properties": {"a": "b\0"}}, "properties.a", "NUL"),
            ({"properties": {"a\0": 1}}, "properties", "key"),
            ({"properties": {"a": "x" * 20_000}}, "properties", "More than 16,384 bytes."),
        ],
    )  # fmt: skip
    def test_what_cannot_be_stored_is_refused_with_its_field(
        self, app, conversation, fields, field, message
    ):
        response = send(app, {"id": "a", "unit": "conversation"} | fields)

        assert response.status_code == 400
        assert [(index, name) for index, name, _ in errors(response)] == [(None, field)]
        assert message in errors(response)[0][2]
        assert not UsageEvent.objects.exists()

    @pytest.mark.parametrize(
        ("body", "detail"),
        [
            (b'{"id": "a"', "Not readable as JSON"),
            (b"nonsense", "Not readable as JSON"),
            (b'{"id": "\xff", "unit": "conversation"}', "Not UTF-8"),
            (b'{"id": "\\ud800", "unit": "conversation"}', "surrogate"),
            (b'{"id": "a", "unit": "conversation", "quantity": NaN}', "Not readable as JSON"),
            (b"null", "Expected object, got null."),
            (b'"text"', "Expected object, got str."),
            (b'{"properties":' + b'{"a":' * 50_000, "Nested too deeply"),
            (
                b'{"id":"a","unit":"conversation","properties":' + b'{"a":' * 9 + b"1" + b"}" * 10,
                "Nested more than 8 levels deep",
            ),
            (
                b'{"id":"a","unit":"conversation","properties":{"a":1e999}}',
                "A number that is too long",
            ),
            (
                b'{"id":"a","unit":"conversation","properties":{"a":' + b"9" * 5000 + b"}}",
                "out of range",
            ),
        ],
    )
    def test_what_is_no_event_is_refused_in_words(self, app, conversation, body, detail):
        response = send(app, body)

        assert response.status_code == 400
        assert detail in " ".join(message for _, _, message in errors(response))
        assert not UsageEvent.objects.exists()

    def test_a_long_mistake_is_not_said_back_at_length(self, app):
        response = send(app, {"id": "a", "unit": "b", "x" * 10_000: 1})
        assert errors(response)[0][1] == "x" * 200 + "…"
        assert len(send(app, {"id": "a", "unit": "b", "status": "y" * 10_000}).content) < 1_000

    @pytest.mark.parametrize("body", [b"[" * 100_000, b"[1", b'[{"id": 1}'])
    def test_a_list_that_breaks_off_is_refused(self, app, body):
        response = send(app, body)
        assert response.status_code == 400
        assert errors(response) == []

    def test_malformed_items_are_named_by_index(self, app, conversation):
        response = send(app, b'[{"id": "a", "unit": "conversation"}, 7, {"id": "b"}]')

        assert errors(response) == [
            (1, None, "Expected object, got int."),
            (2, "unit", "Required."),
        ]

    def test_an_empty_body_is_refused(self, app):
        response = send(app, b"")
        assert response.status_code == 400
        assert response.json()["detail"] == "There is nothing in the request's body."

    def test_a_body_past_the_limit_is_refused_unread(self, app, settings, conversation):
        body = json.dumps({"id": "a", "unit": "conversation"})
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(body)
        assert send(app, body).status_code == 200

        response = send(app, body + " ")
        assert response.status_code == 413
        assert errors(response) == []

    def test_other_content_types_and_methods_are_refused_as_problems(self, app):
        assert send(app, "a=b", "application/x-www-form-urlencoded").status_code == 415
        assert errors(send(app, "a=b", "text/plain")) == []
        assert app.get(URL).status_code == 405
        assert errors(app.get(URL)) == []

    def test_a_busy_database_asks_to_try_again_and_says_nothing_of_itself(
        self, app, conversation, monkeypatch
    ):
        def busy(**_: object) -> None:
            raise OperationalError("FATAL: table clients_usageevent is locked")

        monkeypatch.setattr("agencyportal.api.events.record_events", busy)
        response = send(app, {"id": "a", "unit": "conversation"})

        assert response.status_code == 503
        assert response.headers["Retry-After"] == "1"
        assert "usageevent" not in response.content.decode()

    def test_a_defect_of_ours_says_nothing_of_itself(self, app, conversation, monkeypatch):
        def broken(**_: object) -> None:
            raise RuntimeError("secret detail")

        monkeypatch.setattr("agencyportal.api.events.record_events", broken)
        response = send(app, {"id": "a", "unit": "conversation"})

        assert response.status_code == 500
        assert errors(response) == []
        assert "secret" not in response.content.decode()


class TestKeys:
    def body(self) -> dict[str, str]:
        return {"id": "a", "unit": "conversation"}

    @pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer ", "Bearer nope"])
    def test_without_a_usable_key_401(self, conversation, acme_support, header):
        client = APIClient()
        if header is not None:
            client.credentials(HTTP_AUTHORIZATION=header)
        response = send(client, self.body())

        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="Agency Portal"'
        assert errors(response) == []
        assert not UsageEvent.objects.exists()

    def test_a_revoked_key_is_401(self, app, key, conversation):
        assert send(app, self.body()).status_code == 200
        revoke_key(key=key[0], now=timezone.now())
        assert send(app, self.body()).status_code == 401

    def test_an_expired_key_is_401(self, acme_support, conversation):
        now = timezone.now()
        _, text = create_key(
            workspace=acme_support,
            name="old",
            scopes=["events"],
            now=now - dt.timedelta(days=2),
            expires_at=now - dt.timedelta(days=1),
        )
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        assert send(client, self.body()).status_code == 401

    def test_a_key_without_the_scope_is_403(self, acme_support, conversation):
        _, text = create_key(
            workspace=acme_support, name="reader", scopes=["read"], now=timezone.now()
        )
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        response = send(client, self.body())

        assert response.status_code == 403
        assert response.json()["detail"] == "This key lacks the scope “events”."
        assert not UsageEvent.objects.exists()

    def test_a_key_writes_to_its_own_workspace_alone(
        self, app, key, acme_support, cedar_support, conversation, harbor_conversation
    ):
        _, other = create_key(
            workspace=cedar_support, name="Other", scopes=["events"], now=timezone.now()
        )
        stranger = APIClient()
        stranger.credentials(HTTP_AUTHORIZATION=f"Bearer {other}")

        assert send(app, self.body()).json()["accepted"] == 1
        # The same id is no duplicate elsewhere, and says nothing of what is here.
        assert send(stranger, self.body() | {"quantity": "2"}).json() == {
            "accepted": 1,
            "duplicates": 0,
            "conflicts": [],
        }
        assert set(UsageEvent.objects.values_list("workspace__slug", "unit__agency__slug")) == {
            ("acme-support", "northwind"),
            ("cedar-support", "harbor"),
        }


class TestCloudEvents:
    SINGLE = "application/cloudevents+json"
    BATCH = "application/cloudevents-batch+json; charset=utf-8"

    def envelope(self, **attributes: Any) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": "a",
            "source": "/support/eu",
            "type": "chat.finished",
            "time": "2026-03-10T12:00:00Z",
            "data": {"unit": "conversation", "quantity": "2"},
        } | attributes

    def test_the_envelope_names_the_event_and_data_is_the_rest(self, app, conversation):
        body = self.envelope(
            subject="ann",
            traceparent="00-ab-cd-01",
            datacontenttype="application/json; charset=utf-8",
            data={
                "unit": "conversation",
                "quantity": "2",
                "model": "gpt-4o",
                "usage": {"input_tokens": 1_000_000, "output_tokens": 0},
                "properties": {"x": 0.1},
            },
        )
        response = send(app, body, self.SINGLE)

        assert response.json() == {"accepted": 1, "duplicates": 0, "conflicts": []}
        stored = UsageEvent.objects.get()
        assert (stored.source, stored.external_id) == ("/support/eu", "a")
        assert stored.occurred_at == dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
        assert (stored.subject, stored.label) == ("ann", "chat.finished")
        assert stored.quantity == Decimal(2)
        assert (stored.cost, stored.properties) == (Decimal("2.5"), {"x": 0.1})

    def test_data_may_name_subject_and_label_itself(self, app, conversation):
        data = {"unit": "conversation", "label": "triage", "subject": "bob"}
        send(app, self.envelope(subject="ann", data=data), self.SINGLE)

        stored = UsageEvent.objects.get()
        assert (stored.subject, stored.label) == ("bob", "triage")

    def test_a_batch(self, app, conversation):
        body = [self.envelope(), self.envelope(id="b"), self.envelope(source="/other")]
        assert send(app, body, self.BATCH).json()["accepted"] == 3
        assert send(app, body, self.BATCH).json()["duplicates"] == 3

    @pytest.mark.parametrize(
        ("attributes", "field"),
        [
            ({"specversion": "0.3"}, "specversion"),
            ({"source": ""}, "source"),
            ({"type": " "}, "type"),
            ({"time": "2026-03-10"}, "time"),
            ({"data": {"quantity": "1"}}, "data.unit"),
            ({"data": {"unit": "conversation", "id": "b"}}, "data.id"),
            ({"data": {"unit": "conversation", "time": "2026-03-10T12:00:00Z"}}, "data.time"),
            ({"data": {"unit": "conversation", "quantity": []}}, "data.quantity"),
            ({"data": {"unit": "conversation", "quantity": "1_000"}}, "data.quantity"),
            ({"data": {"unit": "conversation", "nonsense": 1}}, "data.nonsense"),
            ({"data": "text"}, "data"),
            ({"data": None}, "data.unit"),
            ({"data_base64": "AAAA"}, "data_base64"),
            ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ],
    )
    def test_envelopes_we_cannot_read_are_refused_by_attribute(
        self, app, conversation, attributes, field
    ):
        response = send(app, [self.envelope(), self.envelope(**attributes)], self.BATCH)

        assert response.status_code == 400
        assert [(index, name) for index, name, _ in errors(response)] == [(1, field)]
        assert not UsageEvent.objects.exists()

    def test_a_missing_attribute_is_named(self, app):
        body = self.envelope()
        del body["specversion"]
        assert errors(send(app, body, self.SINGLE)) == [(None, "specversion", "Required.")]

    def test_single_and_batch_have_their_own_content_types(self, app, conversation):
        assert send(app, [self.envelope()], self.SINGLE).status_code == 400
        assert send(app, self.envelope(), self.BATCH).status_code == 400
        assert not UsageEvent.objects.exists()
