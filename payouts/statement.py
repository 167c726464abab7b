"""How the figures of a payout come about from its earnings (ENGINE 12). Pure.

    opening + revenue - routed cost - platform fee + refunds + disputes + reserve + adjustments
        = amount + closing

Earnings are signed as they move the agency's balance: revenue positive, routed cost and platform
fee negative (a fee given back is positive). In the figures cost and fee are positive amounts, as
statements are read. Amounts are whole minor units of one currency already: nothing is rounded here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

ZERO: Final = Decimal(0)


class EarningKind(StrEnum):
    """What an earning is; the values are those of stored earnings."""

    REVENUE = "revenue"
    ROUTED_COST = "routed_cost"
    PLATFORM_FEE = "platform_fee"
    REFUND = "refund"
    DISPUTE = "dispute"
    RESERVE = "reserve"
    ADJUSTMENT = "adjustment"


ONE_BY_ONE: Final = frozenset(
    {EarningKind.REFUND, EarningKind.DISPUTE, EarningKind.RESERVE, EarningKind.ADJUSTMENT}
)
"""Kinds that a statement lists with their reason."""


class Source(StrEnum):
    """What a line of a statement was earned with: routed usage, or fees collected."""

    USAGE = "usage"
    FEE = "fee"


class PayoutState(StrEnum):
    """States in which a payout is made: to be approved and paid, or nothing to pay this month."""

    DRAFT = "draft"
    CARRIED = "carried"


FEE_KINDS: Final = frozenset({"implementation", "base", "support", "credit"})
"""Kinds of invoice lines that are fees collected; credits give back a part of one. All others
(top-ups, overage, minimum, late usage) are routed usage. A discount goes where its charges do."""


def source_of(line_kind: str, *, discounted: str = "") -> Source:
    """What a line of an invoice was earned with. ``discounted``: of a discount, the group of
    charges that it is on (`billing.discounts.Group`)."""
    if line_kind == "discount":
        return Source.FEE if discounted in ("fees", "once") else Source.USAGE
    return Source.FEE if line_kind in FEE_KINDS else Source.USAGE


@dataclass(frozen=True, slots=True)
class Place:
    """Where an earning belongs on a statement: one unit, or kind of fee, of one workspace.

    ``client``, ``workspace`` and ``unit`` are identities (primary keys), so that two clients of
    one name stay two. ``kind`` is the invoice line's where there is no unit to name.
    """

    client: int | None = None
    workspace: int | None = None
    source: Source = Source.USAGE
    unit: int | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class EarningFact:
    """One earning: what it is, how much, and where it belongs."""

    kind: EarningKind
    amount: Decimal
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a payout; ``amount`` is paid out, ``closing`` carried forward."""

    opening: Decimal
    revenue: Decimal
    routed_cost: Decimal
    platform_fee: Decimal
    refunds: Decimal
    disputes: Decimal
    reserve: Decimal
    adjustments: Decimal
    amount: Decimal
    closing: Decimal
    state: PayoutState

    @property
    def balance(self) -> Decimal:
        """What the agency is owed, before it is paid out or carried forward."""
        return self.amount + self.closing


@dataclass(slots=True)
class Share:
    """What one place brought; signed as earnings are."""

    place: Place
    revenue: Decimal = ZERO
    routed_cost: Decimal = ZERO
    platform_fee: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        return self.revenue + self.routed_cost + self.platform_fee


def figures(earnings: Iterable[EarningFact], *, opening: Decimal, minimum: Decimal) -> Figures:
    """The figures of a payout from its earnings, in any order, and what was carried into it.

    A balance that is positive and reaches ``minimum`` is paid out whole. Anything else, a debt
    among it, is carried forward whole, and nothing is paid. Raises ValueError for a negative
    minimum.
    """
    if minimum < 0:
        raise ValueError(f"a minimum payout cannot be negative: {minimum}")
    sums = dict.fromkeys(EarningKind, ZERO)
    for fact in earnings:
        sums[fact.kind] += fact.amount
    balance = opening + sum(sums.values(), ZERO)
    is_paid = balance > 0 and balance >= minimum
    return Figures(
        opening=opening,
        revenue=sums[EarningKind.REVENUE],
        routed_cost=-sums[EarningKind.ROUTED_COST],
        platform_fee=-sums[EarningKind.PLATFORM_FEE],
        refunds=sums[EarningKind.REFUND],
        disputes=sums[EarningKind.DISPUTE],
        reserve=sums[EarningKind.RESERVE],
        adjustments=sums[EarningKind.ADJUSTMENT],
        amount=balance if is_paid else ZERO,
        closing=ZERO if is_paid else balance,
        state=PayoutState.DRAFT if is_paid else PayoutState.CARRIED,
    )


def breakdown(earnings: Iterable[EarningFact]) -> dict[Place, Share]:
    """What each place brought; refunds, disputes, reserves and adjustments aside: those are stated
    one by one, with their reason. What a refund gives back of the platform's fee is the place's.

    The shares add up to revenue, routed cost and platform fee of `figures`.
    """
    shares: dict[Place, Share] = {}
    for fact in earnings:
        if fact.kind in ONE_BY_ONE:
            continue
        share = shares.get(fact.place)
        if share is None:
            share = shares[fact.place] = Share(fact.place)
        if fact.kind is EarningKind.REVENUE:
            share.revenue += fact.amount
        elif fact.kind is EarningKind.ROUTED_COST:
            share.routed_cost += fact.amount
        else:
            share.platform_fee += fact.amount
    return shares
