"""What a model call cost, from its tokens and a price. Pure: no Django, no clock, no database.

Tokens are counted the way prices are read: ``input_tokens`` includes cached ones and
``output_tokens`` includes reasoning. Unknown is None and never zero. A cost is exact arithmetic,
rounded half up once, to 9 places, per event (ENGINE 13).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal, NoReturn

from agencyportal.core.money import exact_arithmetic, round_half_up

PLACES: Final = 9
MAX_TOKENS: Final = 10**12
"""Of one event, so that sums of many stay far from the end of a BIGINT."""

MAX_COST: Final = Decimal(10**9)
"""Of one event, in any currency, so that it can be stored."""

Gap = Literal["", "no_model", "no_price", "no_tokens", "no_rate"]
"""Why a cost is unknown; empty when it is known. Only ``no_model`` is nothing to worry about."""

ALARMS: Final = frozenset({"no_price", "no_tokens", "no_rate"})


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts of one call. None is unknown."""

    input: int | None = None
    cached_input: int | None = None
    output: int | None = None
    reasoning: int | None = None

    @classmethod
    def reported_apart(
        cls,
        *,
        uncached_input: int | None,
        cached_input: int | None,
        answer: int | None,
        reasoning: int | None,
    ) -> Tokens:
        """Counts of a provider that reports cached and reasoning tokens beside, not within."""
        return cls(
            input=_added(uncached_input, cached_input),
            cached_input=cached_input,
            output=_added(answer, reasoning),
            reasoning=reasoning,
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        """(field, message) of every count that cannot be right."""
        counts = {
            "input_tokens": self.input,
            "cached_input_tokens": self.cached_input,
            "output_tokens": self.output,
            "reasoning_tokens": self.reasoning,
        }
        for name, count in counts.items():
            if count is not None and not 0 <= count <= MAX_TOKENS:
                yield name, f"From 0 to {MAX_TOKENS:,}."
        pairs = (("cached_input_tokens", "input_tokens"), ("reasoning_tokens", "output_tokens"))
        for part_name, whole_name in pairs:
            part, whole = counts[part_name], counts[whole_name]
            if part is not None and whole is not None and part > whole:
                yield part_name, f"{part} is more than {whole_name} ({whole}), which includes it."


def _added(whole: int | None, part: int | None) -> int | None:
    return None if whole is None else whole + (part or 0)


@dataclass(frozen=True, slots=True)
class Rate:
    """A price per million tokens, by the size of the call.

    ``tiers`` are (threshold, price) in rising order. The last threshold that the call's input
    tokens exceed prices all of its tokens, as providers bill long contexts.
    """

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, input_tokens: int) -> Decimal:
        price = self.base
        for threshold, tier_price in self.tiers:
            if input_tokens > threshold:
                price = tier_price
        return price


@dataclass(frozen=True, slots=True)
class Price:
    """What a model's tokens cost, and where that was read.

    Without a rate of their own, cached tokens cost what input does and reasoning what output
    does. Without a rate for input or output, a call that has such tokens has no price.
    """

    currency: str
    source: str
    input: Rate | None = None
    output: Rate | None = None
    cached_input: Rate | None = None
    reasoning: Rate | None = None
    per_call: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an event cost: in its own currency, and in the client's at a frozen rate.

    ``amount`` is None when unknown, ``flag`` then says why. ``client_amount`` is None too when
    there is no rate between the currencies, or nothing to convert.
    """

    amount: Decimal | None = None
    currency: str = "USD"
    source: str = ""
    flag: Gap = ""
    exchange_rate: Decimal | None = None
    client_amount: Decimal | None = None


def call_cost(price: Price, tokens: Tokens) -> Cost:
    """The cost of one call at ``price``, not converted yet.

    Raises ValueError when it is more than can be stored.
    """
    gap = _gap(price, tokens)
    if gap:
        return Cost(currency=price.currency, source=price.source, flag=gap)
    with exact_arithmetic():
        millionths = sum(
            (count * rate.at(tokens.input or 0) for count, rate in _priced(price, tokens)),
            start=Decimal(0),
        )
        exact = millionths.scaleb(-6) + price.per_call
    return Cost(_storable(exact), price.currency, price.source)


def _gap(price: Price, tokens: Tokens) -> Gap:
    """Why ``tokens`` cannot be priced. Not knowing the output of a model without one is no gap."""
    if price.input is None and price.output is None:
        return "no_price"
    if (tokens.input and price.input is None) or (tokens.output and price.output is None):
        return "no_price"
    if (tokens.input is None and price.input is not None) or (
        tokens.output is None and price.output is not None
    ):
        return "no_tokens"
    return ""


def _priced(price: Price, tokens: Tokens) -> Iterator[tuple[int, Rate]]:
    """Every token once, with the rate that prices it."""
    sides = (
        (tokens.input, price.input, tokens.cached_input, price.cached_input),
        (tokens.output, price.output, tokens.reasoning, price.reasoning),
    )
    for whole, rate, part, part_rate in sides:
        if whole is None or rate is None:
            continue
        apart = (part or 0) if part_rate is not None else 0
        yield whole - apart, rate
        if part_rate is not None:
            yield apart, part_rate


def reported_cost(amount: Decimal, currency: str) -> Cost:
    """A cost that the caller knows, as it is; not converted yet."""
    return Cost(_storable(amount), currency, "reported")


def in_client_currency(cost: Cost, rate: Decimal | None) -> Cost:
    """``cost`` with its amount in the client's currency at ``rate``; flagged without one.

    Raises ValueError when it is more than can be stored.
    """
    if cost.amount is None:
        return cost
    if rate is None:
        return replace(cost, flag="no_rate")
    with exact_arithmetic():
        exact = cost.amount * rate
    return replace(cost, exchange_rate=rate, client_amount=_storable(exact))


def inverse_rate(rate: Decimal) -> Decimal | None:
    """The rate the other way round, 9 places; None when nothing is left of it."""
    with exact_arithmetic():
        inverse = round_half_up(1 / rate, PLACES)
    return inverse or None


def _storable(exact: Decimal) -> Decimal:
    amount = round_half_up(exact, PLACES)
    if amount > MAX_COST:
        refuse_cost(amount)
    return amount


def refuse_cost(amount: Decimal) -> NoReturn:
    """Raises ValueError for a cost that is more than can be stored."""
    raise ValueError(f"A cost of {amount} is more than one event may have ({MAX_COST:,}).")
