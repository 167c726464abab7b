"""Costs: exact arithmetic, rounded half up once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clients.costing import (
    Cost,
    Price,
    Rate,
    Tokens,
    call_cost,
    in_client_currency,
    inverse_rate,
    reported_cost,
)


def rate(text: str, *tiers: tuple[int, str]) -> Rate:
    return Rate(Decimal(text), tuple((start, Decimal(price)) for start, price in tiers))


GPT = Price("USD", "list", rate("2.50"), rate("10"), cached_input=rate("1.25"))


class TestCallCost:
    @pytest.mark.parametrize(
        ("tokens", "amount"),
        [
            (Tokens(1_000_000, None, 0), "2.500000000"),
            (Tokens(1000, 400, 100, 60), "0.003000000"),  # 600x2.5 + 400x1.25 + 100x10
            (Tokens(0, 0, 0), "0.000000000"),
            (Tokens(1, 1, 0), "0.000001250"),
        ],
    )
    def test_every_token_once_at_its_rate(self, tokens, amount):
        assert f"{call_cost(GPT, tokens).amount:f}" == amount

    def test_without_a_rate_for_cached_or_reasoning_they_cost_what_the_whole_does(self):
        plain = Price("USD", "list", rate("2"), rate("8"))
        assert call_cost(plain, Tokens(10, 10, 10, 10)).amount == Decimal("0.0001")

    def test_reasoning_may_have_a_rate_of_its_own_and_a_call_a_price(self):
        price = Price(
            "USD", "l", rate("1"), rate("2"), reasoning=rate("3"), per_call=Decimal("0.005")
        )
        # 10x1 + 6x2 + 4x3 = 34 millionths.
        assert call_cost(price, Tokens(10, 0, 10, 4)).amount == Decimal("0.005034")

    @pytest.mark.parametrize(
        ("input_tokens", "amount"), [(200_000, "0.2"), (200_001, "0.400002"), (0, "0")]
    )
    def test_past_a_threshold_all_tokens_take_its_price(self, input_tokens, amount):
        price = Price("USD", "l", rate("1", (200_000, "2"), (400_000, "3")))
        assert call_cost(price, Tokens(input_tokens)).amount == Decimal(amount)

    def test_the_input_decides_about_the_tier_of_the_output(self):
        price = Price("USD", "l", rate("0"), rate("10", (100, "20")))
        assert call_cost(price, Tokens(100, None, 1_000_000)).amount == 10
        assert call_cost(price, Tokens(101, None, 1_000_000)).amount == 20

    def test_half_of_the_last_place_goes_up_once_for_the_whole_call(self):
        half = Price("USD", "l", rate("0.0005"), rate("0.0005"))
        assert call_cost(half, Tokens(1, 0, 0)).amount == Decimal("0.000000001")
        assert call_cost(half, Tokens(1, 0, 1)).amount == Decimal("0.000000001")
        assert call_cost(half, Tokens(0, 0, 0)).amount == 0

    @pytest.mark.parametrize(
        ("price", "tokens", "flag"),
        [
            (GPT, Tokens(), "no_tokens"),
            (GPT, Tokens(10), "no_tokens"),
            (GPT, Tokens(None, None, 10), "no_tokens"),
            (Price("USD", "l"), Tokens(1, 0, 1), "no_price"),
            (Price("USD", "l", input=rate("1")), Tokens(1, 0, 1), "no_price"),
        ],
    )
    def test_what_is_unknown_is_flagged_never_zero(self, price, tokens, flag):
        assert call_cost(price, tokens) == Cost(None, "USD", price.source, flag)

    @pytest.mark.parametrize("output", [None, 0])
    def test_a_model_that_answers_nothing_needs_no_output_tokens(self, output):
        embedding = Price("USD", "l", input=rate("0.02"))
        assert call_cost(embedding, Tokens(50, None, output)).amount == Decimal("0.000001")

    def test_more_than_can_be_stored_is_refused(self):
        with pytest.raises(ValueError, match="more than one event may have"):
            call_cost(Price("USD", "l", rate("1000000")), Tokens(10**12))


class TestConversion:
    def test_at_a_rate_half_up_to_nine_places(self):
        cost = in_client_currency(reported_cost(Decimal("0.000000003"), "USD"), Decimal("0.5"))
        assert (cost.amount, cost.client_amount) == (
            Decimal("0.000000003"),
            Decimal("0.000000002"),
        )
        assert (cost.exchange_rate, cost.flag) == (Decimal("0.5"), "")

    def test_without_a_rate_the_cost_stands_and_is_flagged(self):
        cost = in_client_currency(reported_cost(Decimal(1), "USD"), None)
        assert (cost.amount, cost.client_amount, cost.flag) == (Decimal(1), None, "no_rate")

    def test_an_unknown_cost_stays_unknown(self):
        unknown = Cost(flag="no_price")
        assert in_client_currency(unknown, Decimal(1)) == unknown

    def test_the_other_way_round(self):
        assert inverse_rate(Decimal("0.92")) == Decimal("1.086956522")
        assert inverse_rate(Decimal("3")) == Decimal("0.333333333")
        assert inverse_rate(Decimal("5000000000")) is None


class TestTokens:
    def test_reported_apart_they_are_added_up(self):
        tokens = Tokens.reported_apart(uncached_input=60, cached_input=40, answer=10, reasoning=5)
        assert tokens == Tokens(100, 40, 15, 5)

    def test_unknown_stays_unknown(self):
        tokens = Tokens.reported_apart(
            uncached_input=None, cached_input=40, answer=10, reasoning=None
        )
        assert tokens == Tokens(None, 40, 10, None)

    @pytest.mark.parametrize(
        ("tokens", "fields"),
        [
            (Tokens(10, 10, 10, 10), []),
            (Tokens(None, 10, None, 10), []),
            (Tokens(-1, None, -1), ["input_tokens", "output_tokens"]),
            (Tokens(10**12 + 1), ["input_tokens"]),
            (Tokens(9, 10), ["cached_input_tokens"]),
            (Tokens(None, None, 9, 10), ["reasoning_tokens"]),
        ],
    )
    def test_counts_that_cannot_be_right_are_named(self, tokens, fields):
        assert [field for field, _ in tokens.problems()] == fields
