"""What a payment brings: its split over an invoice's lines, and the platform's fee (ENGINE 12).

Pure. Revenue is net of tax and posts as money comes in: a part payment brings every line its share
of what is still open, and the last one brings exactly what is left. Amounts are in the invoice's
currency and no finer than its digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from agencyportal.core.money import (
    exact_arithmetic,
    minor_digits,
    round_money,
    scaled,
    unscaled,
)

ANY_KIND: Final = ""
"""The line kind of a fee rule that holds for every kind without a rule of its own."""


@dataclass(frozen=True, slots=True)
class FeeRule:
    """``percent`` of paid revenue from a date until the next rule of the same kind; 5 is 5 %."""

    line_kind: str
    percent: Decimal
    effective_from: datetime


def split_payments(
    nets: Sequence[Decimal], total: Decimal, payments: Iterable[Decimal], currency: str
) -> list[list[Decimal]]:
    """The revenue that each payment brings each line, in the order the payments were recorded.

    ``nets``: the lines that make up an invoice, without tax; credits are negative. ``total``: what
    the invoice asks for, tax included. Each payment brings
    ``what is not yet earned x payment / what was outstanding`` of every line, rounded so that the
    payment's revenue is itself rounded once (the units left over go to the largest fractions, the
    earlier line winning a tie). A line never earns more than its net, or the other way round for
    a credit; together the payments of a fully paid invoice bring exactly its lines.

    Raises ValueError for a payment that is not positive, exceeds what is outstanding, or is finer
    than the currency.
    """
    digits = minor_digits(currency)
    left = [scaled(net, digits) for net in nets]
    outstanding = scaled(total, digits)
    brought: list[list[Decimal]] = []
    for payment in payments:
        paid = scaled(payment, digits)
        if not 0 < paid <= outstanding:
            raise ValueError(
                f"a payment of {payment} {currency} does not fit what is outstanding, "
                f"{unscaled(outstanding, digits)} {currency}"
            )
        parts = _share(left, paid, outstanding)
        left = [open_ - part for open_, part in zip(left, parts, strict=True)]
        outstanding -= paid
        brought.append([unscaled(part, digits) for part in parts])
    return brought


def _share(left: Sequence[int], paid: int, outstanding: int) -> list[int]:
    """``paid / outstanding`` of each number, whole, and summing to that part of their sum."""
    floors = [units * paid // outstanding for units in left]
    fractions = [units * paid % outstanding for units in left]
    doubled = 2 * sum(left) * paid
    # Halves away from zero, as everywhere; whole numbers throughout, so nothing is lost.
    rounded = (abs(doubled) + outstanding) // (2 * outstanding)
    target = rounded if doubled >= 0 else -rounded
    by_fraction = sorted(range(len(left)), key=lambda index: (-fractions[index], index))
    for index in by_fraction[: target - sum(floors)]:
        floors[index] += 1
    return floors


def fee_percent(rules: Iterable[FeeRule], line_kind: str, received_at: datetime) -> Decimal:
    """The platform's share of a line of some kind that was paid at an instant; 0 without a rule.

    The rule of the line's own kind wins over one for any kind, however old it is; among rules of
    one kind the latest that had taken effect.
    """
    in_force = [
        rule
        for rule in rules
        if rule.line_kind in (line_kind, ANY_KIND) and rule.effective_from <= received_at
    ]
    if not in_force:
        return Decimal(0)
    return max(in_force, key=lambda rule: (rule.line_kind != ANY_KIND, rule.effective_from)).percent


def platform_fees(brought: Iterable[tuple[Decimal, Decimal]], currency: str) -> Iterator[Decimal]:
    """The platform's share of what each payment brings one line; negative when it is given back.

    ``brought``: revenue and percentage of each payment, in the order they were recorded. The fee
    of all so far is rounded, and a payment takes what that adds: so a line that is paid cent by
    cent costs the agency what it costs when it is paid at once.
    """
    exact = taken = Decimal(0)
    for revenue, percent in brought:
        with exact_arithmetic():
            exact += revenue * percent / 100
        due = round_money(exact, currency)
        yield due - taken
        taken = due
