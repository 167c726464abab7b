"""E-invoices: valid by the schema and the schematron of EN 16931, whatever is invoiced."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal as D  # noqa: N817
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from msgspec.structs import replace

from agencyportal.core.documents import Party
from billing.documents.invoice_snapshot import (
    InvoiceLine,
    InvoiceSnapshot,
    InvoiceTotals,
    PaymentInstructions,
    Reference,
    TaxCategory,
    TaxLine,
    WorkspaceSection,
)
from billing.e_invoice import EInvoiceError, e_invoice_xml, gaps
from billing.e_invoice.gaps import NOT_COUNTRIES
from tests.billing.invoice_samples import (
    JANUARY,
    documents_section,
    empty_invoice,
    invoice,
    long_invoice,
    reverse_charge_invoice,
    yen_invoice,
)
from tests.billing.norm import complaints, country_codes

ZERO = D("0.00")
NO_VAT = Party(
    name="Relay Inc.",
    address=("1 Main St", "San Francisco, CA 94104"),
    country="US",
    email="billing@relay.example",
)
US_CLIENT = Party(name="Acme Inc.", country="US")


@dataclass(frozen=True)
class Taxed:
    net: str
    category: TaxCategory = "S"
    rate: str = "19"
    tax: str = "0"
    reason: str = ""
    code: str = ""


def taxed(*parts: Taxed, **changes: Any) -> InvoiceSnapshot:
    """One line for each way of being taxed."""
    lines = tuple(
        InvoiceLine(
            kind="base",
            description=f"Package {part.category}",
            net=D(part.net),
            tax_category=part.category,
            tax_rate=D(part.rate),
        )
        for part in parts
    )
    taxes = tuple(
        TaxLine(
            category=part.category,
            rate=D(part.rate),
            base=D(part.net),
            tax=D(part.tax),
            reason=part.reason,
            reason_code=part.code,
        )
        for part in parts
    )
    net, tax = sum((line.net for line in lines), D(0)), sum((each.tax for each in taxes), D(0))
    totals = InvoiceTotals(net=net, tax=tax, gross=net + tax, paid=D(0), due=net + tax)
    fields: dict[str, Any] = {
        "sections": (WorkspaceSection(name="Acme", net=net, lines=lines),),
        "taxes": taxes,
        "payments": (),
        "collected_by_agency": (),
        "totals": totals,
    }
    return invoice(**{**fields, **changes})


def without_tax(**changes: Any) -> InvoiceSnapshot:
    """What an American agency's client gets: no VAT id on either side."""
    outside = Taxed("499.00", "O", "0", reason="Not subject to tax.")
    return taxed(outside, **{"seller": NO_VAT, "buyer": US_CLIENT, "currency": "USD", **changes})


def negative_lines() -> InvoiceSnapshot:
    """A credit, and a discount on it that is taken back, beside a fee."""
    tax: dict[str, Any] = {"tax_category": "S", "tax_rate": D("19")}
    lines = (
        InvoiceLine(kind="base", description="Package", net=D("499.00"), **tax),
        InvoiceLine(kind="credit", description="10 days less", net=D("-160.97"), **tax),
        InvoiceLine(
            kind="late_usage",
            description="Corrected",
            quantity=D(300),
            unit="pages",
            unit_price=D("0.1"),
            net=D("-30.00"),
            **tax,
        ),
        InvoiceLine(kind="discount", description="Taken back", net=D("15.00"), **tax),
        InvoiceLine(
            kind="overage", description="Tiers", quantity=D("442.5"), net=D("88.40"), **tax
        ),
    )
    net = D("411.43")
    totals = InvoiceTotals(net=net, tax=D("78.17"), gross=D("489.60"), paid=D(0), due=D("489.60"))
    return invoice(
        sections=(WorkspaceSection(name="", net=net, lines=lines),),
        taxes=(TaxLine(category="S", rate=D("19"), base=net, tax=D("78.17")),),
        payments=(),
        totals=totals,
    )


