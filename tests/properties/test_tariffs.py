"""Costs by whole numbers are the costs of the rules, to the last place."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.money import scaled
from clients import costing
from clients.costing import Cost, Price, Rate, Tokens, call_cost, in_client_currency
from clients.tariffs import ScaledCost, Tariff, converted, reported

numbers = st.one_of(
    st.decimals(0, 10**4, places=9),
    st.sampled_from([Decimal(n) for n in ("0", "2.5", "1E+2", "0.0000000005", "1E-14")]),
)
rates = st.none() | st.builds(
    Rate,
    numbers,
    st.lists(st.tuples(st.integers(1, 10**6), numbers), max_size=2).map(
        lambda tiers: tuple(sorted(tiers))
    ),
)
prices = st.builds(
    Price,
    currency=st.sampled_from(["USD", "EUR"]),
    source=st.just("a list"),
    input=rates,
    output=rates,
    cached_input=rates,
    reasoning=rates,
    per_call=st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("0.0000000015")]),
)
counts = st.none() | st.integers(0, 10**7) | st.sampled_from([0, 10**12])


def as_stored(cost: Cost) -> ScaledCost:
    amounts = (cost.amount, cost.exchange_rate, cost.client_amount)
    amount, rate, client = (None if a is None else scaled(a, costing.PLACES) for a in amounts)
    return ScaledCost(amount, cost.currency, cost.source, cost.flag, rate, client)


def outcome(compute: object) -> object:
    try:
        return compute()  # type: ignore[operator]
    except ValueError as error:
        return str(error)


@given(prices, counts, counts, counts, counts, st.none() | st.decimals("0.000000001", 9, places=9))
def test_a_call_costs_the_same(price, whole_in, cached, whole_out, reasoning, rate) -> None:
    cached = cached if cached is None or whole_in is None else min(cached, whole_in)
    reasoning = reasoning if reasoning is None or whole_out is None else min(reasoning, whole_out)

    def by_the_rules() -> ScaledCost:
        tokens = Tokens(whole_in, cached, whole_out, reasoning)
        return as_stored(in_client_currency(call_cost(price, tokens), rate))

    def by_whole_numbers() -> ScaledCost:
        tariff = Tariff(price)
        amount, gap = tariff.cost_of(whole_in, cached, whole_out, reasoning)
        cost = ScaledCost(amount, tariff.currency, tariff.source, gap)
        return converted(cost, None if rate is None else scaled(rate, costing.PLACES))

    assert outcome(by_whole_numbers) == outcome(by_the_rules)


@given(st.decimals(0, 10**9, places=9), st.none() | st.decimals("0.000000001", 9, places=9))
def test_a_reported_cost_is_converted_alike(amount: Decimal, rate: Decimal | None) -> None:
    def by_the_rules() -> ScaledCost:
        return as_stored(in_client_currency(costing.reported_cost(amount, "GBP"), rate))

    def by_whole_numbers() -> ScaledCost:
        scaled_rate = None if rate is None else scaled(rate, costing.PLACES)
        return converted(reported(amount, "GBP"), scaled_rate)

    assert outcome(by_whole_numbers) == outcome(by_the_rules)
