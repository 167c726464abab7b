"""Paying a top-up at once: the offer, the way to Stripe and back, and the saved card."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client as Browser

from billing.models import Invoice, StripeCustomer, TaxRate, TopUpOrder, TopUpPurchase
from billing.services.stripe_customers import ensure_customer, read_card
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import deliver, endpoint, stripe, stripe_server

from .conftest import NOON, Story
from .pages import text_of

__all__ = ["deliver", "endpoint", "stripe", "stripe_server"]


@pytest.fixture
def form() -> dict[str, str]:
    return {"key": str(uuid.uuid4()), "pay": "page"}


@pytest.fixture
def card(stripe: StripeDouble, story: Story) -> Any:
    def save(way: str = "card") -> StripeCustomer:
        customer = ensure_customer(client=story.client, now=NOON)
        stripe.save_card(customer.customer_id, way)
        return read_card(customer=customer, now=NOON)

    return save


def buy(story: Story, admin: Browser, form: dict[str, str]) -> str:
    """Send the form; the order's page without its query."""
    answer = admin.post(story.offer(story.growth, "buy/"), form)
    assert answer.status_code == 302
    return str(answer["Location"]).partition("?")[0]


def leads_to(response: Any) -> str:
    """Where a page goes by itself: an address, seconds, or nothing."""
    found = re.search(r'http-equiv="refresh" content="([^"]*)"', response.content.decode())
    return found.group(1) if found else ""


def test_an_offer_says_price_tax_and_what_it_covers(
    stripe: StripeDouble, story: Story, admin: Browser
) -> None:
    TaxRate.objects.create(
        agency=story.client.agency,
        country="US",
        category="S",
        percent=Decimal("8.875"),
        effective_from="2020-01-01",
    )
    text = text_of(admin.get(story.offer(story.growth)))
    assert "Price $60.00 before tax" in text
    assert "To pay $65.33, of it $5.33 tax (8.875%)" in text
    assert "Covers 650 conversations left once it is bought" in text
    assert "Pay $65.33 now" in text
    assert "Buy on account" in text


def test_paid_on_stripes_page_it_is_there_on_return(
    stripe: StripeDouble, story: Story, admin: Browser, form: dict[str, str]
) -> None:
    """Nothing has been told by Stripe yet."""
    page = buy(story, admin, form)
    on_the_way = admin.get(f"{page}?go=pay")
    session = stripe.last("checkout.session")
    assert leads_to(on_the_way) == f"0;url={session['url']}"
    assert "Go on to the payment" in text_of(on_the_way)

    stripe.pay(session["id"])
    back = admin.get(f"{page}?back=paid", follow=True)
    assert "500 conversations are there for Acme support chat, ready to use." in text_of(back)
    assert str(TopUpPurchase.objects.get().order.invoice.number) in text_of(back)
    assert "650 conversations left" in text_of(admin.get(story.url()))
    admin.get(page)
    assert TopUpPurchase.objects.count() == 1