def credit_note(**changes: Any) -> InvoiceSnapshot:
    fields: dict[str, Any] = {
        "kind": "credit_note",
        "number": "CN-2026-000003",
        "corrects": Reference(number="INV-2026-000042", issue_date=date(2026, 2, 2)),
        "due_date": None,
        "payment": PaymentInstructions(),
    }
    return taxed(Taxed("100.00", tax="19.00"), **{**fields, **changes})


def over_nothing() -> InvoiceSnapshot:
    """Charges that a discount takes off whole."""
    tax: dict[str, Any] = {"tax_category": "S", "tax_rate": D("19")}
    lines = (
        InvoiceLine(kind="base", description="Package", net=D("499.00"), **tax),
        InvoiceLine(kind="discount", description="First month", net=D("-499.00"), **tax),
    )
    return invoice(
        sections=(WorkspaceSection(name="Acme", net=ZERO, lines=lines),),
        taxes=(TaxLine(category="S", rate=D("19"), base=ZERO, tax=ZERO),),
        payments=(),
        due_date=None,
        payment=PaymentInstructions(),
        totals=InvoiceTotals(net=ZERO, tax=ZERO, gross=ZERO, paid=ZERO, due=ZERO),
    )


def only_a_discount() -> InvoiceSnapshot:
    discount = InvoiceLine(
        kind="discount", description="Discount", net=D("-10.00"), tax_rate=D("19")
    )
    net, tax, gross = D("-10.00"), D("-1.90"), D("-11.90")
    return invoice(
        sections=(WorkspaceSection(name="Acme", net=net, lines=(discount,)),),
        taxes=(TaxLine(category="S", rate=D("19"), base=net, tax=tax),),
        payments=(),
        totals=InvoiceTotals(net=net, tax=tax, gross=gross, paid=ZERO, due=gross),
    )


def hostile() -> InvoiceSnapshot:
    words = "]]> <b>&amp;\x00\x0b\ud800 \u202e اختبار 测试 'x' \"y\""
    sections = tuple(replace(section, name=words) for section in invoice().sections)
    party = replace(invoice().buyer, name=words, email="", address=(words,) * 5)
    return invoice(sections=sections, buyer=party, notes=(words, "\x01"), buyer_reference=words)


SAMPLES = {
    "standard rate, discount, paid in part": invoice,
    "reverse charge": reverse_charge_invoice,
    "several rates": lambda: taxed(
        Taxed("100.00", tax="19.00"), Taxed("50.05", rate="7", tax="3.50")
    ),
    "exempt": lambda: taxed(Taxed("80.00", "E", "0", reason="Exempt under § 4 UStG.")),
    "exempt, with its code": lambda: taxed(
        Taxed("80.00", "E", "0", reason="A hospital.", code="VATEX-EU-132-1B")
    ),
    "zero rated": lambda: taxed(Taxed("80.00", "Z", "0")),
    "outside the scope": lambda: taxed(Taxed("80.00", "O", "0", reason="Not subject to tax.")),
    "within the union": lambda: taxed(Taxed("80.00", "K", "0", reason="Intra-community supply.")),
    "export": lambda: taxed(Taxed("80.00", "G", "0", reason="Export.")),
    "nobody has a VAT id": without_tax,
    "sales tax without a VAT id": lambda: taxed(
        Taxed("100.00", rate="8.875", tax="8.88"),
        seller=replace(NO_VAT, tax_id="94-3321"),
        buyer=US_CLIENT,
        currency="USD",
    ),
    "paid in full": lambda: taxed(
        Taxed("100.00", tax="19.00"),
        payments=(replace(invoice().payments[0], amount=D("119.00")),),
        totals=InvoiceTotals(
            net=D("100.00"), tax=D("19.00"), gross=D("119.00"), paid=D("119.00"), due=ZERO
        ),
    ),
    "yen": yen_invoice,
    "yen, tax rounded to whole ones": lambda: taxed(
        Taxed("1005", rate="10", tax="101"), currency="JPY"
    ),
    "dinars that need no third place": lambda: taxed(
        Taxed("10.500", rate="5", tax="0.530"), currency="KWD"
    ),
    "negative lines": negative_lines,
    "a credit note": credit_note,
    "a credit note without tax": lambda: replace(
        without_tax(),
        kind="credit_note",
        due_date=None,
        payment=PaymentInstructions(),
        corrects=Reference(number="INV-2026-000042", issue_date=date(2026, 2, 2)),
    ),
    "over nothing": over_nothing,
    "nothing charged": empty_invoice,
    "nothing but a discount": only_a_discount,
    "hostile words": hostile,
    "a town in its own field": lambda: invoice(
        buyer=replace(
            invoice().buyer, street=("12 Harbour Street",), postal_code="D02 XY45", city="Dublin"
        )
    ),
}


