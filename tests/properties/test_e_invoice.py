"""Whatever is taxed, its e-invoice adds up as EN 16931 counts (BR-CO-10 to 17, BR-S-08 and 09)."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from xml.etree.ElementTree import Element, fromstring

from hypothesis import given
from hypothesis import strategies as st

from agencyportal.core.documents import Brand
from agencyportal.core.money import exact_arithmetic, minor_digits, round_half_up, round_money
from billing.documents.invoice_snapshot import (
    AppliedPayment,
    InvoiceLine,
    InvoiceSnapshot,
    InvoiceTotals,
    TaxLine,
    WorkspaceSection,
)
from billing.e_invoice import e_invoice_xml
from billing.e_invoice.xml import RAM
from billing.tax import TaxableLine, TaxCategory, TaxTreatment, tax_document
from tests.billing.invoice_samples import ACME, PLATFORM

CENTS = st.decimals(min_value=-10_000, max_value=100_000, places=4)
RATES = st.decimals(min_value=Decimal("0.1"), max_value=30, places=2)
QUANTITIES = st.decimals(min_value=0, max_value=10_000, places=3)
EXEMPT = TaxTreatment(TaxCategory.EXEMPT, reason="Exempt.")


@st.composite
def taxed_lines(draw: st.DrawFn) -> list[tuple[TaxableLine, Decimal | None, Decimal | None]]:
    """Lines under a few rates, with or without a quantity and a price of one."""
    rates = draw(st.lists(RATES, min_size=1, max_size=3))
    treatments = [TaxTreatment(TaxCategory.STANDARD, rate) for rate in rates]
    treatments += [TaxTreatment(TaxCategory.ZERO_RATED), EXEMPT]
    lines = []
    for _ in range(draw(st.integers(1, 8))):
        quantity = draw(st.none() | QUANTITIES)
        price = draw(st.none() | CENTS)
        net = draw(CENTS)
        if quantity is not None and price is not None and draw(st.booleans()):
            with exact_arithmetic():
                net = quantity * price
        lines.append((TaxableLine(net, draw(st.sampled_from(treatments))), quantity, price))
    return lines


@st.composite
def documents(draw: st.DrawFn) -> InvoiceSnapshot:
    currency = draw(st.sampled_from(["EUR", "JPY"]))
    drawn = draw(taxed_lines())
    taxed = tax_document((line for line, _, _ in drawn), currency)
    lines = tuple(
        InvoiceLine(
            kind=draw(st.sampled_from(["base", "overage", "discount", "credit"])),
            description="x",
            net=net,
            quantity=quantity,
            unit_price=price,
            tax_category=line.treatment.category.value,
            tax_rate=line.treatment.rate,
        )
        for net, (line, quantity, price) in zip(taxed.line_nets, drawn, strict=True)
    )
    paid = round_money(draw(st.decimals(min_value=0, max_value=100, places=2)), currency)
    return InvoiceSnapshot(
        number="INV-1",
        issue_date=date(2026, 2, 2),
        due_date=date(2026, 2, 16),
        currency=currency,
        seller=PLATFORM,
        agency=Brand(name="Northwind"),
        buyer=ACME,
        sections=(WorkspaceSection(name="Acme", net=taxed.net, lines=lines),),
        taxes=tuple(
            TaxLine(
                category=part.treatment.category.value,
                rate=part.treatment.rate,
                base=part.net,
                tax=part.tax,
                reason=part.treatment.reason,
            )
            for part in taxed.subtotals
        ),
        payments=(AppliedPayment(description="Paid", amount=paid),),
        totals=InvoiceTotals(
            net=taxed.net, tax=taxed.tax, gross=taxed.gross, paid=paid, due=taxed.gross - paid
        ),
    )


@given(documents())
def test_every_sum_is_the_sum_of_what_it_is_of(document: InvoiceSnapshot) -> None:
    message = _read(document)
    lines = _all(message, "IncludedSupplyChainTradeLineItem")
    allowances = _all(message, "SpecifiedTradeAllowanceCharge")
    (sums,) = _all(message, "SpecifiedTradeSettlementHeaderMonetarySummation")
    line_total = sum((_amount(line, "LineTotalAmount") for line in lines), Decimal(0))
    taken_off = sum((_amount(one, "ActualAmount") for one in allowances), Decimal(0))
    taxes = _all(_settlement(message), "ApplicableTradeTax", deep=False)
    assert _amount(sums, "LineTotalAmount") == line_total  # BR-CO-10
    assert _amount(sums, "AllowanceTotalAmount") == taken_off  # BR-CO-11
    basis = _amount(sums, "TaxBasisTotalAmount")
    assert basis == line_total - taken_off  # BR-CO-13
    tax = _amount(sums, "TaxTotalAmount")
    assert tax == sum((_amount(one, "CalculatedAmount") for one in taxes), Decimal(0))  # BR-CO-14
    gross = _amount(sums, "GrandTotalAmount")
    assert gross == basis + tax  # BR-CO-15
    assert _amount(sums, "DuePayableAmount") == gross - _amount(sums, "TotalPrepaidAmount")


@given(documents())
def test_each_category_and_rate_is_taxed_once_on_what_it_holds(document: InvoiceSnapshot) -> None:
    message = _read(document)
    held: dict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for line in _all(message, "IncludedSupplyChainTradeLineItem"):
        held[_category(line)] += _amount(line, "LineTotalAmount")
    for allowance in _all(message, "SpecifiedTradeAllowanceCharge"):
        held[_category(allowance)] -= _amount(allowance, "ActualAmount")
    for tax in _all(_settlement(message), "ApplicableTradeTax", deep=False):
        base = _amount(tax, "BasisAmount")
        assert base == held.pop(_category(tax))  # BR-S-08
        with exact_arithmetic():
            exact = base * _category(tax)[1] / 100
        digits = minor_digits(document.currency)
        assert _amount(tax, "CalculatedAmount") == round_half_up(exact, digits)  # BR-CO-17
    assert not held


@given(documents())
def test_price_times_quantity_is_the_net_of_its_line(document: InvoiceSnapshot) -> None:
    for line in _all(_read(document), "IncludedSupplyChainTradeLineItem"):
        price, quantity = _amount(line, "ChargeAmount"), _amount(line, "BilledQuantity")
        basis = _amount(line, "BasisQuantity") or Decimal(1)
        assert price >= 0  # BR-27
        with exact_arithmetic():
            stated = round_money(quantity * price / basis, document.currency)
        assert stated == _amount(line, "LineTotalAmount")


def _read(document: InvoiceSnapshot) -> Element:
    return fromstring(e_invoice_xml(document))  # noqa: S314 - our own


def _all(element: Element, name: str, *, deep: bool = True) -> list[Element]:
    return list(element.iterfind(f"{'.//' if deep else ''}{{{RAM}}}{name}"))


def _settlement(message: Element) -> Element:
    return _all(message, "ApplicableHeaderTradeSettlement")[0]


def _amount(element: Element, name: str) -> Decimal:
    """Zero where it does not say."""
    return Decimal(element.findtext(f".//{{{RAM}}}{name}") or 0)


def _category(element: Element) -> tuple[str, Decimal]:
    code = element.findtext(f".//{{{RAM}}}CategoryCode") or ""
    return code, _amount(element, "RateApplicablePercent")
