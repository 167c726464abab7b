"""What model calls cost: the price book and exchange rates, as in force when a call happened.

Prices come from overrides (ModelPrice) and, beneath them, from the list that ships with the
genai-prices package, which is dated, offline, and never fetched by us. Who pays decides which
overrides hold: an agency's own prices for its own bill, the operator's for the platform's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from agencyportal.core.money import scaled
from agencyportal.core.prepared import PreparedQuery, Slots
from clients import tariffs
from clients.costing import (
    PLACES,
    Cost,
    Price,
    Rate,
    Tokens,
    call_cost,
    in_client_currency,
    inverse_rate,
    reported_cost,
)
from clients.listed_prices import LIST_CURRENCY, listed_model, listed_price, listed_tariff
from clients.models import CostPayer, ExchangeRate, ModelPrice, Workspace
from clients.submission import TokenUsage
from clients.tariffs import ScaledCost, Tariff

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo


class PriceBook:
    """The prices and rates that calls of one workspace may need; loaded in two queries at most."""

    def __init__(
        self,
        *,
        cost_payer: str,
        client_currency: str,
        overrides: dict[str, list[ModelPrice]],
        rates: dict[tuple[str, str], list[ExchangeRate]],
    ) -> None:
        self._cost_payer = cost_payer
        self._client_currency = client_currency
        self._overrides = overrides
        self._rates = rates
        self._tariffs: dict[
            tuple[str, str], tuple[list[tuple[dt.datetime, Tariff]], ModelInfo | None]
        ] = {}
        self._constant: dict[tuple[str, str], Tariff | None] = {}
        """Tariffs of models whose price never depends on the time."""
        self._scaled_rates: dict[str, list[tuple[dt.datetime, int | None]]] = {}

    @classmethod
    def load(
        cls,
        workspace: Workspace,
        *,
        models: Iterable[str],
        currencies: Iterable[str] = (),
        earliest: dt.datetime,
        latest: dt.datetime,
        cost_payer: str | None = None,
    ) -> PriceBook:
        """The book for calls of ``models`` between two instants, both included.

        ``currencies``: of reported costs; ``cost_payer``: the workspace's. Reads its client.
        """
        cost_payer = cost_payer or workspace.cost_payer
        overrides = _overrides(workspace, cost_payer, {model.lower() for model in models}, latest)
        foreign = {LIST_CURRENCY, *currencies}
        foreign |= {price.currency for prices in overrides.values() for price in prices}
        client_currency = workspace.client.currency
        foreign.discard(client_currency)
        return cls(
            cost_payer=cost_payer,
            client_currency=client_currency,
            overrides=overrides,
            rates=_rates(client_currency, foreign, earliest, latest),
        )

    def cost_of(
        self,
        *,
        provider: str,
        model: str,
        tokens: Tokens,
        at: dt.datetime,
        reported: Decimal | None = None,
        reported_currency: str = LIST_CURRENCY,
    ) -> Cost:
        """What a call cost, converted to the client's currency; flagged where it is unknown.

        ``reported`` is the caller's own figure: believed about the agency's bill, never about
        the platform's. Raises ValueError when the cost is more than can be stored.
        """
        if reported is not None and self._cost_payer == CostPayer.AGENCY:
            cost = reported_cost(reported, reported_currency)
        elif not model:
            return Cost(flag="no_model")
        else:
            price = self.price_of(provider=provider, model=model, at=at)
            cost = Cost(flag="no_price") if price is None else call_cost(price, tokens)
        if cost.amount is None:
            return cost
        return in_client_currency(cost, self.rate(cost.currency, at))

    def scaled_cost_of(
        self,
        *,
        provider: str,
        model: str,
        usage: TokenUsage | None,
        at: dt.datetime,
        reported: Decimal | None,
        reported_currency: str | None,
    ) -> ScaledCost:
        """`cost_of` as it is stored, for the inner loop of recording. ``at`` is in UTC."""
        if reported is not None and self._cost_payer == CostPayer.AGENCY:
            cost = tariffs.reported(reported, reported_currency or LIST_CURRENCY)
        elif not model:
            return _NO_MODEL
        else:
            tariff = self._tariff_of(provider, model, at)
            if tariff is None:
                return _NO_PRICE
            amount, gap = tariff.cost_of(*_counts(usage))
            if amount is not None and tariff.currency == self._client_currency:
                # As `converted` has it, and nearly always so.
                return ScaledCost(amount, tariff.currency, tariff.source, gap, tariffs.ONE, amount)
            cost = ScaledCost(amount, tariff.currency, tariff.source, gap)
            if amount is None:
                return cost
        return tariffs.converted(cost, self._scaled_rate(cost.currency, at))

    def _tariff_of(self, provider: str, model: str, at: dt.datetime) -> Tariff | None:
        """`price_of`, made ready once for all calls of a model that it holds for."""
        if (provider, model) in self._constant:
            return self._constant[provider, model]
        known = self._tariffs.get((provider, model))
        if known is None:
            own = [
                (override.effective_from, Tariff(_override_price(override)))
                for override in self._overrides.get(model.lower(), ())
                if override.provider.lower() in {"", provider.lower()}
            ]
            known = self._tariffs[provider, model] = own, listed_model(provider, model)
        own, listed = known
        for effective_from, tariff in own:
            if effective_from <= at:
                return tariff
        found = None if listed is None else listed_tariff(listed, listed.get_prices(at))
        if not own and (listed is None or not isinstance(listed.prices, list)):
            self._constant[provider, model] = found
        return found

    def _scaled_rate(self, currency: str, at: dt.datetime) -> int | None:
        """`rate` as it is stored; each row is read, and turned round, once."""
        if currency == self._client_currency:
            return tariffs.ONE
        known = self._scaled_rates.get(currency)
        if known is None:
            direct = self._rates.get((currency, self._client_currency), ())
            turned = self._rates.get((self._client_currency, currency), ())
            known = self._scaled_rates[currency] = [
                *((rate.effective_from, _as_stored(rate.rate)) for rate in direct),
                *((rate.effective_from, _as_stored(inverse_rate(rate.rate))) for rate in turned),
            ]
        return next((rate for effective_from, rate in known if effective_from <= at), None)

    def price_of(self, *, provider: str, model: str, at: dt.datetime) -> Price | None:
        """The price in force at ``at``: an override, else the shipped list's, else None."""
        for override in self._overrides.get(model.lower(), ()):
            if override.effective_from <= at and override.provider.lower() in {
                "",
                provider.lower(),
            }:
                return _override_price(override)
        return listed_price(provider, model, at)

    def converted(self, amount: Decimal, currency: str, at: dt.datetime) -> Decimal | None:
        """A cost in the client's currency, 9 places; None where there is no rate.

        Raises ValueError when it is more than can be stored.
        """
        cost = in_client_currency(reported_cost(amount, currency), self.rate(currency, at))
        return cost.client_amount

    def rate(self, currency: str, at: dt.datetime) -> Decimal | None:
        """Units of the client's currency for one of ``currency``: stored, else the inverse."""
        if currency == self._client_currency:
            return Decimal(1)
        for rate in self._rates.get((currency, self._client_currency), ()):
            if rate.effective_from <= at:
                return rate.rate
        for rate in self._rates.get((self._client_currency, currency), ()):
            if rate.effective_from <= at:
                return inverse_rate(rate.rate)
        return None


