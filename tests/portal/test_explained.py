"""Where usage went: each credit with what consumed it, in a client's words."""

from __future__ import annotations

import datetime as dt

import pytest

from billing.services.purchases import buy_on_account

from .conftest import NOON, record
from .pages import text_of


@pytest.fixture
def used_up(story):
    """1,000 included, 500 bought on the 9th, 1,700 used."""
    buy_on_account(
        workspace=story.workspace, band=story.growth, now=NOON - dt.timedelta(days=1), key="g"
    )
    record(story.workspace, "orders", 850, NOON - dt.timedelta(hours=3), run_id="night import")
    return story


@pytest.fixture
def url(story):
    period = story.workspace.periods.order_by("start")[0]
    return story.url(f"usage/{period.pk}/{story.growth.unit.pk}/")


def test_each_credit_says_what_consumed_it(used_up, admin, url):
    text = text_of(admin.get(url))

    assert "Where 1,700 conversations went Acme support chat · Mar 1 – 31, 2026" in text
    assert (
        "Included in your package 1,000 conversations What used it orders 650 65% returns 350 35%"
    ) in text
    assert (
        "Top-up: Growth 500 500 conversations 500 conversations, bought on March 9, 2026 "
        "What used it orders 500 100%"
    ) in text
    assert "Beyond your credit 200 conversations What used it orders 200 100%" in text
    assert "Largest runs : Top-up: Growth 500 night import 500 100%" in text
    assert "Tue, Mar 3 500" in text


def test_says_that_it_may_move(story, admin, url):
    assert "The period is not closed yet" in text_of(admin.get(url))


def test_it_is_linked_from_the_usage_page(story, admin, url):
    assert url in admin.get(story.url()).content.decode()


def test_it_is_linked_from_a_purchase(used_up, admin, url):
    purchase = used_up.workspace.purchases.get()
    page = admin.get(used_up.url(f"top-ups/bought/{purchase.pk}/"))
    assert url in page.content.decode()


def test_never_speaks_of_cost(used_up, admin, url):
    assert "cost" not in text_of(admin.get(url)).lower()


def test_other_units_and_periods_are_not_there(story, admin, page, url):
    period = story.workspace.periods.order_by("start")[0]
    assert admin.get(story.url(f"usage/{period.pk}/{page.pk}/")).status_code == 404
    assert admin.get(story.url(f"usage/999999/{page.pk}/")).status_code == 404


def test_an_empty_period_says_so(story, admin):
    coming = story.workspace.periods.order_by("-start")[0]
    response = admin.get(story.url(f"usage/{coming.pk}/{story.growth.unit.pk}/"))
    assert response.status_code == 404  # it has not begun
