"""The list of prices of models that ships with the genai-prices package: dated, offline, and
never fetched by us."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from clients.costing import Price, Rate
from clients.tariffs import Tariff

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo
    from genai_prices.types import ModelPrice as ListedPrice

LIST_CURRENCY: Final = "USD"
LIST_SOURCE: Final = f"genai-prices {version('genai-prices')}"
FREE_SUFFIX: Final = ":free"


def listed_price(provider: str, model: str, at: dt.datetime) -> Price | None:
    """The shipped list's price of a model when it was called; None when it has none.

    Some prices depend on the date, some on the time of day, so the instant counts, not the day.
    """
    info = listed_model(provider, model)
    return None if info is None else from_list(info, info.get_prices(at))


@lru_cache(maxsize=4096)
def listed_model(provider: str, model: str) -> ModelInfo | None:
    """The list's model of a name, under all of its prices; None where it has none."""
    # Half a second to import, which commands that price nothing need not wait for.
    from genai_prices import data, data_snapshot

    # A snapshot of our own: nobody can have replaced it with a fetched one, and what it remembers
    # about names that callers made up goes with it.
    snapshot = data_snapshot.DataSnapshot(providers=data.providers, from_auto_update=False)
    try:
        return snapshot.find_provider_model(model, None, provider or None, None)[1]
    except LookupError:
        return None


def from_list(info: ModelInfo, listed: ListedPrice) -> Price | None:
    """One of a model's prices, as we read it."""
    key = id(listed)
    if key not in _read_prices():
        _read_prices()[key] = _read_price(info, listed)
    return _read_prices()[key]


@cache
def _read_prices() -> dict[int, Price | None]:
    """Prices already read, by the identity of the list's rows, which live as long as we do."""
    return {}


def listed_tariff(info: ModelInfo, listed: ListedPrice) -> Tariff | None:
    """`from_list`, made ready, once for as long as we live."""
    key = id(listed)
    if key not in _ready_tariffs():
        price = from_list(info, listed)
        _ready_tariffs()[key] = None if price is None else Tariff(price)
    return _ready_tariffs()[key]


@cache
def _ready_tariffs() -> dict[int, Tariff | None]:
    return {}


def _read_price(info: ModelInfo, listed: ListedPrice) -> Price | None:
    prices: dict[str, Any] = {k: v for k, v in vars(listed).items() if v is not None}
    if not prices:
        # No price is not a price of zero, except where the name itself promises it.
        free = Rate(Decimal(0)) if info.id.endswith(FREE_SUFFIX) else None
        return None if free is None else Price(LIST_CURRENCY, LIST_SOURCE, free, free)
    return Price(
        currency=LIST_CURRENCY,
        source=LIST_SOURCE,
        input=_rate_of(prices.get("input_mtok")),
        output=_rate_of(prices.get("output_mtok")),
        cached_input=_rate_of(prices.get("cache_read_mtok")),
        reasoning=_rate_of(prices.get("output_reasoning_mtok")),
        per_call=prices.get("requests_kcount", Decimal(0)) / 1000,
    )


def _rate_of(listed: Any) -> Rate | None:
    if listed is None:
        return None
    if isinstance(listed, Decimal):
        return Rate(listed)
    return Rate(listed.base, tuple((tier.start, tier.price) for tier in listed.tiers))