_NO_MODEL: Final = ScaledCost(flag="no_model")
_NO_PRICE: Final = ScaledCost(flag="no_price")


def _counts(usage: TokenUsage | None) -> tuple[int | None, int | None, int | None, int | None]:
    if usage is None:
        return None, None, None, None
    return (
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )


def _as_stored(rate: Decimal | None) -> int | None:
    return None if rate is None else scaled(rate, PLACES)


def price_call(
    *, workspace: Workspace, provider: str, model: str, tokens: Tokens, at: dt.datetime
) -> Cost:
    """What one call of a workspace costs. For many, load a :class:`PriceBook` once."""
    book = PriceBook.load(workspace, models=[model], earliest=at, latest=at)
    return book.cost_of(provider=provider, model=model, tokens=tokens, at=at)


def to_client_currency(
    *, workspace: Workspace, amount: Decimal, currency: str, at: dt.datetime
) -> Decimal | None:
    """An amount in the currency of a workspace's client, at the rate in force, 9 places.

    None where there is no rate. Raises ValueError for more than a cost may be.
    """
    book = PriceBook.load(workspace, models=(), currencies=[currency], earliest=at, latest=at)
    return book.converted(amount, currency, at)


# --- Overrides and rates -----------------------------------------------------------------------


_OVERRIDES: Final = PreparedQuery[ModelPrice](
    lambda slots: (
        ModelPrice.objects.alias(folded=Lower("model"))
        .filter(Q(agency=slots.number("agency")) | Q(agency=None))
        .filter(folded__in=slots.texts("models"), cost_payer=slots.text("cost_payer"))
        .filter(effective_from__lte=slots.instant("latest"))
    )
)


def _overrides(
    workspace: Workspace, cost_payer: str, models: set[str], latest: dt.datetime
) -> dict[str, list[ModelPrice]]:
    """By folded model name, in order of precedence; the first that is in force holds.

    The agency's row before everybody's, a named provider before any, a later date before an
    earlier one.
    """
    models.discard("")
    if not models:
        return {}
    rows = _OVERRIDES.rows(
        agency=workspace.agency_id,
        models=sorted(models),
        cost_payer=cost_payer,
        latest=latest,
    )
    found: dict[str, list[ModelPrice]] = {}
    for row in sorted(rows, key=_precedence):
        found.setdefault(row.model.lower(), []).append(row)
    return found


def _precedence(row: ModelPrice) -> tuple[bool, bool, float]:
    return (row.agency_id is None, not row.provider, -row.effective_from.timestamp())


def _rates_query(slots: Slots) -> QuerySet[ExchangeRate]:
    foreign, own = slots.texts("foreign"), slots.text("own")
    superseded = ExchangeRate.objects.filter(
        base=OuterRef("base"),
        quote=OuterRef("quote"),
        effective_from__gt=OuterRef("effective_from"),
        effective_from__lte=slots.instant("earliest"),
    )
    pairs = Q(base__in=foreign, quote=own) | Q(base=own, quote__in=foreign)
    rows = ExchangeRate.objects.filter(pairs, effective_from__lte=slots.instant("latest"))
    return rows.exclude(Exists(superseded)).order_by("-effective_from")


_RATES: Final = PreparedQuery(_rates_query)


def _rates(
    client_currency: str, foreign: set[str], earliest: dt.datetime, latest: dt.datetime
) -> dict[tuple[str, str], list[ExchangeRate]]:
    """By (base, quote), newest first: the rate in force at ``earliest`` and those that follow."""
    if not foreign:
        return {}
    found: dict[tuple[str, str], list[ExchangeRate]] = {}
    for row in _RATES.rows(
        foreign=sorted(foreign), own=client_currency, earliest=earliest, latest=latest
    ):
        found.setdefault((row.base, row.quote), []).append(row)
    return found


def _override_price(row: ModelPrice) -> Price:
    return Price(
        currency=row.currency,
        source=f"model price {row.pk}",
        input=Rate(row.input_price),
        output=Rate(row.output_price),
        cached_input=None if row.cached_input_price is None else Rate(row.cached_input_price),
    )
