"""Stripe in the admin: the operator's events, and how to switch it on."""

from __future__ import annotations

import datetime as dt
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from django.utils import timezone
from djstripe.models import WebhookEndpoint, WebhookEventTrigger

from agencyportal.core.periods import quarter_floor
from billing.models import BalanceEntry, StripeEvent, TopUpOrder, TopUpPurchase
from billing.services.stripe_endpoint import forget_old_calls
from billing.services.stripe_inbox import keep_event, process_due_events
from billing.services.top_up_orders import begin_payment, look_at_order, place_order
from billing.stripe_handlers import handled_types
from clients.models import Agency, UsageUnit, User, Workspace
from tests.billing.plan_samples import starter
from tests.billing.story import subscribe
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


# --- Orders in trouble -------------------------------------------------------------------------

ORDERS = "/admin/billing/topuporder/"


@pytest.fixture
def troubled(stripe: StripeDouble, acme_support: Workspace, conversation: UsageUnit) -> TopUpOrder:
    """Paid by Acme, with another amount than was asked for."""
    now = timezone.now()
    start = quarter_floor(now - dt.timedelta(days=3))
    band = subscribe(acme_support, starter(), start).plan_version.top_ups.get()
    placed = place_order(
        workspace=acme_support, band=band, method="page", now=now, key="one", buyer=None
    )
    placed = begin_payment(order=placed, now=now)
    intent = stripe.pay(placed.session_id or "")["payment_intent"]
    stripe.book.rows[intent]["amount_received"] = 5000
    return look_at_order(order=placed, now=now)


def test_trouble_is_on_the_home_page_and_ends_once_it_is_right(
    stripe: StripeDouble, troubled: TopUpOrder, teammate: User, client: Browser
) -> None:
    client.force_login(teammate)
    assert "Top-ups paid and not granted" in client.get("/admin/").content.decode()
    assert "the order asks for $60.00" in client.get(f"{ORDERS}?trouble=yes").content.decode()
    page = f"{ORDERS}{troubled.pk}/look-again/"
    still = client.post(page, {"key": "one", "payment": ""})
    assert "It still cannot be granted" in still.content.decode()
    stripe.last("payment_intent")["amount_received"] = 6000
    assert client.post(page, {"key": "two", "payment": ""}).status_code == 302
    assert TopUpPurchase.objects.count() == 1
    assert "Top-ups paid and not granted" not in client.get("/admin/").content.decode()


def test_its_money_is_put_on_the_balance_once(
    troubled: TopUpOrder, teammate: User, client: Browser
) -> None:
    client.force_login(teammate)
    page = f"{ORDERS}{troubled.pk}/to-balance/"
    assert "The money is the client" in client.get(page).content.decode()
    assert client.post(page, {"key": "one"}).status_code == 302
    again = client.post(page, {"key": "one"})
    assert "no trouble with this order any more" in again.content.decode()
    assert BalanceEntry.objects.get().amount == 60


def test_an_outsider_finds_no_orders(troubled: TopUpOrder, outsider: User, client: Browser) -> None:
    client.force_login(outsider)
    for slug in ("change", "look-again", "to-balance", "nothing-paid"):
        assert client.post(f"{ORDERS}{troubled.pk}/{slug}/", {"key": "x"}).status_code == 404
    assert not BalanceEntry.objects.exists()


def test_old_calls_are_forgotten(stripe: StripeDouble, settings: Any) -> None:
    settings.PORTAL_BASE_URL = "https://portal.example"
    said()
    now = timezone.now()
    for days, valid in ((0, False), (2, False), (2, True), (40, True)):
        call = WebhookEventTrigger.objects.create(remote_ip="127.0.0.1", headers={}, valid=valid)
        WebhookEventTrigger.objects.filter(pk=call.pk).update(created=now - dt.timedelta(days=days))
    assert forget_old_calls(now=now) == 2
    assert WebhookEventTrigger.objects.count() == 2
