"""What a payment brings each line of an invoice, and what the platform keeps of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.money import minor_digits, unscaled
from payouts.revenue import FeeRule, fee_percent, platform_fees, split_payments

D = Decimal
JANUARY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
FEBRUARY = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
MARCH = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def amounts(*texts: str) -> list[Decimal]:
    return [D(text) for text in texts]


def test_a_full_payment_brings_every_line_its_net():
    assert split_payments(amounts("499.00", "20.00"), D("617.61"), [D("617.61")], "USD") == [
        amounts("499.00", "20.00")
    ]


def test_part_payments_bring_pro_rata_and_the_last_takes_the_remainder():
    brought = split_payments(
        amounts("100.00", "100.00", "100.00"), D("300.00"), amounts("100.00", "200.00"), "USD"
    )

    assert brought == [amounts("33.34", "33.33", "33.33"), amounts("66.66", "66.67", "66.67")]


def test_a_part_payment_is_split_between_net_and_tax():
    """59.50 of 119.00: half of the net is revenue; the rest of the payment is tax."""
    assert split_payments([D("100.00")], D("119.00"), [D("59.50")], "EUR") == [[D("50.00")]]


def test_a_credit_line_takes_its_share_of_every_payment():
    brought = split_payments(
        amounts("100.00", "-20.00"), D("80.00"), amounts("20.00", "60.00"), "USD"
    )

    assert brought == [amounts("25.00", "-5.00"), amounts("75.00", "-15.00")]


def test_lines_that_cancel_out_are_still_earned_when_their_tax_is_paid():
    brought = split_payments(amounts("100.00", "-100.00"), D("19.00"), [D("19.00")], "EUR")

    assert brought == [amounts("100.00", "-100.00")]


def test_a_payment_smaller_than_the_lines_brings_no_more_than_itself():
    """Ten lines of 0.10: rounded one by one, 0.05 would bring ten cents."""
    brought = split_payments([D("0.10")] * 10, D("1.00"), [D("0.05")], "USD")

    assert sum(brought[0]) == D("0.05")


@pytest.mark.parametrize("payment", ["0.00", "-1.00", "100.01"])
def test_a_payment_that_does_not_fit_the_invoice_is_refused(payment: str):
    with pytest.raises(ValueError, match="outstanding"):
        split_payments([D("100.00")], D("100.00"), [D(payment)], "USD")


def test_an_amount_finer_than_the_currency_is_refused():
    with pytest.raises(ValueError, match="decimal places"):
        split_payments([D("100")], D("100"), [D("10.5")], "JPY")


@st.composite
def paid_invoices(draw: st.DrawFn) -> tuple[list[int], int, list[int]]:
    """Line nets, total and payments in minor units; the payments sum to the total."""
    nets = draw(st.lists(st.integers(-50_000, 200_000), min_size=1, max_size=8))
    total = draw(st.integers(1, 50_000)) + max(sum(nets), 0)
    edges = draw(st.sets(st.integers(1, total - 1), max_size=6)) if total > 1 else set()
    cuts = [0, *sorted(edges), total]
    return nets, total, [after - before for before, after in pairwise(cuts)]


def _money(units: list[int], currency: str) -> list[Decimal]:
    return [unscaled(unit, minor_digits(currency)) for unit in units]


@given(paid_invoices(), st.sampled_from(["USD", "JPY", "KWD"]))
def test_payments_of_a_fully_paid_invoice_bring_exactly_its_lines(invoice, currency):
    nets, total, payments = invoice
    lines = _money(nets, currency)
    [due], paid = _money([total], currency), _money(payments, currency)

    brought = split_payments(lines, due, paid, currency)

    assert [sum(line) for line in zip(*brought, strict=True)] == lines


@given(paid_invoices())
def test_no_payment_takes_a_line_past_its_net_or_back(invoice):
    nets, total, payments = invoice
    lines, [due], paid = _money(nets, "USD"), _money([total], "USD"), _money(payments, "USD")

    for line, parts in zip(
        lines, zip(*split_payments(lines, due, paid, "USD"), strict=True), strict=True
    ):
        assert all(part * line >= 0 for part in parts)
        assert all(abs(sum(parts[: n + 1])) <= abs(line) for n in range(len(parts)))


@given(paid_invoices())
def test_no_payment_brings_more_than_itself(invoice):
    nets, total, payments = invoice
    lines, [due], paid = _money(nets, "USD"), _money([total], "USD"), _money(payments, "USD")

    for payment, parts in zip(paid, split_payments(lines, due, paid, "USD"), strict=True):
        assert sum(parts) <= payment


@given(paid_invoices())
def test_what_earlier_payments_brought_does_not_depend_on_later_ones(invoice):
    nets, total, payments = invoice
    lines, [due], paid = _money(nets, "USD"), _money([total], "USD"), _money(payments, "USD")

    whole = split_payments(lines, due, paid, "USD")

    assert all(
        split_payments(lines, due, paid[:n], "USD") == whole[:n] for n in range(len(paid) + 1)
    )


# --- The platform's fee ------------------------------------------------------------------------


def test_no_rule_is_no_fee():
    assert fee_percent([], "overage", MARCH) == 0
    assert fee_percent([FeeRule("", D(5), MARCH)], "overage", FEBRUARY) == 0


def test_a_rule_holds_from_its_very_instant_until_the_next_of_its_kind():
    rules = [FeeRule("", D(5), JANUARY), FeeRule("", D(7), MARCH)]

    assert fee_percent(rules, "base", MARCH - dt.timedelta(microseconds=1)) == 5
    assert fee_percent(rules, "base", MARCH) == 7


def test_a_rule_for_the_kind_of_line_wins_over_a_newer_one_for_any_kind():
    rules = [FeeRule("base", D(0), JANUARY), FeeRule("", D(5), FEBRUARY)]

    assert fee_percent(rules, "base", MARCH) == 0
    assert fee_percent(rules, "overage", MARCH) == 5


@pytest.mark.parametrize(
    ("revenue", "percent", "currency", "fee"),
    [
        ("100.00", "5", "USD", "5.00"),
        ("0.50", "5", "USD", "0.03"),
        ("-0.50", "5", "USD", "-0.03"),
        ("99", "2.5", "JPY", "2"),
        ("33.333", "10", "KWD", "3.333"),
    ],
)
def test_the_fee_is_rounded_half_up_to_the_currency(revenue, percent, currency, fee):
    assert list(platform_fees([(D(revenue), D(percent))], currency)) == [D(fee)]


def test_a_line_paid_cent_by_cent_costs_what_it_costs_at_once():
    """5 % of each cent is less than half a cent, and of 5.00 it is 0.25."""
    cents = list(platform_fees([(D("0.01"), D(5))] * 500, "USD"))

    assert sum(cents) == D("0.25")
    assert cents[8:11] == [D("0.00"), D("0.01"), D("0.00")]


def test_what_was_paid_under_one_rule_keeps_its_fee_under_the_next():
    """5 % of 33.33 and 10.01 (2.167), then 10 % of 56.66 (5.666): 7.833 in all."""
    paid = [(D("33.33"), D(5)), (D("10.01"), D(5)), (D("56.66"), D(10))]

    assert list(platform_fees(paid, "USD")) == [D("1.67"), D("0.50"), D("5.66")]


@given(st.lists(st.integers(0, 50_000), max_size=8), st.decimals(0, 100, places=2))
def test_the_fee_does_not_depend_on_how_a_line_was_paid(parts, percent):
    paid = _money(parts, "USD")
    [at_once] = platform_fees([(sum(paid, D(0)), percent)], "USD")

    fees = list(platform_fees([(part, percent) for part in paid], "USD"))

    assert sum(fees, D(0)) == at_once
    assert all(fee >= 0 for fee in fees)