@pytest.mark.parametrize("sample", list(SAMPLES))
def test_it_is_valid(sample: str) -> None:
    assert complaints(e_invoice_xml(SAMPLES[sample]())) == []


def test_a_long_one_is_valid_and_the_same_every_time() -> None:
    xml = e_invoice_xml(long_invoice(300))
    assert complaints(xml) == []
    assert e_invoice_xml(long_invoice(300)) == xml


def test_the_norm_is_really_asked() -> None:
    """A wrong sum, a wrong code and a wrong order are each found out."""
    xml = e_invoice_xml(invoice())
    assert "BR-CO-15" in " ".join(complaints(xml.replace(b">1026.85<", b">1026.86<")))
    assert "CountryID" in " ".join(complaints(xml.replace(b">IE</ram:C", b">ZZ</ram:C")))
    assert complaints(xml.replace(b"ram:LineID", b"ram:Position")) != []


# --- What it says ------------------------------------------------------------------------------


def message(snapshot: InvoiceSnapshot) -> Element:
    return fromstring(e_invoice_xml(snapshot))  # noqa: S314 - our own


def said(element: Element, *path: str) -> list[str]:
    """The texts at a path of names, whatever their namespaces."""
    wanted = "/".join(f"{{*}}{name}" for name in path)
    return [found.text or "" for found in element.iterfind(f".//{wanted}")]


SUMS = "SpecifiedTradeSettlementHeaderMonetarySummation"


def test_discounts_are_allowances_and_payments_come_after_tax() -> None:
    """878.30 of lines less 15.40 is 862.90; with 163.95 of tax 1,026.85, of which 100 are paid."""
    xml = message(invoice())
    names = (
        "LineTotalAmount",
        "AllowanceTotalAmount",
        "TaxBasisTotalAmount",
        "TaxTotalAmount",
        "GrandTotalAmount",
        "TotalPrepaidAmount",
        "DuePayableAmount",
    )
    assert [said(xml, SUMS, name) for name in names] == [
        ["878.30"],
        ["15.40"],
        ["862.90"],
        ["163.95"],
        ["1026.85"],
        ["100.00"],
        ["926.85"],
    ]
    reasons = said(xml, "SpecifiedTradeAllowanceCharge", "Reason")
    assert reasons == ["Goodwill credit for Jan 12 (Acme Documents)"]


def test_what_the_agency_collects_itself_is_not_in_it() -> None:
    assert b"second instalment" not in e_invoice_xml(invoice())


def test_prices_are_never_negative_and_make_the_net_exactly() -> None:
    """300 pages at 0.10 taken off are -300 at 0.10; tiers are a price for the whole quantity."""
    xml = message(negative_lines())
    price = ("NetPriceProductTradePrice", "ChargeAmount")
    assert said(xml, *price) == ["499", "160.97", "0.1", "15", "88.4"]
    assert said(xml, "BilledQuantity") == ["1", "-1", "-300", "1", "442.5"]
    assert said(xml, "NetPriceProductTradePrice", "BasisQuantity") == ["442.5"]
    nets = said(xml, "SpecifiedTradeSettlementLineMonetarySummation", "LineTotalAmount")
    assert nets == ["499.00", "-160.97", "-30.00", "15.00", "88.40"]


