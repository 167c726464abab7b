"""What holds for all discounts, whatever they are on and in whatever order they come."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.money import minor_digits
from billing.discounts import GROUPS, DiscountDocument, dump_discount, read_discount, taken_off
from billing.proration import Share
from billing.strict_json import Node

scopes = st.sampled_from([*GROUPS, "all"])
names = st.sampled_from(["Launch", "Loyal"])
periods = st.none() | st.integers(1, 12)
percents = st.integers(1, 10**8).map(lambda n: Decimal(n).scaleb(-6))
amounts = st.integers(1, 10**8).map(lambda n: Decimal(n).scaleb(-4))
discounts = st.builds(
    DiscountDocument, names, scopes, percent=percents, amount=st.none(), periods=periods
) | st.builds(DiscountDocument, names, scopes, percent=st.none(), amount=amounts, periods=periods)
currencies = st.sampled_from(["USD", "JPY", "KWD"])
shares = st.integers(1, 31).map(lambda days: Share(days, 31))


@st.composite
def charged(draw: st.DrawFn, currency: str) -> dict:
    digits = minor_digits(currency)
    return {
        group: Decimal(draw(st.integers(-(10**4), 10**7))).scaleb(-digits)
        for group in draw(st.sets(st.sampled_from(GROUPS)))
    }


@given(discounts)
def test_a_discount_reads_back_as_it_was_written(discount):
    assert read_discount(Node(dump_discount(discount))) == discount


@given(st.data(), st.lists(discounts, max_size=4), currencies, shares)
def test_no_group_falls_below_zero_and_each_line_has_the_currencys_digits(
    data, several, currency, share
):
    amounts_due = data.draw(charged(currency))

    off = taken_off(several, amounts_due, share, currency)

    assert len(off) == len(several)
    for group in GROUPS:
        total = sum((taken.get(group, Decimal(0)) for taken in off), Decimal(0))
        assert 0 <= total <= max(Decimal(0), amounts_due.get(group, Decimal(0)))
    for discount, taken in zip(several, off, strict=True):
        assert all(discount.covers(group) for group in taken)
        assert all(amount > 0 for amount in taken.values())
        for amount in taken.values():
            assert amount == round(amount, minor_digits(currency))
        if discount.amount is not None:
            ceiling = discount.amount + Decimal(1).scaleb(-minor_digits(currency))
            assert sum(taken.values()) <= ceiling


@given(st.data(), st.lists(discounts, max_size=4), currencies, shares)
def test_overage_that_comes_later_changes_nothing_about_fees(data, several, currency, share):
    """So the lines that are written with a period still hold when it closes."""
    at_close = data.draw(charged(currency))
    in_advance = {group: amount for group, amount in at_close.items() if group != "overage"}

    early = taken_off(several, in_advance, share, currency)
    late = taken_off(several, at_close, share, currency)

    assert early == [{g: a for g, a in taken.items() if g != "overage"} for taken in late]


@given(st.data(), discounts, currencies, shares)
def test_more_is_charged_more_is_left_to_pay(data, discount, currency, share):
    """A discount never makes a larger charge the cheaper one."""
    less = data.draw(charged(currency))
    more = {group: amount + Decimal(5) for group, amount in less.items()}

    def to_pay(amounts_due):
        (taken,) = taken_off([discount], amounts_due, share, currency)
        due = sum((max(Decimal(0), amount) for amount in amounts_due.values()), Decimal(0))
        return due - sum(taken.values())

    assert to_pay(less) <= to_pay(more)
