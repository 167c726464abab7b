"""Stripe switched on, against the double. Imported by the conftests of tests that are about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client as Browser
from djstripe.models import WebhookEndpoint

from billing import stripe_gateway
from tests.stripe_double import StripeDouble, signed

__all__ = ["deliver", "endpoint", "stripe", "stripe_server"]

SECRET = "whsec_" + "t" * 32


@pytest.fixture(scope="session")
def stripe_server() -> Iterator[StripeDouble]:
    with StripeDouble() as double:
        yield double
        stripe_gateway.close_connections()


@pytest.fixture
def stripe(stripe_server: StripeDouble, settings: Any) -> StripeDouble:
    """The double, empty, with the portal switched on to it."""
    stripe_server.reset()
    settings.STRIPE_SECRET_KEY = "sk_test_" + "1" * 24
    settings.STRIPE_API_BASE = stripe_server.url
    return stripe_server


@pytest.fixture
def endpoint(db: None) -> WebhookEndpoint:
    """Where the portal takes events."""
    return WebhookEndpoint.objects.create(
        id="we_test",
        url="https://portal.example/",
        secret=SECRET,
        livemode=False,
        status="enabled",
        enabled_events=["*"],
    )


Deliver = Callable[..., Any]


@pytest.fixture
def deliver(endpoint: WebhookEndpoint, django_capture_on_commit_callbacks: Any) -> Deliver:
    """Posts an event of the double's to the portal, and has it done; the response."""

    def post(event: dict[str, Any], *, secret: str = SECRET, at: float | None = None) -> Any:
        body, headers = signed(event, secret, at=at)
        with django_capture_on_commit_callbacks(execute=True):
            return Browser().post(
                f"/stripe/webhook/{endpoint.djstripe_uuid}/",
                data=body,
                content_type="application/json",
                headers={"Stripe-Signature": headers["Stripe-Signature"]},
            )

    return post
