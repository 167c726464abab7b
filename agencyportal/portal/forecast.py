"""Whether a unit comes near its end, and which band would help. Pure; `billing.pace` estimates."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol, TypeVar

NEAR_PERCENT = 80


def is_near(*, used: Decimal, granted: Decimal) -> bool:
    """Whether enough is used that a client wants to know."""
    return granted > 0 and used * 100 >= granted * NEAR_PERCENT


class Band(Protocol):
    """A bundle on sale, as far as the choice depends on it."""

    @property
    def quantity(self) -> Decimal: ...

    @property
    def price(self) -> Decimal: ...


_B = TypeVar("_B", bound=Band)


def best_band(bands: Iterable[_B], short_by: Decimal) -> _B | None:
    """The cheapest band that covers what is missing; where none does, the largest."""
    offered = list(bands)
    enough = [band for band in offered if band.quantity >= short_by]
    if enough:
        return min(enough, key=lambda band: (band.price, -band.quantity))
    return max(offered, key=lambda band: (band.quantity, -band.price), default=None)
