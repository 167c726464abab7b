"""What is unusual about a payout, by named rules. Pure.

Nothing here stops a payout: whoever approves it reads what is found and decides. What does stop one
is in `selectors.review`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

JUMP: Final = Decimal(50)
"""Revenue that changed by more than so many percent against the payout before is named."""

MUCH_REFUNDED: Final = Decimal(20)
"""Refunds and disputes of more than so many percent of the revenue are named."""

MUCH_ADJUSTED: Final = Decimal(10)
"""Adjustments of more than so many percent of the revenue are named."""

FEE_MOVED: Final = Decimal(1)
"""A share of the platform that moved by more than so many points of percent is named."""

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Month:
    """The figures of a payout that the rules look at; signs as in `statement.Figures`."""

    revenue: Decimal
    routed_cost: Decimal
    platform_fee: Decimal
    refunds: Decimal
    disputes: Decimal
    adjustments: Decimal

    @property
    def fee_percent(self) -> Decimal | None:
        """What the platform keeps of the revenue, in percent; None without any."""
        return None if self.revenue <= 0 else self.platform_fee * 100 / self.revenue


@dataclass(frozen=True, slots=True)
class Anomaly:
    """``name``: the rule's, for programs and tests. ``words``: what it found."""

    name: str
    words: str


def change_percent(now: Decimal, before: Decimal) -> Decimal | None:
    """By how many percent of ``before`` something changed; None where there was nothing."""
    return None if not before else (now - before) * 100 / abs(before)


def anomalies(month: Month, before: Month | None) -> list[Anomaly]:
    """What the rules find in a month, against the agency's payout before it in that currency."""
    return [*_in_itself(month), *_against(month, before)]


def _in_itself(month: Month) -> Iterator[Anomaly]:
    if month.routed_cost > month.revenue:
        yield Anomaly("cost_above_revenue", "The routed cost is more than the revenue.")
    gone = -(month.refunds + month.disputes)
    if gone > month.revenue * MUCH_REFUNDED / 100 and gone > 0:
        yield Anomaly(
            "much_refunded",
            f"Refunds and disputes are more than {MUCH_REFUNDED} % of the revenue.",
        )
    if month.disputes < 0:
        yield Anomaly("disputed", "Revenue is held back for disputes.")
    if abs(month.adjustments) > month.revenue * MUCH_ADJUSTED / 100 and month.adjustments:
        yield Anomaly(
            "much_adjusted", f"Adjustments are more than {MUCH_ADJUSTED} % of the revenue."
        )


def _against(month: Month, before: Month | None) -> Iterator[Anomaly]:
    if before is None:
        yield Anomaly("first_payout", "It is the agency's first payout in this currency.")
        return
    change = change_percent(month.revenue, before.revenue)
    if change is None and month.revenue:
        yield Anomaly("revenue_from_nothing", "There was no revenue in the payout before.")
    elif change is not None and abs(change) > JUMP:
        way = "rose" if change > 0 else "fell"
        yield Anomaly("revenue_jump", f"The revenue {way} by {abs(change):.0f} %.")
    now, then = month.fee_percent, before.fee_percent
    if now is not None and then is not None and abs(now - then) > FEE_MOVED:
        yield Anomaly(
            "fee_share", f"The platform keeps {now:.1f} % of the revenue; it was {then:.1f} %."
        )
