"""Tax and totals of a document, rounded as EN 16931 asks (ENGINE 11).

Each line's net amount is rounded to the currency's digits; tax is computed once per category and
rate on the sum of those printed amounts; every total is a sum of what is printed. Prices are
exclusive of tax.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from operator import itemgetter
from typing import Final

from agencyportal.core.money import exact_arithmetic, round_money

ZERO: Final = Decimal(0)


class TaxCategory(StrEnum):
    """VAT category codes of EN 16931 (UNCL 5305)."""

    STANDARD = "S"
    ZERO_RATED = "Z"
    EXEMPT = "E"
    REVERSE_CHARGE = "AE"
    OUTSIDE_SCOPE = "O"


WITH_REASON: Final = frozenset(
    {TaxCategory.EXEMPT, TaxCategory.REVERSE_CHARGE, TaxCategory.OUTSIDE_SCOPE}
)
"""Categories that must say why there is no tax (BR-E-10, BR-AE-10, BR-O-10)."""


@dataclass(frozen=True, slots=True)
class TaxTreatment:
    """How a line is taxed. ``rate`` is in percent.

    Raises ValueError where EN 16931 would refuse the document: a standard rate of zero, a rate
    where there is no tax, a reason missing or out of place.
    """

    category: TaxCategory
    rate: Decimal = ZERO
    reason: str = ""
    reason_code: str = ""
    """Of the code list VATEX, where there is one for the reason."""

    def __post_init__(self) -> None:
        if self.category is TaxCategory.STANDARD:
            if self.rate <= 0:
                raise ValueError("category S needs a rate above zero; zero-rated is Z")
        elif self.rate:
            raise ValueError(f"category {self.category} has no rate, not {self.rate}%")
        if self.category in WITH_REASON and not self.reason.strip():
            raise ValueError(f"category {self.category} must say why there is no tax")
        if self.category not in WITH_REASON and (self.reason or self.reason_code):
            raise ValueError(f"category {self.category} takes no reason for exemption")


@dataclass(frozen=True, slots=True)
class TaxableLine:
    """A line's net amount before rounding, negative for credits, and how it is taxed."""

    net: Decimal
    treatment: TaxTreatment


@dataclass(frozen=True, slots=True)
class TaxSubtotal:
    """One row of the tax breakdown: a category and rate, its net amount and the tax on it."""

    treatment: TaxTreatment
    net: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class TaxedDocument:
    """What is printed: the lines' rounded nets in order, the breakdown and the totals."""

    line_nets: tuple[Decimal, ...]
    subtotals: tuple[TaxSubtotal, ...]
    net: Decimal
    tax: Decimal
    gross: Decimal


def tax_document(lines: Iterable[TaxableLine], currency: str) -> TaxedDocument:
    """Round the lines, tax each category and rate once, and add up what is printed.

    Raises ValueError when lines outside the scope of tax are mixed with others, or when one
    category is given several reasons: its row in the breakdown can state only one.
    """
    treatments: dict[tuple[TaxCategory, Decimal], TaxTreatment] = {}
    nets: dict[tuple[TaxCategory, Decimal], Decimal] = {}
    line_nets = []
    for line in lines:
        group = (line.treatment.category, line.treatment.rate)
        first = treatments.setdefault(group, line.treatment)
        if first != line.treatment:
            raise ValueError(
                f"category {first.category} has two reasons: "
                f"{first.reason!r} {first.reason_code} and "
                f"{line.treatment.reason!r} {line.treatment.reason_code}"
            )
        rounded = round_money(line.net, currency)
        line_nets.append(rounded)
        nets[group] = nets.get(group, ZERO) + rounded
    _refuse_mixed_scope(treatments.values())
    subtotals = tuple(
        TaxSubtotal(treatment, nets[group], tax_on(nets[group], treatment.rate, currency))
        for group, treatment in sorted(treatments.items(), key=itemgetter(0))
    )
    net = sum(line_nets, round_money(ZERO, currency))
    tax = sum((subtotal.tax for subtotal in subtotals), round_money(ZERO, currency))
    return TaxedDocument(tuple(line_nets), subtotals, net, tax, net + tax)


def tax_on(net: Decimal, rate: Decimal, currency: str) -> Decimal:
    """The tax on the net amount of one category and rate, rounded half up."""
    with exact_arithmetic():
        return round_money(net * rate / 100, currency)


def _refuse_mixed_scope(treatments: Iterable[TaxTreatment]) -> None:
    """EN 16931 BR-O-11: a document outside the scope of tax has no other category."""
    categories = {treatment.category for treatment in treatments}
    if TaxCategory.OUTSIDE_SCOPE in categories and len(categories) > 1:
        raise ValueError("lines outside the scope of tax (O) cannot share a document with others")
