"""How a payout's figures and breakdown come about from earnings."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts.statement import (
    EarningFact,
    EarningKind,
    PayoutState,
    Place,
    Source,
    breakdown,
    figures,
    source_of,
)

D = Decimal
CHAT = Place(client=1, workspace=1, unit=1)
BASE = Place(client=1, workspace=1, source=Source.FEE, kind="base")

REVENUE, COST, FEE, REFUND, DISPUTE, RESERVE, ADJUSTMENT = EarningKind


def fact(kind: EarningKind, amount: str, place: Place = CHAT) -> EarningFact:
    return EarningFact(kind, D(amount), place)


MONTH = [
    fact(REVENUE, "20.00"),
    fact(FEE, "-1.00"),
    fact(COST, "-31.20"),
    fact(REVENUE, "499.00", BASE),
    fact(FEE, "-24.95", BASE),
    fact(ADJUSTMENT, "10.00", Place(client=1)),
]


def test_a_balance_at_the_minimum_is_paid_out_whole():
    made = figures(MONTH, opening=D("5.00"), minimum=D("476.85"))

    assert (made.revenue, made.routed_cost, made.platform_fee, made.adjustments) == (
        D("519.00"),
        D("31.20"),
        D("25.95"),
        D("10.00"),
    )
    assert (made.amount, made.closing, made.state) == (D("476.85"), 0, PayoutState.DRAFT)


def test_a_balance_below_the_minimum_is_carried_forward_whole():
    made = figures(MONTH, opening=D("5.00"), minimum=D("476.86"))

    assert (made.amount, made.closing, made.state) == (0, D("476.85"), PayoutState.CARRIED)


def test_a_debt_is_carried_forward_even_without_a_minimum():
    made = figures([fact(COST, "-7.50")], opening=D(0), minimum=D(0))

    assert (made.amount, made.closing, made.state) == (0, D("-7.50"), PayoutState.CARRIED)


def test_an_empty_balance_pays_nothing():
    made = figures([], opening=D(0), minimum=D(0))

    assert (made.amount, made.closing, made.state) == (0, 0, PayoutState.CARRIED)


def test_a_negative_minimum_is_refused():
    with pytest.raises(ValueError, match="negative"):
        figures([], opening=D(0), minimum=D("-1"))


def test_the_breakdown_states_each_unit_and_fee_apart_and_leaves_adjustments_out():
    shares = breakdown(MONTH)

    assert set(shares) == {CHAT, BASE}
    assert (shares[CHAT].revenue, shares[CHAT].routed_cost) == (D("20.00"), D("-31.20"))
    assert shares[CHAT].net == D("-12.20")
    assert shares[BASE].net == D("474.05")


def test_fees_and_what_is_given_back_of_them_are_not_routed_usage():
    fees = {"implementation", "base", "support", "credit"}
    usage = {"top_up", "overage", "minimum", "late_usage", "discount"}

    assert {source_of(kind) for kind in fees} == {Source.FEE}
    assert {source_of(kind) for kind in usage} == {Source.USAGE}
    assert source_of("discount", discounted="fees") == Source.FEE
    assert source_of("discount", discounted="overage") == Source.USAGE


cents = st.integers(-10_000_000, 10_000_000).map(lambda units: D(units).scaleb(-2))
places = st.builds(
    Place,
    client=st.integers(1, 3),
    workspace=st.integers(1, 3),
    source=st.sampled_from(Source),
    unit=st.one_of(st.none(), st.integers(1, 3)),
)
earnings = st.lists(st.builds(EarningFact, st.sampled_from(EarningKind), cents, places))
minima = st.integers(0, 10_000_000).map(lambda units: D(units).scaleb(-2))


@given(earnings, cents, minima)
def test_the_equation_of_a_payout_always_holds(facts, opening, minimum):
    made = figures(facts, opening=opening, minimum=minimum)

    assert (
        made.opening
        + made.revenue
        - made.routed_cost
        - made.platform_fee
        + made.refunds
        + made.disputes
        + made.reserve
        + made.adjustments
        == made.amount + made.closing
    )


@given(earnings, cents, minima)
def test_nothing_is_paid_twice_nor_below_the_minimum(facts, opening, minimum):
    made = figures(facts, opening=opening, minimum=minimum)

    assert made.amount >= 0
    assert not (made.amount and made.closing)
    assert made.amount == 0 or made.amount >= minimum
    assert (made.state is PayoutState.DRAFT) == (made.amount > 0)


@given(earnings)
def test_the_breakdown_adds_up_to_the_figures(facts):
    made = figures(facts, opening=D(0), minimum=D(0))
    shares = breakdown(facts).values()

    assert sum((share.revenue for share in shares), D(0)) == made.revenue
    assert sum((share.routed_cost for share in shares), D(0)) == -made.routed_cost
    assert sum((share.platform_fee for share in shares), D(0)) == -made.platform_fee
    one_by_one = made.refunds + made.disputes + made.reserve + made.adjustments
    assert sum((share.net for share in shares), D(0)) + one_by_one == made.balance


@given(earnings, cents, minima, st.randoms(use_true_random=False))
def test_the_order_of_earnings_does_not_matter(facts, opening, minimum, chance: random.Random):
    shuffled = list(facts)
    chance.shuffle(shuffled)

    assert figures(shuffled, opening=opening, minimum=minimum) == figures(
        facts, opening=opening, minimum=minimum
    )
    assert breakdown(shuffled) == breakdown(facts)
