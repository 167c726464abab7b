"""Prices and rates made ready for many calls: whole numbers all the way. Pure: no Django, no clock.

The same figures as `costing`, to the last place, for the inner loop of recording. There an amount
is a scaled integer as stored (costs 9 places); the reconciler and single calls go by `costing`,
whose Decimals read like the rules. `tests/properties/test_tariffs.py` compares the two.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from agencyportal.core.money import scaled, unscaled
from clients.costing import MAX_COST, PLACES, Cost, Gap, Price, Rate, refuse_cost

ONE: Final[int] = 10**PLACES
_PER_MILLION: Final = 6
_MOST: Final[int] = int(MAX_COST) * ONE


class ScaledCost(NamedTuple):
    """`costing.Cost` with its amounts as stored."""

    amount: int | None = None
    currency: str = "USD"
    source: str = ""
    flag: Gap = ""
    exchange_rate: int | None = None
    client_amount: int | None = None

    def exact(self) -> Cost:
        """The same in Decimals."""
        amount, rate, client_amount = (
            None if units is None else unscaled(units, PLACES)
            for units in (self.amount, self.exchange_rate, self.client_amount)
        )
        return Cost(amount, self.currency, self.source, self.flag, rate, client_amount)


class _Rate(NamedTuple):
    """A `costing.Rate` in units of the tariff's last place."""

    base: int
    tiers: tuple[tuple[int, int], ...]

    def at(self, input_tokens: int) -> int:
        price = self.base
        for threshold, tier_price in self.tiers:
            if input_tokens > threshold:
                price = tier_price
        return price


class Tariff:
    """A `costing.Price` as integers: every rate counted in one last place, the smallest needed."""

    __slots__ = (
        "_cached",
        "_flat",
        "_in",
        "_out",
        "_per_call",
        "_reasoning",
        "_unit",
        "currency",
        "source",
    )

    def __init__(self, price: Price) -> None:
        self.currency = price.currency
        self.source = price.source
        rates = (price.input, price.cached_input, price.output, price.reasoning)
        numbers = [number for rate in rates if rate for number in _numbers(rate)]
        places = max([_places(number) for number in numbers] or [0])
        places = max(places, _places(price.per_call) - _PER_MILLION)
        self._in, self._cached, self._out, self._reasoning = (
            None if rate is None else _scaled_rate(rate, places) for rate in rates
        )
        self._per_call = _whole(price.per_call, places + _PER_MILLION)
        self._unit = 10 ** (places + _PER_MILLION)
        self._flat = self._flat_rates()

    def cost_of(
        self,
        whole_in: int | None,
        cached: int | None,
        whole_out: int | None,
        reasoning: int | None,
    ) -> tuple[int | None, Gap]:
        """What a call of so many tokens costs, not converted, or why that is unknown:
        `costing.call_cost`. Raises ValueError when it is more than can be stored.
        """
        if self._flat is not None and whole_in is not None and whole_out is not None:
            each_in, each_cached, each_out, each_reasoning = self._flat
            total = self._per_call + whole_in * each_in + whole_out * each_out
            if cached:
                total += cached * (each_cached - each_in)
            if reasoning:
                total += reasoning * (each_reasoning - each_out)
            return _storable(total * ONE, self._unit), ""
        if gap := self._gap(whole_in, whole_out):
            return None, gap
        size = whole_in or 0
        total = (
            self._per_call
            + _side(size, self._in, cached, self._cached, size)
            + _side(whole_out or 0, self._out, reasoning, self._reasoning, size)
        )
        return _storable(total * ONE, self._unit), ""

    def _flat_rates(self) -> tuple[int, int, int, int] | None:
        """In, cached, out, reasoning, where every token of a kind costs the same: nearly always."""
        rates = (self._in, self._cached or self._in, self._out, self._reasoning or self._out)
        if any(rate is None or rate.tiers for rate in rates):
            return None
        each_in, each_cached, each_out, each_reasoning = (rate.base for rate in rates if rate)
        return each_in, each_cached, each_out, each_reasoning

    def _gap(self, whole_in: int | None, whole_out: int | None) -> Gap:
        if self._in is None:
            if whole_in or self._out is None:
                return "no_price"
        elif whole_in is None:
            return "no_price" if whole_out and self._out is None else "no_tokens"
        if self._out is None:
            return "no_price" if whole_out else ""
        return "no_tokens" if whole_out is None else ""


def _side(
    whole: int, rate: _Rate | None, part: int | None, part_rate: _Rate | None, size: int
) -> int:
    """Every token of one side once; a part without a rate of its own costs what the rest does."""
    if rate is None:
        return 0
    if part_rate is None or not part:
        return whole * rate.at(size)
    return (whole - part) * rate.at(size) + part * part_rate.at(size)


def reported(amount: Decimal, currency: str) -> ScaledCost:
    """A cost that the caller knows (9 places at most); not converted yet."""
    return ScaledCost(scaled(amount, PLACES), currency, "reported")


def converted(cost: ScaledCost, rate: int | None) -> ScaledCost:
    """`costing.in_client_currency`; ``rate`` is scaled, too.

    Raises ValueError when it is more than can be stored.
    """
    amount, currency, source, flag, _, _ = cost
    if amount is None:
        return cost
    if rate is None:
        return ScaledCost(amount, currency, source, "no_rate")
    client_amount = amount if rate == ONE else _storable(amount * rate, ONE)
    return ScaledCost(amount, currency, source, flag, rate, client_amount)


def _storable(numerator: int, denominator: int) -> int:
    """The quotient of two positive numbers, rounded half up."""
    amount = (2 * numerator + denominator) // (2 * denominator)
    if amount > _MOST:
        refuse_cost(unscaled(amount, PLACES))
    return amount


def _numbers(rate: Rate) -> list[Decimal]:
    return [rate.base, *(price for _, price in rate.tiers)]


def _scaled_rate(rate: Rate, places: int) -> _Rate:
    tiers = tuple((threshold, _whole(price, places)) for threshold, price in rate.tiers)
    return _Rate(_whole(rate.base, places), tiers)


def _places(number: Decimal) -> int:
    return max(0, -int(number.as_tuple().exponent))


def _whole(number: Decimal, places: int) -> int:
    """``number``, which has no more than ``places``, in units of that place."""
    numerator, denominator = number.as_integer_ratio()
    units: int = numerator * 10**places // denominator
    return units