def test_a_credit_note_names_what_it_corrects() -> None:
    xml = message(credit_note())
    assert said(xml, "ExchangedDocument", "TypeCode") == ["381"]
    assert said(xml, "InvoiceReferencedDocument", "IssuerAssignedID") == ["INV-2026-000042"]
    assert said(xml, "SpecifiedTradePaymentTerms", "Description") == ["Nothing is to be paid."]


def test_the_bank_account_is_read_from_what_is_printed() -> None:
    assert said(message(invoice()), "IBANID") == ["DE02120300000000202051"]
    assert said(message(credit_note()), "IBANID") == []


def test_vat_ids_are_named_with_their_letters_and_other_numbers_elsewhere() -> None:
    assert said(message(invoice()), "SpecifiedTaxRegistration", "ID") == [
        "DE345678901",
        "IE6388047V",
    ]
    greek = replace(invoice().buyer, country="GR", tax_id="EL 123 456 789")
    assert "EL123456789" in said(message(invoice(buyer=greek)), "SpecifiedTaxRegistration", "ID")
    american = replace(invoice().buyer, country="US", tax_id="12-3456789")
    xml = message(invoice(buyer=american))
    assert "12-3456789" in said(xml, "BuyerTradeParty", "SpecifiedLegalOrganization", "ID")


def test_outside_the_scope_of_tax_nobodys_vat_id_is_named() -> None:
    """BR-O-02 and the rules after it forbid it."""
    outside = taxed(Taxed("80.00", "O", "0", reason="Not subject to tax."))
    assert said(message(outside), "SpecifiedTaxRegistration", "ID") == []


# --- What it lacks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (invoice(number=""), "It is a draft."),
        (invoice(buyer=Party(name="Acme")), "The client has no country in its address."),
        (invoice(seller=Party(name="Relay", country="ZZ", tax_id="1")), "country 'ZZ' is none"),
        (invoice(seller=NO_VAT), "The platform has no tax id"),
        (
            reverse_charge_invoice(buyer=replace(invoice().buyer, tax_id="")),
            "The client has no VAT id, which reverse charge names.",
        ),
        (
            taxed(Taxed("1.005", rate="5", tax="0.050"), currency="KWD"),
            "three decimal places in KWD",
        ),
        (
            invoice(
                taxes=(
                    TaxLine(category="E", rate=D(0), base=D("862.90"), tax=D("163.95"), reason="x"),
                )
            ),
            "Its lines and its tax do not agree",
        ),
        (
            taxed(Taxed("80.00", "E", "0")),
            "It does not say why no tax is charged",
        ),
    ],
)
def test_what_is_missing_is_said_in_words(snapshot: InvoiceSnapshot, words: str) -> None:
    assert words in " ".join(gaps(snapshot))
    with pytest.raises(EInvoiceError, match=re.escape(words)):
        e_invoice_xml(snapshot)


def test_countries_are_those_of_the_norm() -> None:
    from babel.core import Locale

    named: Any = Locale("en").territories
    known = {code for code in named if len(code) == 2} - NOT_COUNTRIES
    assert known <= country_codes()


def test_a_section_without_lines_is_no_line() -> None:
    """A workspace that was used and charged nothing beside one that was charged."""
    idle = WorkspaceSection(name="Idle", net=ZERO, period=JANUARY)
    xml = message(invoice(sections=(*invoice().sections, idle)))
    assert said(xml, "LineID") == ["1", "2", "3", "4", "5", "6"]
    assert documents_section().name in said(xml, "IncludedNote", "Content")
