"""Clients as Stripe's customers, and their saved cards."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from billing.models import StripeCustomer
from billing.refusals import RefusedError
from billing.services.stripe_customers import (
    customer_of,
    ensure_customer,
    open_card_page,
    remove_card,
    take_saved_card,
    tell_changed_customers,
)
from billing.stripe_gateway import OffError, UnreachableError
from clients.models import Client
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import deliver, endpoint, stripe, stripe_server

__all__ = ["deliver", "endpoint", "stripe", "stripe_server"]

pytestmark = pytest.mark.django_db


def card_page(client: Client, now: dt.datetime, key: str = "one") -> str:
    url = open_card_page(
        client=client,
        success_url="https://portal.example/",
        cancel_url="https://portal.example/",
        key=key,
        now=now,
    )
    return url.rpartition("/")[2]


def test_a_customer_is_made_when_it_is_first_needed(
    stripe: StripeDouble, acme: Client, now: dt.datetime
) -> None:
    assert customer_of(acme) is None
    made = ensure_customer(client=acme, now=now)
    assert ensure_customer(client=acme, now=now) == made == customer_of(acme)
    (there,) = stripe.rows("customer")
    assert (made.customer_id, made.is_live) == (there["id"], False)
    assert there["metadata"]["reference"] == "northwind/acme"


def test_a_row_that_was_lost_finds_the_same_customer(
    stripe: StripeDouble, acme: Client, now: dt.datetime
) -> None:
    """The worker died after Stripe had made it."""
    first = ensure_customer(client=acme, now=now).customer_id
    StripeCustomer.objects.all().delete()
    assert ensure_customer(client=acme, now=now).customer_id == first
    assert len(stripe.rows("customer")) == 1


def test_without_a_key_there_is_no_customer(acme: Client, now: dt.datetime) -> None:
    with pytest.raises(OffError, match="STRIPE_SECRET_KEY"):
        ensure_customer(client=acme, now=now)
    assert tell_changed_customers(now=now, limit=10) == 0
    assert customer_of(acme) is None


def test_stripe_is_told_of_changes_once(
    stripe: StripeDouble, acme: Client, birch: Client, now: dt.datetime
) -> None:
    for client in (acme, birch):
        ensure_customer(client=client, now=now)
    Client.objects.filter(pk=acme.pk).update(
        legal_name="Acme SE",
        city="Berlin",
        country="DE",
        tax_id="DE123456789",
        email="a@acme.example",
    )
    assert tell_changed_customers(now=now, limit=10) == 1
    there = stripe.rows("customer")[1]
    assert (there["name"], there["email"]) == ("Acme SE", "a@acme.example")
    assert (there["address"]["city"], there["address"]["country"]) == ("Berlin", "DE")
    assert there["metadata"]["tax_id"] == "DE123456789"
    assert tell_changed_customers(now=now, limit=10) == 0


def test_what_stripe_could_not_be_told_is_tried_again(
    stripe: StripeDouble, acme: Client, now: dt.datetime
) -> None:
    row = ensure_customer(client=acme, now=now)
    Client.objects.filter(pk=acme.pk).update(name="Acme again", legal_name="")
    stripe.breaks = ["500"] * 2
    assert tell_changed_customers(now=now, limit=10) == 0
    row.refresh_from_db()
    assert "does not answer" in row.error
    assert tell_changed_customers(now=now, limit=10) == 1
    row.refresh_from_db()
    assert row.error == ""


def test_a_customer_that_was_deleted_there_is_replaced(
    stripe: StripeDouble, acme: Client, now: dt.datetime
) -> None:
    row = ensure_customer(client=acme, now=now)
    del stripe.book.rows[row.customer_id]
    Client.objects.filter(pk=acme.pk).update(legal_name="Acme SE")
    assert tell_changed_customers(now=now, limit=10) == 1
    gone = row.customer_id
    row.refresh_from_db()
    assert row.customer_id != gone
    assert stripe.last("customer")["name"] == "Acme SE"


def test_a_card_is_saved_shown_and_replaced(
    stripe: StripeDouble, acme: Client, now: dt.datetime
) -> None:
    page = card_page(acme, now)
    row = ensure_customer(client=acme, now=now)
    assert not take_saved_card(customer=row, page_id=page, now=now).has_card
    stripe.pay(page)
    take_saved_card(customer=row, page_id=page, now=now)
    take_saved_card(customer=row, page_id=page, now=now)
    row.refresh_from_db()
    first = row.card_id
    assert (row.card_brand, row.card_last4, row.card_exp_year) == ("visa", "4242", 2034)

    other = card_page(acme, now, key="two")
    stripe.pay(other, "other card")
    take_saved_card(customer=row, page_id=other, now=now)
    row.refresh_from_db()
    assert (row.card_brand, row.card_last4) == ("mastercard", "4444")
    assert stripe.book.rows[first]["customer"] is None

    remove_card(customer=row, now=now)
    row.refresh_from_db()
    assert not row.has_card


def test_an_older_page_that_is_told_of_late_does_not_replace_the_newer_card(
    stripe: StripeDouble, acme: Client, now: dt.datetime, deliver: Any
) -> None:
    """The client saved one card and then another; of the first nobody has heard yet."""
    older, newer = card_page(acme, now), card_page(acme, now, key="two")
    stripe.pay(older)
    late = list(stripe.events)
    stripe.pay(newer, "other card")
    stripe.last("payment_method")["created"] += 60
    row = take_saved_card(customer=ensure_customer(client=acme, now=now), page_id=newer, now=now)
    for event in late:
        deliver(event)
    row.refresh_from_db()
    assert row.card_last4 == "4444"
    assert stripe.rows("payment_method", customer=row.customer_id) == [
        stripe.book.get("payment_method", row.card_id)
    ]


def test_a_page_of_somebody_elses_saves_nothing(
    stripe: StripeDouble, acme: Client, birch: Client, now: dt.datetime
) -> None:
    page = card_page(birch, now)
    stripe.pay(page)
    mine = ensure_customer(client=acme, now=now)
    with pytest.raises(RefusedError, match="somebody else"):
        take_saved_card(customer=mine, page_id=page, now=now)
    assert not mine.has_card


def test_whoever_never_comes_back_has_saved_a_card_all_the_same(
    stripe: StripeDouble, acme: Client, now: dt.datetime, deliver: Any
) -> None:
    page = card_page(acme, now)
    stripe.pay(page)
    for event in reversed(stripe.events):
        assert deliver(event).status_code == 200
    row = StripeCustomer.objects.get()
    assert (row.card_last4, row.has_card) == ("4242", True)


def test_a_card_that_was_taken_off_at_stripe_is_gone_here(
    stripe: StripeDouble, acme: Client, now: dt.datetime, deliver: Any
) -> None:
    page = card_page(acme, now)
    stripe.pay(page)
    row = ensure_customer(client=acme, now=now)
    take_saved_card(customer=row, page_id=page, now=now)
    there = stripe.book.rows[row.customer_id]
    there["invoice_settings"]["default_payment_method"] = None
    deliver(stripe.book.tell("customer.updated", there))
    row.refresh_from_db()
    assert not row.has_card


def test_an_unreachable_stripe_is_said(
    stripe: StripeDouble, acme: Client, now: dt.datetime
) -> None:
    stripe.breaks = ["drop"] * 2
    with pytest.raises(UnreachableError):
        ensure_customer(client=acme, now=now)
    assert not StripeCustomer.objects.exists()
