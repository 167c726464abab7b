"""A reserve for disputes: kept back of a month's revenue, given back when its days are over."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from agencyportal.core.append_only import lifted
from billing.models import Invoice
from clients.models import Agency, UsageUnit, Workspace
from payouts.documents.statement_snapshot import StatementSnapshot
from payouts.models import DisputeReserve, Earning, Payout
from payouts.reconcile.cash import check_cash
from payouts.reconcile.findings import Difference
from payouts.reconcile.payouts import check_payouts
from payouts.reconcile.reserves import check_reserves
from payouts.reconcile.scope import Scope
from payouts.reserve import exposed, held_back
from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import build_payouts
from payouts.services.terms import set_payout_terms
from payouts.statement import EarningFact, EarningKind

from .books import Line, closed_period, issued_invoice, pay, subscription

D = Decimal
UTC = dt.UTC
PAID = dt.datetime(2026, 2, 10, 12, tzinfo=UTC)
MARCH = dt.datetime(2026, 3, 1, 5, tzinfo=UTC)
APRIL = dt.datetime(2026, 4, 1, 4, tzinfo=UTC)
MAY = dt.datetime(2026, 5, 1, 4, tzinfo=UTC)


@pytest.fixture
def invoice(northwind: Agency, acme_support: Workspace, conversation: UsageUnit) -> Invoice:
    """579.00, paid in February, of an agency of which 10 % are kept back for 30 days."""
    set_payout_terms(agency=northwind, reserve_percent=D(10), reserve_days=30, now=PAID)
    january = closed_period(subscription(acme_support))
    made = issued_invoice(january, Line("overage", "579.00", conversation), number="INV-1")
    pay(made, "579.00", PAID)
    return made


def run(now: dt.datetime) -> list[Payout]:
    post_due_earnings(now=now)
    return build_payouts(now=now)


def differences() -> list[str]:
    scope = Scope()
    found = [*check_reserves(scope), *check_payouts(scope), *check_cash(scope)]
    return [str(finding) for finding in found if isinstance(finding, Difference)]


def test_a_tenth_is_kept_back_and_comes_with_the_payout_of_the_month_in_which_it_is_over(invoice):
    """February: 579.00 - 57.90 = 521.10. The reserve is over on 31 March: March pays 57.90."""
    [february] = run(MARCH)
    assert (february.revenue, february.reserve, february.amount) == (
        D(579),
        D("-57.90"),
        D("521.10"),
    )
    reserve = DisputeReserve.objects.get()
    assert (reserve.base, reserve.amount) == (D(579), D("57.90"))
    assert reserve.release_at == MARCH + dt.timedelta(days=30)

    assert run(reserve.release_at - dt.timedelta(seconds=1)) == []
    [march] = run(APRIL)
    assert (march.reserve, march.amount, march.closing) == (D("57.90"), D("57.90"), 0)
    assert run(MAY) == []
    assert differences() == []


def test_the_statement_says_what_is_kept_back_and_until_when(invoice):
    [february] = run(MARCH)

    snapshot = StatementSnapshot.from_dict(february.snapshot)
    [line] = snapshot.adjustments
    assert (line.kind, line.amount) == ("reserve", D("-57.90"))
    assert line.description == "Reserve for disputes, 10 % of $579.00, until 31 March 2026"
    assert snapshot.totals.reserve == D("-57.90")


def test_what_is_released_twice_comes_once(invoice):
    run(MARCH)
    for _ in range(2):
        post_due_earnings(now=APRIL)

    amounts = Earning.objects.filter(kind=Earning.Kind.RESERVE).values_list("amount", flat=True)
    assert sorted(amounts) == [D("-57.90"), D("57.90")]


def test_without_a_percentage_nothing_is_kept_back(invoice, northwind):
    set_payout_terms(agency=northwind, now=PAID)
    [february] = run(MARCH)

    assert (february.reserve, february.amount) == (0, D(579))
    assert not DisputeReserve.objects.exists()


def test_reconcile_finds_a_reserve_of_another_amount(invoice):
    run(MARCH)
    with lifted(reason="test"):
        DisputeReserve.objects.update(amount=D("57.91"))

    assert any("amount: 57.91, but it must be 57.9" in line for line in differences())


@pytest.mark.parametrize(
    ("base", "percent", "balance", "held"),
    [
        ("0.05", "10", "100", "0.01"),
        ("0.04", "10", "100", "0.00"),
        ("100", "10", "9.99", "9.99"),
        ("100", "10", "-5", "0"),
        ("100", "100", "100", "100"),
    ],
)
def test_it_is_rounded_once_and_never_more_than_there_is(base, percent, balance, held):
    assert held_back(D(base), D(percent), balance=D(balance), currency="USD") == D(held)


def test_what_clients_have_back_is_not_exposed_any_more():
    facts = [
        EarningFact(EarningKind.REVENUE, D(100)),
        EarningFact(EarningKind.REFUND, D(-30)),
        EarningFact(EarningKind.DISPUTE, D(-20)),
        EarningFact(EarningKind.ROUTED_COST, D(-10)),
    ]
    assert exposed(facts) == D(50)
    assert exposed(facts[1:]) == 0
