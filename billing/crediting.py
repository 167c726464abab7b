"""What a credit note takes back of an invoice, in figures (EN 16931). Pure.

Each line is taken back by a net amount or by a quantity, never beyond what is left of it. Tax goes
as on the invoice's line: of each category and rate, the tax on all that was credited so far is
rounded, and a credit note takes what that adds. So the first one is rounded like any document, and
all of them together take back exactly the invoice's tax, never a cent more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from agencyportal.core.money import exact_arithmetic, format_money, plain, round_money
from billing.tax import tax_on

ZERO: Final = Decimal(0)


class Group(NamedTuple):
    """A category and rate of tax."""

    category: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class LineLeft:
    """A line of the invoice and what credit notes took back of it so far; credits and discounts
    have negative amounts."""

    id: int
    description: str
    group: Group
    net: Decimal
    quantity: Decimal
    credited: Decimal = ZERO
    credited_quantity: Decimal = ZERO

    @property
    def left(self) -> Decimal:
        return self.net - self.credited


@dataclass(frozen=True, slots=True)
class GroupLeft:
    """The invoice's tax of one category and rate, and what was taken back of it so far."""

    base: Decimal
    tax: Decimal
    credited_base: Decimal = ZERO
    credited_tax: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Part:
    """What is to be taken back of one line: a net ``amount`` with the line's own sign, or a
    ``quantity``; with neither, all that is left."""

    line_id: int
    amount: Decimal | None = None
    quantity: Decimal | None = None


class CreditedLine(NamedTuple):
    line_id: int
    net: Decimal
    quantity: Decimal | None


class CreditedTax(NamedTuple):
    group: Group
    base: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Credit:
    """What a credit note says in figures; the lines in the invoice's order."""

    lines: tuple[CreditedLine, ...]
    taxes: tuple[CreditedTax, ...]
    net: Decimal
    tax: Decimal

    @property
    def total(self) -> Decimal:
        return self.net + self.tax


class CreditError(ValueError):
    """It cannot be taken back; the message says why, for people."""


def credit(
    parts: Sequence[Part],
    lines: Sequence[LineLeft],
    groups: Mapping[Group, GroupLeft],
    currency: str,
) -> Credit:
    """The credit note that takes back ``parts`` of an invoice.

    Raises CreditError for a line that is none or named twice, an amount beyond what is left of the
    line, more of a tax group than is left of it (a discount has to be taken back with what it was
    on), and a credit note over nothing.
    """
    known = {line.id: line for line in lines}
    wanted = {part.line_id: part for part in parts}
    if len(wanted) != len(parts) or wanted.keys() - known.keys():
        raise CreditError("Each line of the invoice can be named once, and no other line.")
    made = [
        CreditedLine(line.id, *_of_line(wanted[line.id], line, currency))
        for line in lines
        if line.id in wanted
    ]
    credited = tuple(line for line in made if line.net)
    bases: dict[Group, Decimal] = {}
    for line in credited:
        group = known[line.line_id].group
        bases[group] = bases.get(group, ZERO) + line.net
    taxes = tuple(
        CreditedTax(group, base, _tax_of(group, base, groups[group], currency))
        for group, base in sorted(bases.items())
    )
    net = sum((line.net for line in credited), ZERO)
    done = Credit(credited, taxes, net, sum((tax.tax for tax in taxes), ZERO))
    if done.total <= 0:
        raise CreditError("A credit note takes back more than nothing: choose an amount.")
    return done


def _of_line(part: Part, line: LineLeft, currency: str) -> tuple[Decimal, Decimal | None]:
    """The net amount that is taken back of a line, and the quantity where it goes by that."""
    if part.quantity is not None:
        return _by_quantity(part.quantity, line, currency), part.quantity
    net = line.left if part.amount is None else part.amount
    if net != round_money(net, currency):
        raise CreditError(f"{net} has more digits than {currency} has.")
    if not _within(net, line.left):
        raise CreditError(
            f"Of “{line.description}” {format_money(line.left, currency)} can be taken back, "
            f"not {format_money(net, currency)}."
        )
    return net, None


def _by_quantity(quantity: Decimal, line: LineLeft, currency: str) -> Decimal:
    """Its share of the line; the last of the quantity takes all that is left of the amount."""
    left = line.quantity - line.credited_quantity
    if not 0 < quantity <= left:
        raise CreditError(
            f"Of “{line.description}” a quantity of {plain(left)} can be taken back, "
            f"not {plain(quantity)}."
        )
    if quantity == left:
        return line.left
    with exact_arithmetic():
        share = round_money(line.net * quantity / line.quantity, currency)
    return share if _within(share, line.left) else line.left


def _tax_of(group: Group, base: Decimal, left: GroupLeft, currency: str) -> Decimal:
    after = left.credited_base + base
    if not _within(after, left.base):
        open_ = format_money(left.base - left.credited_base, currency)
        raise CreditError(
            f"Of what is taxed at {plain(group.rate)} % ({group.category}) only {open_} net can be "
            "taken back. Where a discount or credit is on the invoice, take it back with the rest."
        )
    if after == left.base:
        return left.tax - left.credited_tax
    return tax_on(after, group.rate, currency) - left.credited_tax


def _within(part: Decimal, whole: Decimal) -> bool:
    return 0 <= part <= whole or whole <= part <= 0
