"""Stripe in the admin: the operator's events, and how to switch it on."""

from __future__ import annotations

import datetime as dt
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from django.utils import timezone
from djstripe.models import WebhookEndpoint

from billing.models import StripeEvent
from billing.services.stripe_inbox import keep_event, process_due_events
from billing.stripe_handlers import handled_types
from clients.models import Agency, User
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import SECRET, stripe, stripe_server

__all__ = ["stripe", "stripe_server"]

EVENTS = "/admin/billing/stripeevent/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def failed(stripe: StripeDouble) -> StripeEvent:
    body = stripe.book.tell("customer.updated", {"id": "cus_1", "object": "customer"})
    event = keep_event(body, now=timezone.now())
    StripeEvent.objects.update(state="failed", said="UnreachableError: Stripe does not answer.")
    event.refresh_from_db()
    return event


def test_the_operator_sees_what_failed_and_has_it_done_again(
    failed: StripeEvent, operator: User, client: Browser
) -> None:
    client.force_login(operator)
    assert "Failed Stripe events" in client.get("/admin/").content.decode()
    assert "Stripe does not answer." in client.get(EVENTS).content.decode()
    page = f"{EVENTS}{failed.pk}/replay/"
    assert "nothing is charged, paid or granted twice" in client.get(page).content.decode()
    failed.refresh_from_db()
    assert failed.state == "failed", "looking does nothing"

    assert client.post(page, {"key": "one"}).status_code == 302
    failed.refresh_from_db()
    assert failed.state == "pending"
    process_due_events(now=timezone.now() + dt.timedelta(seconds=1))
    failed.refresh_from_db()
    assert failed.state == "ignored"


def test_an_agency_finds_no_events(
    failed: StripeEvent, owner: User, northwind: Agency, client: Browser
) -> None:
    client.force_login(owner)
    assert client.get(EVENTS).status_code == 404
    assert client.post(f"{EVENTS}{failed.pk}/replay/", {"key": "one"}).status_code == 404
    assert "Failed Stripe events" not in client.get("/admin/").content.decode()


def test_without_a_key_the_page_says_how_to_switch_it_on(operator: User, client: Browser) -> None:
    client.force_login(operator)
    assert "Set STRIPE_SECRET_KEY, as docs/stripe.md says" in client.get(EVENTS).content.decode()


def said(*args: str) -> str:
    out = StringIO()
    call_command("connect_stripe", *args, stdout=out)
    return out.getvalue()


def test_connecting_makes_one_endpoint_for_what_is_handled(
    stripe: StripeDouble, settings: Any
) -> None:
    settings.PORTAL_BASE_URL = "https://portal.example"
    assert "The key works; it is of Agency Portal" in said()
    said()
    (there,) = stripe.rows("webhook_endpoint")
    row = WebhookEndpoint.objects.get()
    assert there["url"] == row.url == f"https://portal.example/stripe/webhook/{row.djstripe_uuid}/"
    assert there["enabled_events"] == handled_types() == row.enabled_events
    assert row.secret == there["secret"]


def test_an_endpoint_that_was_deleted_there_is_made_again(
    stripe: StripeDouble, settings: Any
) -> None:
    settings.PORTAL_BASE_URL = "https://portal.example"
    said()
    del stripe.book.rows[WebhookEndpoint.objects.get().id]
    said()
    assert WebhookEndpoint.objects.get().id == stripe.last("webhook_endpoint")["id"]


def test_where_stripe_cannot_reach_us_events_are_forwarded(stripe: StripeDouble) -> None:
    with pytest.raises(CommandError, match="Stripe cannot reach"):
        said()
    said("--secret", SECRET)
    said("--secret", SECRET)
    row = WebhookEndpoint.objects.get()
    assert (row.secret, str(row.djstripe_uuid) in row.url) == (SECRET, True)
    with pytest.raises(CommandError, match="whsec_"):
        said("--secret", "sk_test")


def test_without_a_key_and_with_a_wrong_one_it_says_so(
    stripe_server: StripeDouble, settings: Any
) -> None:
    with pytest.raises(CommandError, match="Set STRIPE_SECRET_KEY"):
        said()
    settings.STRIPE_SECRET_KEY = "rk_live_" + "1" * 24
    settings.STRIPE_API_BASE = stripe_server.url
    with pytest.raises(CommandError, match="does not accept STRIPE_SECRET_KEY"):
        said()
