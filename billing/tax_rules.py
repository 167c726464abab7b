"""How what a client buys is taxed: seller, buyer, the rates and the day decide. No words, no rows.

In this order: an exemption that the client has a certificate for; a rate without tax, which the
row itself says; reverse charge between businesses in two EU countries; the rate of the buyer's
country, and within the EU the seller's where there is none; outside the scope of tax.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from billing.tax import TaxCategory
from billing.vatex import REVERSE_CHARGE
from clients.tax_ids import EU, vat_id_of


@dataclass(frozen=True, slots=True)
class TaxParty:
    """Who sells or buys. ``country``: ISO 3166-1, empty where it is not known."""

    country: str
    tax_id: str = ""

    @property
    def vat_id(self) -> str:
        """Its VAT id of its own EU country, if that can be true."""
        return vat_id_of(self.tax_id, self.country)


@dataclass(frozen=True, slots=True)
class DatedRate:
    """A row of the rates: what holds in a country from a day until the next row's. In percent."""

    country: str
    effective_from: dt.date
    category: TaxCategory
    percent: Decimal
    reason: str = ""
    reason_code: str = ""


@dataclass(frozen=True, slots=True)
class DatedExemption:
    """From a day until the next row's: whether the client is exempt, and until when at most."""

    effective_from: dt.date
    until: dt.date | None
    is_exempt: bool
    reason: str = ""
    reason_code: str = ""

    def holds(self, on: dt.date) -> bool:
        return self.is_exempt and (self.until is None or on <= self.until)


@dataclass(frozen=True, slots=True)
class TaxDecision:
    """How it is taxed. An empty ``reason``: the usual wording of the category."""

    category: TaxCategory
    percent: Decimal = Decimal(0)
    reason: str = ""
    reason_code: str = ""


Row = TypeVar("Row", DatedRate, DatedExemption)

OUTSIDE: Final = TaxDecision(TaxCategory.OUTSIDE_SCOPE)
REVERSED: Final = TaxDecision(TaxCategory.REVERSE_CHARGE, reason_code=REVERSE_CHARGE)


def decide(
    *,
    seller: TaxParty,
    buyer: TaxParty,
    rates: Iterable[DatedRate],
    exemptions: Iterable[DatedExemption],
    on: dt.date,
) -> TaxDecision:
    """How what ``buyer`` is invoiced for by ``seller`` on a day is taxed."""
    exemption = _latest(exemptions, on)
    if exemption is not None and exemption.holds(on):
        return TaxDecision(
            TaxCategory.EXEMPT, reason=exemption.reason, reason_code=exemption.reason_code
        )
    rates = list(rates)
    rate = _rate_of(buyer.country, rates, on)
    if rate is None and {seller.country, buyer.country} <= EU:
        rate = _rate_of(seller.country, rates, on)
    is_taxed = rate is None or rate.category is TaxCategory.STANDARD
    if is_taxed and is_reversed(seller, buyer):
        return REVERSED
    if rate is None:
        return OUTSIDE
    return TaxDecision(rate.category, rate.percent, rate.reason, rate.reason_code)


def is_reversed(seller: TaxParty, buyer: TaxParty) -> bool:
    """Whether the buyer owes the tax: both have VAT ids, of two countries of the EU."""
    return seller.country != buyer.country and bool(seller.vat_id) and bool(buyer.vat_id)


def _rate_of(country: str, rates: Iterable[DatedRate], on: dt.date) -> DatedRate | None:
    return _latest((rate for rate in rates if rate.country == country), on)


def _latest(rows: Iterable[Row], on: dt.date) -> Row | None:
    begun = (row for row in rows if row.effective_from <= on)
    return max(begun, key=lambda row: row.effective_from, default=None)
