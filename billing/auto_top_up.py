"""Automatic top-ups: which bands usage makes a client buy, and when (ENGINE 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from .overage_documents import AutoTopUp
from .plan_documents import TopUpDocument
from .waterfall import Grant, burn_order, is_usable

ZERO: Final = Decimal(0)


def automatic_grants(
    auto: AutoTopUp,
    band: TopUpDocument,
    grants: Sequence[Grant],
    buckets: Iterable[tuple[datetime, Decimal]],
    make_grant: Callable[[datetime], Grant],
    *,
    already: int = 0,
) -> list[Grant]:
    """The grants bought while one period's usage runs, in order.

    After each quarter hour with usage, bands are bought until what remains is above ``auto.at``
    or a maximum is reached. A band covers the quarter hour in which it is bought. ``buckets``:
    one per quarter hour. ``make_grant`` makes the grant of a band bought at an instant.
    ``already``: how many of ``grants`` were bought so before; they count against the maxima.
    Asked again with what it said before among ``grants``, it says nothing new.
    """
    left = {grant: grant.quantity - grant.revoked for grant in grants}
    bought: list[Grant] = []
    for bucket, quantity in sorted(buckets):
        if not quantity:
            continue
        before = left
        left = _burned(before, bucket, quantity)
        while _remaining(left, bucket) <= auto.at and may_buy(auto, band, already + len(bought)):
            grant = make_grant(bucket)
            bought.append(grant)
            before = {**before, grant: grant.quantity}
            left = _burned(before, bucket, quantity)
    return bought


def _burned(
    left: dict[Grant, Decimal], bucket: datetime, quantity: Decimal
) -> dict[Grant, Decimal]:
    after = dict(left)
    for grant in sorted(left, key=burn_order):
        if quantity and is_usable(grant, bucket):
            drawn = min(quantity, after[grant])
            after[grant] -= drawn
            quantity -= drawn
    return after


def _remaining(left: dict[Grant, Decimal], bucket: datetime) -> Decimal:
    return sum((rest for grant, rest in left.items() if is_usable(grant, bucket)), ZERO)


def may_buy(auto: AutoTopUp, band: TopUpDocument, count: int) -> bool:
    """Whether the maxima allow one more after ``count`` in a period."""
    if auto.max_count is not None and count >= auto.max_count:
        return False
    return auto.max_amount is None or band.price * (count + 1) <= auto.max_amount
