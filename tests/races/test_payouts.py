"""Two at once: earnings post once, and a month has one payout. PostgreSQL shows it."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TypeVar

import pytest
from django.db import connection

from payouts.models import Earning, Payout, PayoutItem
from payouts.services import earnings
from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import build_payouts
from payouts.services.terms import TermsRefusedError, add_fee_rule
from tests.payouts.books import (
    Line,
    closed_period,
    frozen_usage,
    issued_invoice,
    pay,
    subscription,
)

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

T = TypeVar("T")
PAID = dt.datetime(2026, 2, 10, tzinfo=dt.UTC)
APRIL = dt.datetime(2026, 4, 1, 4, tzinfo=dt.UTC)


def at_once(work: Callable[[], T], times: int = 4) -> list[T]:
    """Run ``work`` in several threads that start together; raises what any of them raises."""
    barrier = threading.Barrier(times)

    def run() -> T:
        try:
            barrier.wait(timeout=10)
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run) for _ in range(times)]]


@pytest.fixture
def books(acme_support, acme_docs, conversation):
    for number, workspace in enumerate((acme_support, acme_docs), start=1):
        january = closed_period(subscription(workspace))
        frozen_usage(january, conversation, used="200", platform_cost="5.00")
        invoice = issued_invoice(
            january,
            Line("base", "100.00"),
            Line("overage", "20.00", conversation),
            number=f"INV-{number}",
            at=january.end + dt.timedelta(hours=number),
        )
        pay(invoice, "50.00", PAID)
        pay(invoice, "70.00", PAID)


def test_posting_at_once_posts_every_earning_once(books):
    counts = at_once(lambda: post_due_earnings(now=APRIL))

    assert sum(counts) == Earning.objects.count() == 10
    assert sum(Earning.objects.values_list("amount", flat=True)) == Decimal("230.00")


def test_building_at_once_makes_one_payout_of_every_month(books):
    post_due_earnings(now=APRIL)

    built = at_once(lambda: build_payouts(now=APRIL))

    assert sum(map(len, built)) == Payout.objects.count() == 1
    assert Payout.objects.get().amount == Decimal("230.00")
    assert PayoutItem.objects.count() == 10


def test_building_while_earnings_post_pays_every_earning_once(books, northwind):
    def post_and_build() -> None:
        post_due_earnings(now=APRIL)
        build_payouts(now=APRIL)

    at_once(post_and_build)
    build_payouts(now=APRIL)

    assert not Earning.objects.unpaid().exists()
    assert sum(Payout.objects.values_list("amount", flat=True)) == Decimal("230.00")
    numbers = Payout.objects.order_by("sequence").values_list("sequence", flat=True)
    assert list(numbers) == list(range(1, len(numbers) + 1))


def test_a_fee_rule_added_while_revenue_is_posted_cannot_reach_back_over_it(
    books, northwind, monkeypatch
):
    """The rule comes after posting has read the rules and before it has committed."""
    reading, store = threading.Event(), earnings._store
    added = threading.Event()

    def slow_store(*arguments):
        reading.set()
        added.wait(1)
        return store(*arguments)

    def add_rule() -> None:
        reading.wait(10)
        try:
            add_fee_rule(agency=northwind, percent=Decimal(5), effective_from=PAID, now=APRIL)
        finally:
            added.set()
            connection.close()

    monkeypatch.setattr(earnings, "_store", slow_store)
    with ThreadPoolExecutor(1) as pool:
        rule = pool.submit(add_rule)
        post_due_earnings(now=APRIL)

        with pytest.raises(TermsRefusedError, match="posted already"):
            rule.result(timeout=60)
