"""Discounts: what is taken off the fees and the overage of a period (ENGINE 11). Pure.

A discount is a percentage or a fixed amount, on one group of a period's charges or on all of them,
for so many periods or for ever. Several apply in order, each to what the ones before left, so that
no group ever falls below zero. Each line is rounded once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, get_args

from agencyportal.core.money import exact_arithmetic, plain, round_money

from .proration import Share, prorated_amount
from .rating import MONEY_PLACES, QUANTITY_PLACES
from .strict_json import Node

Group = Literal["fees", "once", "overage"]
Scope = Literal[Group, "all"]

GROUPS: Final[tuple[Group, ...]] = get_args(Group)
"""What can be discounted: fees of each period, fees asked once, and overage. Top-ups and the
minimum commitment never are. A fixed amount on all is taken off in this order."""

SCOPES: Final[tuple[Scope, ...]] = (*GROUPS, "all")

HUNDRED: Final = Decimal(100)
ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class DiscountDocument:
    """What is taken off in each period: ``percent``, or ``amount`` (one of them is None).

    ``periods``: in how many periods, counted from the first one in which it holds; None: in all.
    An amount is prorated by days in a partial period, unless it is on fees asked once.
    """

    name: str
    on: Scope
    percent: Decimal | None = None
    amount: Decimal | None = None
    periods: int | None = None

    def covers(self, group: Group) -> bool:
        return self.on in ("all", group)


class Agreed(NamedTuple):
    """A discount with the times between which it holds: in periods that start then."""

    discount: DiscountDocument
    effective_at: datetime | None = None
    expires_at: datetime | None = None

    def holds_at(self, start: datetime) -> bool:
        return (self.effective_at is None or self.effective_at <= start) and (
            self.expires_at is None or start < self.expires_at
        )

    def applies(self, start: datetime, full_start: datetime, earlier: Iterable[Start]) -> bool:
        """Whether it is taken off in a period, after the ``earlier`` ones of its subscription.

        On fees, what counts are the times that fees are for (`terms.fees_time`). Two parts of one
        interval (as a change of plan leaves them) count once.
        """
        if not self.holds_at(start):
            return False
        if self.discount.periods is None:
            return True
        before = {full for begun, full in earlier if self.holds_at(begun)} - {full_start}
        return len(before) < self.discount.periods


class Start(NamedTuple):
    """Where a period starts, and where the whole interval that it is a part of does."""

    start: datetime
    full_start: datetime


def taken_off(
    discounts: Sequence[DiscountDocument],
    charged: Mapping[Group, Decimal],
    share: Share,
    currency: str,
    *,
    fees_share: Share | None = None,
) -> list[dict[Group, Decimal]]:
    """What each discount takes off each group of one period's charges, in order; never negative.

    ``charged``: what the groups come to, rounded; one that is missing or negative counts as 0.
    ``share``: the part of the full interval that the period covers; ``fees_share``: that of the
    time that its fees are for, where it is another. Taking overage into account later changes
    nothing about fees.
    """
    left = {group: max(ZERO, charged.get(group, ZERO)) for group in GROUPS}
    found = []
    for discount in discounts:
        part = fees_share if fees_share and discount.on == "fees" else share
        budget = _budget(discount, part, currency)
        taken: dict[Group, Decimal] = {}
        for group in GROUPS:
            if not discount.covers(group):
                continue
            off = _percent_of(left[group], discount.percent, currency)
            if budget is not None:
                off = min(budget, left[group])
                budget -= off
            if off:
                taken[group] = off
                left[group] -= off
        found.append(taken)
    return found


def _budget(discount: DiscountDocument, share: Share, currency: str) -> Decimal | None:
    """The most that a fixed amount takes off in a period."""
    if discount.amount is None:
        return None
    if discount.on == "once":
        return round_money(discount.amount, currency)
    return prorated_amount(discount.amount, share, currency)


def _percent_of(amount: Decimal, percent: Decimal | None, currency: str) -> Decimal:
    if percent is None:
        return ZERO
    with exact_arithmetic():
        return min(amount, round_money(amount * percent / HUNDRED, currency))


# --- As documents ------------------------------------------------------------------------------


def read_discount(node: Node, *, more: Sequence[str] = ()) -> DiscountDocument:
    """A discount from its dictionary; ``more``: further members that the caller reads."""
    fields = node.fields(required=("name", "on"), optional=("percent", "amount", "periods", *more))
    stated = [key for key in ("percent", "amount") if key in fields and not fields[key].is_null]
    if len(stated) != 1:
        raise node.error("a discount needs a percent or an amount, and not both")
    percent = amount = None
    if stated == ["percent"]:
        percent = fields["percent"].decimal(places=QUANTITY_PLACES, positive=True)
        if percent > HUNDRED:
            raise fields["percent"].error(f"must not be above 100; it is {plain(percent)}")
    else:
        amount = fields["amount"].decimal(places=MONEY_PLACES, positive=True)
    periods = fields.get("periods")
    number = None if periods is None or periods.is_null else periods.count()
    if periods is not None and number == 0:
        raise periods.error("must be at least 1; left out, it holds for ever")
    return DiscountDocument(
        name=fields["name"].text(),
        on=fields["on"].choice(SCOPES),
        percent=percent,
        amount=amount,
        periods=number,
    )


def dump_discount(discount: DiscountDocument) -> dict[str, Any]:
    """The dictionary that `read_discount` reads as this discount."""
    document: dict[str, Any] = {"name": discount.name, "on": discount.on}
    if discount.percent is not None:
        document["percent"] = plain(discount.percent)
    if discount.amount is not None:
        document["amount"] = plain(discount.amount)
    if discount.periods is not None:
        document["periods"] = discount.periods
    return document
