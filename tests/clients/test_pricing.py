"""The price book: whose price, of which date, in which currency."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from genai_prices import data
from genai_prices.types import ModelPrice as ListedPrice

from agencyportal.core.money import round_half_up
from clients.costing import Cost, Tokens, call_cost
from clients.listed_prices import from_list, listed_price
from clients.models import CostPayer, ExchangeRate, ModelPrice, Workspace
from clients.services.pricing import PriceBook, price_call
from tests.clients.recorder import at

MILLION = Tokens(1_000_000, 0, 0)
NOON = at("2026-03-10 12:00")


class TestTheShippedList:
    @pytest.mark.parametrize(
        ("provider", "model", "amount"),
        [
            ("openai", "gpt-4o", "2.5"),
            ("", "gpt-4o", "2.5"),
            ("azure", "gpt-4o", "2.5"),
            ("openai", "GPT-4o", "2.5"),
        ],
    )
    def test_a_model_by_its_name_and_provider(self, provider, model, amount):
        price = listed_price(provider, model, NOON)
        assert price is not None
        assert price.source == f"genai-prices {genai_prices.__version__}"
        assert call_cost(price, MILLION).amount == Decimal(amount)

    @pytest.mark.parametrize(
        ("provider", "model"),
        [("", "unheard-of"), ("openai", "unheard-of"), ("unheard-of", "gpt-4o"), ("aws", "gpt-4o")],
    )
    def test_what_it_does_not_know_has_no_price(self, provider, model):
        assert listed_price(provider, model, NOON) is None

    def test_listed_without_a_price_is_unknown_but_named_free_is_free(self):
        assert listed_price("github-copilot", "gpt-4o", NOON) is None
        free = listed_price("openrouter", "deepseek/deepseek-r1:free", NOON)
        assert free is not None
        assert call_cost(free, Tokens(10, 0, 10)) == Cost(Decimal(0), "USD", free.source)

    def test_prices_change_at_their_date(self):
        day = at("2026-10-19 00:00")
        before, after = (
            listed_price("openai", "gpt-5.5-cyber", instant)
            for instant in (day - dt.timedelta(microseconds=1), day)
        )
        assert before != after

    def test_prices_change_with_the_time_of_day(self):
        peak, off_peak = (
            listed_price("deepseek", "deepseek-chat", at(f"2025-05-10 {time}"))
            for time in ("12:00", "20:00")
        )
        assert peak is not None
        assert off_peak is not None
        assert call_cost(peak, MILLION).amount != call_cost(off_peak, MILLION).amount

    def test_every_listed_model_costs_what_the_list_itself_computes(self):
        compared = 0
        for info, listed in every_listed_price():
            price = from_list(info, listed)
            for counts in ((4808, 3000, 10, 5), (300_001, 123, 7_777, 7_000), (7, 0, 0, 0)):
                cost = None if price is None else call_cost(price, Tokens(*counts))
                if cost is None or cost.amount is None:
                    continue
                keys = (
                    "input_tokens",
                    "cache_read_tokens",
                    "output_tokens",
                    "output_reasoning_tokens",
                )
                usage = genai_prices.Usage(**dict(zip(keys, counts, strict=True)))
                theirs = listed.calc_price(usage)["total_price"]
                assert cost.amount == round_half_up(theirs, 9), (info.id, counts)
                compared += 1
        assert compared > 7_000


def every_listed_price() -> list[tuple[Any, ListedPrice]]:
    found = []
    for provider in data.providers:
        for info in provider.models:
            if isinstance(info.prices, ListedPrice):
                found.append((info, info.prices))
            else:
                found += [(info, conditional.prices) for conditional in info.prices]
    return found


def override(**fields: Any) -> ModelPrice:
    defaults: dict[str, Any] = {
        "agency": None,
        "cost_payer": CostPayer.PLATFORM,
        "model": "gpt-4o",
        "input_price": Decimal(1),
        "output_price": Decimal(1),
        "effective_from": at("2026-01-01 00:00"),
    }
    return ModelPrice.objects.create(**(defaults | fields))


def cost(workspace: Workspace, when: dt.datetime = NOON, **call: Any) -> Cost:
    defaults: dict[str, Any] = {"provider": "openai", "model": "gpt-4o", "tokens": MILLION}
    return price_call(workspace=workspace, at=when, **(defaults | call))


@pytest.mark.django_db
class TestOverrides:
    def test_the_operators_price_takes_the_place_of_the_lists(self, acme_support):
        assert cost(acme_support).amount == Decimal("2.5")
        row = override(input_price=Decimal("2.2"), cached_input_price=Decimal("0.2"))

        assert cost(acme_support).amount == Decimal("2.2")
        assert cost(acme_support).source == f"model price {row.pk}"
        assert cost(acme_support, tokens=Tokens(1_000_000, 500_000, 0)).amount == Decimal("1.2")
        assert cost(acme_support, model="gpt-4.1").source.startswith("genai-prices")

    def test_it_holds_from_its_date_until_the_next(self, acme_support):
        override(input_price=Decimal(3), effective_from=at("2026-03-01 00:00"))
        override(input_price=Decimal(4), effective_from=NOON)

        instant = dt.timedelta(microseconds=1)
        assert cost(acme_support, at("2026-02-28 23:59")).amount == Decimal("2.5")
        assert cost(acme_support, at("2026-03-01 00:00")).amount == Decimal(3)
        assert cost(acme_support, NOON - instant).amount == Decimal(3)
        assert cost(acme_support, NOON).amount == Decimal(4)

    def test_an_agencys_row_comes_before_everybodys_a_named_provider_before_any(
        self, acme_support, cedar_support, northwind, harbor
    ):
        override(input_price=Decimal(1))
        override(input_price=Decimal(2), provider="openai")
        override(input_price=Decimal(3), agency=northwind)
        assert cost(acme_support).amount == Decimal(3)

        override(input_price=Decimal(4), agency=northwind, provider="OpenAI")
        override(input_price=Decimal(5), agency=northwind, provider="azure")
        assert cost(acme_support).amount == Decimal(4)
        assert cost(acme_support, provider="azure").amount == Decimal(5)
        assert cost(acme_support, provider="").amount == Decimal(3)
        # Another agency's prices are none of Harbor's business.
        assert cost(cedar_support).amount == Decimal(2)

    def test_an_agency_cannot_cheapen_what_the_platform_pays(self, acme_support, northwind):
        override(agency=northwind, cost_payer=CostPayer.AGENCY, input_price=Decimal("0.01"))
        assert cost(acme_support).amount == Decimal("2.5")

        acme_support.cost_payer = CostPayer.AGENCY
        assert cost(acme_support).amount == Decimal("0.01")

    def test_names_are_compared_without_case(self, acme_support):
        override(model="My-Model", input_price=Decimal(7))
        assert cost(acme_support, model="my-MODEL").amount == Decimal(7)

    def test_a_model_that_the_list_does_not_know_can_be_priced(self, acme_support):
        assert cost(acme_support, model="in-house").flag == "no_price"
        override(model="in-house", currency="EUR", input_price=Decimal("0.5"))
        priced = cost(acme_support, model="in-house")
        # In euros, for a client that pays in dollars, without a rate.
        assert (priced.amount, priced.currency, priced.flag) == (Decimal("0.5"), "EUR", "no_rate")


def rate(base: str, quote: str, text: str, effective_from: str) -> None:
    ExchangeRate.objects.create(
        base=base, quote=quote, rate=Decimal(text), effective_from=at(effective_from)
    )


@pytest.mark.django_db
class TestRates:
    """Cedar pays in euros; the list is in dollars."""

    def test_no_rate_no_cost_for_the_client(self, cedar_support):
        unconverted = cost(cedar_support)
        assert (unconverted.amount, unconverted.client_amount) == (Decimal("2.5"), None)
        assert (unconverted.flag, unconverted.exchange_rate) == ("no_rate", None)

    def test_the_rate_in_force_when_it_happened(self, cedar_support):
        rate("USD", "EUR", "0.90", "2026-01-01 00:00")
        rate("USD", "EUR", "0.95", "2026-03-10 12:00")
        rate("USD", "EUR", "0.99", "2026-04-01 00:00")
        rate("GBP", "EUR", "9", "2026-01-01 00:00")

        before = cost(cedar_support, NOON - dt.timedelta(microseconds=1))
        assert (before.exchange_rate, before.client_amount) == (Decimal("0.9"), Decimal("2.25"))
        assert cost(cedar_support).client_amount == Decimal("2.375")
        assert cost(cedar_support, at("2025-12-31 00:00")).flag == "no_rate"

    def test_a_batch_that_spans_a_change_takes_each_rate_in_its_time(self, cedar_support):
        rate("USD", "EUR", "0.90", "2026-01-01 00:00")
        rate("USD", "EUR", "0.95", "2026-03-10 12:00")
        book = PriceBook.load(
            cedar_support, models=["gpt-4o"], earliest=at("2026-03-01 00:00"), latest=NOON
        )

        rates = [
            book.cost_of(provider="", model="gpt-4o", tokens=MILLION, at=instant).exchange_rate
            for instant in (at("2026-03-01 00:00"), NOON)
        ]
        assert rates == [Decimal("0.9"), Decimal("0.95")]

    def test_the_inverse_serves_where_no_direct_rate_does(self, cedar_support):
        rate("EUR", "USD", "1.25", "2026-01-01 00:00")
        assert cost(cedar_support).exchange_rate == Decimal("0.8")
        assert cost(cedar_support).client_amount == Decimal("2")

        rate("USD", "EUR", "0.9", "2026-02-01 00:00")
        assert cost(cedar_support).exchange_rate == Decimal("0.9")
        assert cost(cedar_support, at("2026-01-15 00:00")).exchange_rate == Decimal("0.8")

    def test_the_same_currency_needs_none(self, acme_support):
        same = cost(acme_support)
        assert (same.exchange_rate, same.client_amount) == (Decimal(1), Decimal("2.5"))


@pytest.mark.django_db
class TestReportedCosts:
    def book(self, workspace: Workspace) -> PriceBook:
        return PriceBook.load(
            workspace, models=["gpt-4o"], currencies=["EUR"], earliest=NOON, latest=NOON
        )

    def test_the_agency_is_believed_about_its_own_bill(self, acme_support):
        acme_support.cost_payer = CostPayer.AGENCY
        rate("EUR", "USD", "1.1", "2026-01-01 00:00")
        book = self.book(acme_support)

        reported = book.cost_of(
            provider="", model="", tokens=Tokens(), at=NOON, reported=Decimal("0.02")
        )
        assert reported == Cost(Decimal("0.02"), "USD", "reported", "", Decimal(1), Decimal("0.02"))
        in_euros = book.cost_of(
            provider="",
            model="gpt-4o",
            tokens=MILLION,
            at=NOON,
            reported=Decimal(1),
            reported_currency="EUR",
        )
        assert (in_euros.currency, in_euros.client_amount) == ("EUR", Decimal("1.1"))

    def test_nobody_is_believed_about_the_platforms(self, acme_support):
        book = self.book(acme_support)
        priced = book.cost_of(
            provider="", model="gpt-4o", tokens=MILLION, at=NOON, reported=Decimal("0.000001")
        )
        assert (priced.amount, priced.source) == (Decimal("2.5"), "genai-prices 0.2.3")

    def test_no_model_no_cost_and_no_alarm(self, acme_support):
        book = self.book(acme_support)
        assert book.cost_of(provider="", model="", tokens=MILLION, at=NOON) == Cost(flag="no_model")


@pytest.mark.django_db
def test_a_book_is_loaded_in_two_queries_however_many_models(cedar_support):
    cedar_support = Workspace.objects.select_related("client").get(pk=cedar_support.pk)
    override(currency="GBP")
    with CaptureQueriesContext(connection) as queries:
        PriceBook.load(
            cedar_support, models=[f"m{i}" for i in range(300)], earliest=NOON, latest=NOON
        )
    assert len(queries) == 2
