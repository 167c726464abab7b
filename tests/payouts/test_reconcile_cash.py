"""Money of a closed month against what it became, to the cent."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from agencyportal.core.append_only import lifted
from billing.models import Invoice, Payment
from billing.services.client_balance import adjust_balance
from billing.services.disputes import record_dispute
from billing.services.refunds import request_refund
from billing.services.reversals import reverse_payment
from clients.models import Agency, UsageUnit, Workspace
from payouts.models import Earning
from payouts.months import Month
from payouts.reconcile.cash import Books, check_cash
from payouts.reconcile.findings import Checked, Difference
from payouts.reconcile.scope import Scope
from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import build_payouts
from payouts.services.terms import add_fee_rule

from .books import Line, closed_period, frozen_usage, issued_invoice, pay, subscription

D = Decimal
UTC = dt.UTC
PAID = dt.datetime(2026, 2, 10, 12, tzinfo=UTC)
MARCH = dt.datetime(2026, 3, 3, 12, tzinfo=UTC)
APRIL = dt.datetime(2026, 4, 1, 4, tzinfo=UTC)


@pytest.fixture
def invoice(northwind: Agency, acme_support: Workspace, conversation: UsageUnit) -> Invoice:
    """617.61 for January: 499.00 and 20.00, 19 % tax, 5 % fee; the usage cost 31.20."""
    always = dt.datetime(2020, 1, 1, tzinfo=UTC)
    add_fee_rule(agency=northwind, percent=D(5), effective_from=always, now=always)
    january = closed_period(subscription(acme_support))
    frozen_usage(january, conversation, used="200", platform_cost="31.20")
    return issued_invoice(
        january,
        Line("base", "499.00", percent="19"),
        Line("overage", "20.00", conversation, percent="19"),
        number="INV-1",
        tax="98.61",
    )


def close() -> tuple[list[str], int, int]:
    """Differences, and how many months were proved and are open."""
    post_due_earnings(now=APRIL)
    build_payouts(now=APRIL)
    return proved()


def proved() -> tuple[list[str], int, int]:
    found = list(check_cash(Scope()))
    checked = [f for f in found if isinstance(f, Checked) and f.subject == "Cash by month"]
    words = [str(f) for f in found if isinstance(f, Difference)]
    return words, sum(f.rows for f in checked), sum(f.open for f in checked)


def test_a_payment_is_earnings_tax_fee_and_cost(invoice, northwind):
    """617.61 = 461.85 earned + 98.61 tax + 25.95 fee + 31.20 cost."""
    pay(invoice, "200.00", PAID)
    pay(invoice, "417.61", PAID)
    assert close() == ([], 1, 0)

    books = Books(northwind.timezone)
    earned = Earning.objects.filter(agency=northwind)
    assert sum(earned.values_list("amount", flat=True)) == D("461.85")
    assert Month.of(PAID, books.timezone).first == dt.date(2026, 2, 1)


def test_more_than_was_due_and_what_went_back_of_it_are_in_their_months(invoice):
    """700.00 in February, of which 82.39 is the client's; 50.00 of that go back in March."""
    pay(invoice, "700.00", PAID)
    request_refund(
        client=invoice.client,
        amount=D(50),
        currency="USD",
        reason="Asked",
        requested_by=None,
        now=MARCH,
        key="back",
    )
    words, months, still_open = close()
    assert (words, still_open) == ([], 0)
    assert months == 1  # March has no payout, and so is not closed


def test_a_bounced_payment_a_dispute_and_a_gift_change_no_balance_of_the_books(invoice):
    payment = pay(invoice, "617.61", PAID)
    said: dict[str, Any] = {"now": MARCH}
    reverse_payment(payment=payment, amount=D(100), reason="x", reversed_at=MARCH, key="r", **said)
    pay(invoice, "100.00", MARCH + dt.timedelta(hours=1))
    for state in ("opened", "lost"):
        record_dispute(
            payment=payment,
            provider_id="dp_1",
            state=state,
            amount=D(200),
            happened_at=MARCH + dt.timedelta(hours=2),
            now=MARCH + dt.timedelta(hours=2),
        )
    adjust_balance(
        client=invoice.client,
        currency="USD",
        amount=D(7),
        reason="Gift",
        adjusted_by=None,
        key="g",
        **said,
    )
    assert close() == ([], 2, 0)


def test_a_debit_that_a_bank_returns_went_when_its_dispute_was_opened(invoice):
    payment = pay(invoice, "617.61", PAID)
    for state in ("opened", "lost"):
        record_dispute(
            payment=payment,
            provider_id="dp_1",
            state=state,
            amount=D("617.61"),
            cause="bounced",
            happened_at=MARCH,
            now=MARCH,
        )
    pay(invoice, "617.61", MARCH + dt.timedelta(hours=1))

    assert close() == ([], 2, 0)


def test_money_that_brought_nothing_is_found(invoice):
    pay(invoice, "617.61", PAID)
    close()
    with lifted(reason="test"):
        Payment.objects.update(amount=D("617.62"))

    [found], months, _ = proved()
    assert months == 1
    assert found.endswith(
        "(Northwind, 2026-02 in USD), cash: 617.62, but it must be 617.61 (461.85 earnings, "
        "98.61 taxes, 25.95 platform fees, 31.2 platform-paid cost)"
    )


def test_an_earning_that_no_money_brought_is_found(invoice):
    pay(invoice, "617.61", PAID)
    close()
    with lifted(reason="test"):
        row = Earning.objects.filter(kind=Earning.Kind.REVENUE)[0]
        Earning.objects.filter(pk=row.pk).update(amount=row.amount + D("0.01"))

    [found], _, _ = proved()
    assert "617.61, but it must be 617.62" in found


def test_a_month_in_which_something_is_not_posted_is_open(invoice):
    pay(invoice, "200.00", PAID)
    close()
    pay(invoice, "417.61", PAID + dt.timedelta(days=1))

    assert proved() == ([], 0, 1)