def test_what_expires_soon_can_be_paid_now_and_start_with_the_next_period(
    stripe: StripeDouble,
    story: Story,
    admin: Browser,
    form: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = dt.datetime(2026, 3, 31, 21, tzinfo=dt.UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: late)
    assert "With the next period, on April 1, 2026" in text_of(admin.get(story.offer(story.growth)))
    here = buy(story, admin, {**form, "starts": "next_period"})
    stripe.pay(stripe.last("checkout.session")["id"])
    admin.get(f"{here}?back=paid")
    order = TopUpOrder.objects.get()
    assert (order.state, order.starts) == ("paid", "next_period")
    assert order.purchase is not None
    assert order.purchase.grant.effective_at == dt.datetime(2026, 4, 1, 4, tzinfo=dt.UTC)
    assert Invoice.objects.get(order=order).state == "paid"


def test_the_same_form_twice_is_one_order(
    stripe: StripeDouble, story: Story, admin: Browser, form: dict[str, str]
) -> None:
    assert buy(story, admin, form) == buy(story, admin, form)
    assert TopUpOrder.objects.count() == len(stripe.rows("checkout.session")) == 1


def test_a_page_opened_too_early_looks_again_by_itself(
    stripe: StripeDouble, story: Story, admin: Browser, form: dict[str, str]
) -> None:
    page = buy(story, admin, form)
    early = admin.get(f"{page}?back=paid")
    assert leads_to(early) == "4"
    assert "Your payment is being confirmed." in text_of(early)
    left = admin.get(f"{page}?back=left")
    assert leads_to(left) == ""
    assert "This is not paid yet." in text_of(left)


def test_a_bank_payment_is_on_its_way(
    stripe: StripeDouble, story: Story, admin: Browser, form: dict[str, str], deliver: Any
) -> None:
    page = buy(story, admin, form)
    intent = stripe.pay(stripe.last("checkout.session")["id"], "debit")["payment_intent"]
    assert "Your payment is on its way." in text_of(admin.get(f"{page}?back=paid"))
    assert "The payment of Growth 500 is on its way." in text_of(admin.get(story.url("top-ups/")))
    stripe.bounce(intent)
    deliver(stripe.events[-1])
    text = text_of(admin.get(page))
    assert "The bank declined the payment. Nothing was paid, and nothing was bought." in text
    assert "Try again" in text


def test_it_can_be_cancelled(
    stripe: StripeDouble, story: Story, admin: Browser, form: dict[str, str]
) -> None:
    page = buy(story, admin, form)
    done = admin.post(f"{page}cancel/", follow=True)
    assert "Nothing was paid, and nothing was bought." in text_of(done)
    assert "This was not paid, and nothing was bought." in text_of(admin.get(page))
    assert stripe.last("checkout.session")["status"] == "expired"


def test_the_saved_card_is_charged_at_a_click(
    stripe: StripeDouble, story: Story, admin: Browser, form: dict[str, str], card: Any
) -> None:
    card()
    offer = admin.get(story.offer(story.growth))
    assert "Pay $60.00 with Visa •••• 4242" in text_of(offer)
    done = admin.post(story.offer(story.growth, "buy/"), form | {"pay": "card"}, follow=True)
    assert "ready to use" in text_of(done)
    admin.post(story.offer(story.growth, "buy/"), form | {"pay": "card"}, follow=True)
    assert len(stripe.rows("charge")) == 1


def test_a_declined_card_says_why(
    stripe: StripeDouble, story: Story, admin: Browser, form: dict[str, str], card: Any
) -> None:
    card("no funds")
    done = admin.post(story.offer(story.growth, "buy/"), form | {"pay": "card"}, follow=True)
    assert "There is not enough money on the card." in text_of(done)
    assert not TopUpPurchase.objects.exists()


def test_a_card_that_asks_leads_on_to_its_bank(
    stripe: StripeDouble, story: Story, admin: Browser, form: dict[str, str], card: Any
) -> None:
    card("3ds always")
    done = admin.post(story.offer(story.growth, "buy/"), form | {"pay": "card"}, follow=True)
    intent = stripe.last("payment_intent")
    assert leads_to(done) == f"0;url={stripe.url}/authenticate/{intent['id']}"
    stripe.authenticate(intent["id"])
    page = f"/portal/{story.client.pk}/orders/{TopUpOrder.objects.get().pk}/?back=paid"
    assert "ready to use" in text_of(admin.get(page, follow=True))


def test_where_stripe_does_not_answer_nobody_pays_twice(
    stripe: StripeDouble, story: Story, admin: Browser, form: dict[str, str], card: Any
) -> None:
    card()
    stripe.breaks = ["lose"] * 2
    done = admin.post(story.offer(story.growth, "buy/"), form | {"pay": "card"}, follow=True)
    text = text_of(done)
    assert "Stripe does not answer just now." in text
    assert "please do not pay again" in text
    again = admin.post(story.offer(story.growth, "buy/"), form | {"pay": "card"}, follow=True)
    assert "ready to use" in text_of(again)
    assert len(stripe.rows("charge")) == 1


def test_what_is_wrong_with_the_key_is_the_operators_alone(
    stripe: StripeDouble, story: Story, admin: Browser
) -> None:
    stripe.breaks = ["401"]
    response = admin.post(story.url("card/change/"))
    page = response.content.decode()
    assert response.status_code == 503
    assert "Stripe cannot be used just now." in page
    assert ("STRIPE_SECRET_KEY" in page, "Invalid API Key" in page) == (False, False)


def test_a_viewer_looks_and_does_not_pay(
    stripe: StripeDouble, story: Story, admin: Browser, viewer: Browser, form: dict[str, str]
) -> None:
    page = buy(story, admin, form)
    assert leads_to(viewer.get(f"{page}?go=pay")) != f"0;url={TopUpOrder.objects.get().pay_url}"
    assert viewer.post(story.offer(story.growth, "buy/"), form).status_code == 403
    assert viewer.post(f"{page}cancel/").status_code == 403
    assert viewer.post(story.url("card/change/")).status_code == 403
    assert viewer.post(story.url("card/remove/")).status_code == 403


def test_a_card_is_saved_shown_and_taken_off(
    stripe: StripeDouble, story: Story, admin: Browser
) -> None:
    assert "No card is saved." in text_of(admin.get(story.url("card/")))
    on_the_way = admin.post(story.url("card/change/"))
    session = stripe.last("checkout.session")
    assert leads_to(on_the_way) == f"0;url={session['url']}"
    assert session["success_url"].endswith(story.url("card/saved/?page={CHECKOUT_SESSION_ID}"))
    stripe.pay(session["id"], "other card")
    done = admin.get(story.url(f"card/saved/?page={session['id']}"), follow=True)
    assert "Mastercard •••• 4444 is saved." in text_of(done)
    assert "Card Mastercard •••• 4444 Expires 12/2034" in text_of(done)
    gone = admin.post(story.url("card/remove/"), follow=True)
    assert "No card is saved any more." in text_of(gone)


def test_without_stripe_it_is_as_it_was(story: Story, admin: Browser, form: dict[str, str]) -> None:
    text = text_of(admin.get(story.offer(story.growth)))
    assert "Buy for $60.00" in text
    assert "Pay" not in text.partition("Where your money goes")[0]
    refused = admin.post(story.offer(story.growth, "buy/"), form)
    assert refused.status_code == 409
    assert not TopUpOrder.objects.exists()
    assert "Top-ups are bought on account" in text_of(admin.get(story.url("card/")))
    assert admin.get(story.url("card/saved/?page=cs_1")).status_code == 302
