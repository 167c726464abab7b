"""A client buys a top-up and pays for it on the double's page, as it would on Stripe's."""

from __future__ import annotations

import random
from typing import Any

import pytest
from djstripe.models import WebhookEndpoint
from playwright.sync_api import Page, expect

from billing.models import CreditGrant, Invoice, StripeEvent, TopUpOrder
from clients.models import User
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import SECRET, stripe, stripe_server

from .conftest import House, SignIn

__all__ = ["stripe", "stripe_server"]


@pytest.fixture
def here(live_server: Any, stripe: StripeDouble, settings: Any) -> str:
    """The portal's own address, to which Stripe sends people back."""
    settings.PORTAL_BASE_URL = live_server.url
    return str(live_server.url)


@pytest.fixture
def webhook(here: str, house: House) -> str:
    """Where this portal takes Stripe's events."""
    row = WebhookEndpoint.objects.create(
        id="we_browser",
        url=here,
        secret=SECRET,
        livemode=False,
        status="enabled",
        enabled_events=["*"],
    )
    return f"{here}/stripe/webhook/{row.djstripe_uuid}/"


def test_a_client_buys_on_the_usage_page_pays_and_sees_the_credit(
    page: Page,
    house: House,
    client_admin: User,
    sign_in: SignIn,
    stripe: StripeDouble,
    webhook: str,
) -> None:
    """Before Stripe has told of anything; then it tells of everything, twice and shuffled."""
    sign_in(client_admin)
    expect(page.get_by_text("100 conversations left").first).to_be_visible()
    page.get_by_role("link", name="Buy Growth 500").first.click()
    page.get_by_role("button", name="Pay $60.00 now").click()

    page.wait_for_url(f"{stripe.url}/pay/*")
    page.get_by_role("button", name="Pay with a card that is declined").click()
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    page.get_by_role("button", name="Pay with a card that asks for 3-D Secure").click()
    page.get_by_role("button", name="Complete").click()

    page.wait_for_url("**/top-ups/bought/*/")
    expect(page.get_by_text("500 conversations are there").first).to_be_visible()
    assert not StripeEvent.objects.exists()
    told = stripe.events * 2
    random.Random(3).shuffle(told)
    assert {stripe.send(event, webhook, SECRET) for event in told} == {200}
    assert not StripeEvent.objects.exclude(state__in=("done", "ignored")).exists()

    page.get_by_role("link", name="Usage", exact=True).first.click()
    expect(page.get_by_text("600 conversations left").first).to_be_visible()
    invoice = Invoice.objects.get(order__isnull=False)
    assert (invoice.state, invoice.total) == ("paid", 60)
    assert CreditGrant.objects.filter(kind="top_up").count() == TopUpOrder.objects.count() == 1


def test_whoever_never_comes_back_gets_the_credit_by_the_event(
    page: Page,
    house: House,
    client_admin: User,
    sign_in: SignIn,
    stripe: StripeDouble,
    webhook: str,
) -> None:
    sign_in(client_admin)
    page.get_by_role("link", name="Buy Growth 500").first.click()
    page.get_by_role("button", name="Pay $60.00 now").click()
    page.wait_for_url(f"{stripe.url}/pay/*")
    stripe.pay(stripe.last("checkout.session")["id"])
    for event in stripe.events:
        stripe.send(event, webhook, SECRET)
    page.goto(f"/portal/{house.client.pk}/")
    expect(page.get_by_text("600 conversations left").first).to_be_visible()
