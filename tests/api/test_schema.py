"""The API's description: complete, and there for programs and people."""

from __future__ import annotations

import pytest
import yaml

from agencyportal.api import urls

pytestmark = pytest.mark.django_db


@pytest.fixture
def schema(client):
    response = client.get("/api/schema/")
    assert response.status_code == 200
    return yaml.safe_load(response.content)


def test_every_call_is_described(schema):
    ours = {
        "/api/" + str(pattern.pattern).replace("<uuid:public_id>", "{public_id}")
        for pattern in urls.urlpatterns
        if str(pattern.pattern).startswith("v1/")
    }

    assert schema["openapi"].startswith("3.1")
    assert set(schema["paths"]) == ours


def test_every_call_names_its_answers_and_how_to_authenticate(schema):
    for path, calls in schema["paths"].items():
        for method, call in calls.items():
            assert call["security"] == [{"workspaceKey": []}], (path, method)
            assert {"401", "403", "429"} < set(call["responses"]), (path, method)
            assert call["summary"], (path, method)
            for status, answer in call["responses"].items():
                media = "application/json" if status < "3" else "application/problem+json"
                assert list(answer["content"]) == [media], (path, method, status)
    scheme = schema["components"]["securitySchemes"]["workspaceKey"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_events_are_described_in_every_form(schema):
    content = schema["paths"]["/api/v1/events"]["post"]["requestBody"]["content"]

    assert list(content) == [
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    ]
    one, many = content["application/json"]["schema"]["oneOf"]
    assert one["required"] == ["id", "unit"]
    assert "cached_input_tokens" in str(one["properties"]["usage"])
    assert many["maxItems"] == 1000


def test_the_docs_page_loads_from_here_alone(client):
    page = client.get("/api/docs/")

    assert page.status_code == 200
    assert "http://" not in page.content.decode().replace("http://testserver", "")
    assert "https://" not in page.content.decode()
