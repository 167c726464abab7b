"""Lines, and the allowances taken off the document as a whole, of a Cross Industry Invoice."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from agencyportal.core.documents import Span
from agencyportal.core.money import exact_arithmetic, round_money
from billing.documents.invoice_snapshot import InvoiceLine, InvoiceSnapshot
from billing.e_invoice.xml import (
    amount,
    child,
    cleaned,
    day,
    first_of,
    indicator,
    number,
    text_child,
)

ONE: Final = Decimal(1)
PIECE: Final = "C62"
"""UN/ECE recommendation 20: "one". What is counted is said beside it, in the client's word."""

DISCOUNT: Final = "95"
"""UNTDID 5189: discount."""


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line and the workspace it is about."""

    line: InvoiceLine
    workspace: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a document charges (lines), and takes off as a whole (allowances)."""

    lines: tuple[PlacedLine, ...]
    allowances: tuple[PlacedLine, ...]

    @property
    def lines_net(self) -> Decimal:
        return sum((placed.line.net for placed in self.lines), Decimal(0))

    @property
    def allowed(self) -> Decimal:
        """What is taken off, positive."""
        return -sum((placed.line.net for placed in self.allowances), Decimal(0))


def content_of(snapshot: InvoiceSnapshot) -> Content:
    """Discounts are allowances of the document; what the agency collects itself is left out.

    A document that charges nothing else has one line over nothing, since the norm wants a line
    (BR-16); one of discounts alone has them as lines.
    """
    placed = [
        PlacedLine(line, section.name) for section in snapshot.sections for line in section.lines
    ]
    allowances = tuple(one for one in placed if one.line.kind == "discount" and one.line.net < 0)
    lines = tuple(one for one in placed if one not in allowances)
    if not lines and allowances:
        return Content(lines=allowances, allowances=())
    return Content(lines=lines or (_nothing(snapshot),), allowances=allowances)


def add_line(parent: Element, position: int, placed: PlacedLine, currency: str) -> None:
    line = placed.line
    item = child(parent, "IncludedSupplyChainTradeLineItem")
    document = child(item, "AssociatedDocumentLineDocument")
    child(document, "LineID", str(position))
    if cleaned(placed.workspace):
        child(child(document, "IncludedNote"), "Content", placed.workspace)
    _add_product(item, line)
    price, basis, quantity = _priced(line, currency)
    net_price = child(child(item, "SpecifiedLineTradeAgreement"), "NetPriceProductTradePrice")
    number(net_price, "ChargeAmount", price)
    if basis != ONE:
        number(net_price, "BasisQuantity", basis, unitCode=PIECE)
    delivery = child(item, "SpecifiedLineTradeDelivery")
    number(delivery, "BilledQuantity", quantity, unitCode=PIECE)
    settlement = child(item, "SpecifiedLineTradeSettlement")
    add_category(settlement, "ApplicableTradeTax", line)
    if line.period:
        add_period(settlement, line.period)
    sums = child(settlement, "SpecifiedTradeSettlementLineMonetarySummation")
    amount(sums, "LineTotalAmount", line.net)


def add_allowance(parent: Element, placed: PlacedLine) -> None:
    line = placed.line
    allowance = child(parent, "SpecifiedTradeAllowanceCharge")
    indicator(allowance, "ChargeIndicator", value=False)
    amount(allowance, "ActualAmount", -line.net)
    child(allowance, "ReasonCode", DISCOUNT)
    about = f" ({placed.workspace})" if cleaned(placed.workspace) else ""
    child(allowance, "Reason", f"{first_of((line.description, line.kind))}{about}")
    add_category(allowance, "CategoryTradeTax", line)


def add_category(parent: Element, name: str, line: InvoiceLine) -> None:
    tax = child(parent, name)
    child(tax, "TypeCode", "VAT")
    child(tax, "CategoryCode", line.tax_category)
    if line.tax_category != "O":  # BR-O-05: outside the scope there is no rate, not even zero
        number(tax, "RateApplicablePercent", line.tax_rate)


def add_period(parent: Element, span: Span) -> None:
    period = child(parent, "BillingSpecifiedPeriod")
    day(period, "StartDateTime", span.first)
    day(period, "EndDateTime", span.last)


def _add_product(item: Element, line: InvoiceLine) -> None:
    product = child(item, "SpecifiedTradeProduct")
    child(product, "Name", first_of((line.description, line.kind)))
    text_child(product, "Description", "; ".join(filter(None, map(cleaned, line.details))))
    if line.quantity is not None and cleaned(line.unit):
        counted = child(product, "ApplicableProductCharacteristic")
        child(counted, "Description", "Unit")
        child(counted, "Value", line.unit)


def _priced(line: InvoiceLine, currency: str) -> tuple[Decimal, Decimal, Decimal]:
    """Price, for how many, and how many are billed, so that price x billed / many is the net.

    A price is never negative (BR-27), so what is taken off is billed as a negative quantity. Where
    no one price holds (tiers, a cap), the net is the price of the whole quantity: 442 cost 88.40
    for 442.
    """
    sign = -ONE if line.net < 0 else ONE
    many = abs(line.quantity) if line.quantity else ONE
    if line.unit_price is not None and line.quantity:
        with exact_arithmetic():
            stated = round_money(many * abs(line.unit_price), currency)
        if stated == abs(line.net):
            return abs(line.unit_price), ONE, sign * many
    return abs(line.net), many, sign * many


def _nothing(snapshot: InvoiceSnapshot) -> PlacedLine:
    """The line of a document that charges nothing, taxed as the document is."""
    tax = snapshot.taxes[0] if snapshot.taxes else None
    line = InvoiceLine(
        kind="base",
        description="Nothing charged",
        net=Decimal(0),
        tax_category=tax.category if tax else "O",
        tax_rate=tax.rate if tax else Decimal(0),
    )
    return PlacedLine(line, "")
