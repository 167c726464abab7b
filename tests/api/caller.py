"""A program that calls the API with a workspace's key."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from agencyportal.core.periods import quarter_floor
from billing.models import Subscription
from clients.models import Workspace
from clients.services.keys import create_key
from tests.billing.plan_samples import starter
from tests.billing.story import subscribe

ALL_SCOPES = ("events", "corrections", "read", "reserve")


def caller(workspace: Workspace, *scopes: str) -> APIClient:
    """A client with a fresh key of these scopes, by default of all that the API knows."""
    _, text = create_key(
        workspace=workspace, name="App", scopes=scopes or ALL_SCOPES, now=timezone.now()
    )
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def begun(workspace: Workspace, **terms: Any) -> Subscription:
    """Put a workspace on a plan whose first period, a whole month, began a moment ago."""
    plan = starter(**terms)
    del plan["anchor"]
    return subscribe(workspace, plan, quarter_floor(timezone.now()))


def problem(response: Any, status: int) -> dict[str, Any]:
    """The problem of a response with this status; its errors as (field, message)."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    return body


def fields(response: Any) -> list[str | None]:
    """Which fields a 400 complains of."""
    return [error["field"] for error in problem(response, 400).get("errors", [])]
