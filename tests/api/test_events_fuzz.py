"""Whatever is sent to POST /api/v1/events is recorded or refused: never a crash, never half."""

from __future__ import annotations

import json
from typing import Any

from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from rest_framework.test import APIClient

from clients.models import UsageEvent, Workspace
from clients.services.keys import create_key
from clients.services.people import create_agency, create_client, create_workspace
from clients.services.units import create_unit

TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
FIELDS = (
    *("id", "unit", "quantity", "time", "subject", "label", "run_id", "provider", "model"),
    *("usage", "cost", "cost_currency", "attempts", "status", "properties", "source"),
    *("specversion", "type", "data", "nonsense"),
)
texts = st.text(max_size=20) | st.sampled_from(
    [
        *("", " ", "\0", "\ud800", "conversation", "paper", "1", "-0", "1E+999999", "NaN", "1.0"),
        *("2026-03-10T12:00:00Z", "0001-01-01T00:00:00Z", "gpt-4o", "USD", "ok", "🦆", "x" * 300),
    ]
)
numbers = (
    st.integers() | st.floats() | st.sampled_from([0, 2**31, 2**63 - 1, 2**63, -(2**63), 10**40])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
good = {
    "id": "a",
    "unit": "conversation",
    "source": "s",
    "type": "t",
    "specversion": "1.0",
    "data": {"unit": "conversation"},
}
events = st.builds(
    lambda spoilt, kept: {name: good[name] for name in kept} | spoilt,
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=3),
    st.sets(st.sampled_from(["id", "unit"])) | st.just({"id", "unit"}),
)
envelopes = st.dictionaries(st.sampled_from(FIELDS), values, max_size=2).map(
    lambda spoilt: {name: value for name, value in good.items() if name != "unit"} | spoilt
)


class Fuzz(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        agency = create_agency(slug="fuzz", name="Fuzz")
        client = create_client(
            agency=agency, slug="c", name="C", currency="KWD", timezone="Asia/Kathmandu"
        )
        cls.workspace = create_workspace(client=client, slug="w", name="W")
        now = timezone.now()
        definitions: dict[str, dict[str, Any]] = {
            "conversation": {},
            "paper": {"aggregation": "sum", "property_name": "pages"},
        }
        for slug, definition in definitions.items():
            create_unit(
                agency=agency, slug=slug, name=slug, plural=slug, effective_from=now, **definition
            )
        cls.key = create_key(workspace=cls.workspace, name="k", scopes=["events"], now=now)[1]

    workspace: Workspace
    key: str

    def send(self, body: bytes, content_type: str) -> Any:
        app = APIClient()  # raises what the view does not handle
        app.credentials(HTTP_AUTHORIZATION=f"Bearer {self.key}")
        return app.post("/api/v1/events", data=body, content_type=content_type)

    def check(self, body: bytes, content_type: str) -> None:
        response = self.send(body, content_type)
        stored = UsageEvent.objects.filter(workspace=self.workspace).count()
        if response.status_code == 200:
            assert stored == response.json()["accepted"]
        else:
            assert response.status_code == 400, response.content
            assert response.json()["status"] == 400
            assert stored == 0

    @given(events | st.lists(events, max_size=3) | values, st.sampled_from(TYPES))
    @example({"id": "a", "unit": "paper", "properties": {"pages": 1e308}}, TYPES[0])
    @example({"id": "a", "unit": "paper", "properties": {"pages": -0.0}}, TYPES[0])
    def test_json_of_any_shape(self, body, content_type) -> None:
        self.check(json.dumps(body).encode(), content_type)

    @given(envelopes | st.lists(envelopes, max_size=3))
    def test_envelopes_of_any_content(self, body) -> None:
        self.check(json.dumps(body).encode(), TYPES[1 + isinstance(body, list)])

    @given(st.binary(max_size=60), st.sampled_from(TYPES))
    def test_bytes_of_any_kind(self, body, content_type) -> None:
        self.check(body, content_type)

    @given(st.integers(0, 200), st.integers(0, 255))
    def test_a_good_body_with_a_byte_changed(self, position, byte) -> None:
        body = bytearray(
            b'[{"id":"a","unit":"conversation","quantity":"1.5","time":"2026-03-10T12:00:00Z",'
            b'"properties":{"x":[1,{"y":"z"}]},"usage":{"input_tokens":12},"status":"ok"}]'
        )
        body[position % len(body)] = byte
        self.check(bytes(body), TYPES[0])
