"""Invoices as clients get them, for the tests of what is printed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D  # noqa: N817
from typing import Any

from agencyportal.core.documents import Brand, Party, Span
from billing.documents.invoice_snapshot import (
    AgencyCollectedLine,
    AppliedPayment,
    InvoiceLine,
    InvoiceSnapshot,
    InvoiceTotals,
    PaymentDetail,
    PaymentInstructions,
    TaxLine,
    UsageSummary,
    WorkspaceSection,
)

JANUARY = Span(first=date(2026, 1, 1), last=date(2026, 1, 31))
FEBRUARY = Span(first=date(2026, 2, 1), last=date(2026, 2, 28))
DAILY = tuple(
    D(n)
    for n in (
        *(18, 44, 12, 9, 51, 58, 49, 62, 55, 14, 11, 60, 64, 71, 66, 59),
        *(16, 13, 68, 72, 75, 70, 61, 17, 12, 63, 59, 66, 58, 54, 35),
    )
)
PAGES = tuple(D(n) for n in (0, 0, 0, 0, 120, 80, 0, 40, 0, 0, 0, 260, 0, 30, 0, 90) + (0,) * 15)

PLATFORM = Party(
    name="Relay Platform GmbH",
    address=("Torstraße 140", "10119 Berlin"),
    country="DE",
    tax_id="DE345678901",
    registration="HRB 214455 B, Amtsgericht Charlottenburg",
    email="billing@relay.example",
)
NORTHWIND = Brand(
    name="Northwind Automation",
    colour="#0f766e",
    email="hello@northwind.example",
    website="northwind.example",
)
ACME = Party(
    name="Acme Support Services Ltd",
    address=("Accounts Payable", "12 Harbour Street", "Dublin D02 XY45"),
    country="IE",
    tax_id="IE6388047V",
    email="ap@acme.example",
)
BANK = PaymentInstructions(
    terms="Payable within 14 days of issue, without deduction.",
    details=(
        PaymentDetail(label="Account holder", value="Relay Platform GmbH"),
        PaymentDetail(label="IBAN", value="DE02 1203 0000 0000 2020 51"),
        PaymentDetail(label="BIC", value="BYLADEM1001"),
    ),
    pay_url="https://portal.relay.example/invoices/INV-2026-000042",
)


def support_section(category: str = "S", rate: str = "19") -> WorkspaceSection:
    tax: dict[str, Any] = {"tax_category": category, "tax_rate": D(rate)}
    return WorkspaceSection(
        name="Acme Support",
        slug="acme-support",
        package="Support Starter, version 2",
        period=JANUARY,
        net=D("620.60"),
        lines=(
            InvoiceLine(
                kind="overage",
                description="Conversations beyond the allowance and top-ups",
                quantity=D("3"),
                unit="conversations",
                unit_price=D("0.2000"),
                net=D("0.60"),
                margin_rule="Northwind standard, 30%",
                **tax,
            ),
            InvoiceLine(
                kind="base",
                description="Support Starter",
                period=FEBRUARY,
                net=D("499.00"),
                **tax,
            ),
            InvoiceLine(
                kind="support",
                description="Monitoring and monthly review",
                period=FEBRUARY,
                net=D("61.00"),
                **tax,
            ),
            InvoiceLine(
                kind="top_up",
                description="Growth 500, bought on Jan 20 by Maeve Byrne",
                quantity=D("500"),
                unit="conversations",
                unit_price=D("0.12"),
                net=D("60.00"),
                **tax,
            ),
        ),
        usage=(
            UsageSummary(
                unit="conversations",
                period=JANUARY,
                allowance=D("1000"),
                used=D("1442"),
                included=D("1000"),
                top_up=D("439"),
                overage=D("3"),
                expired=D("61"),
                resets_on=date(2026, 2, 1),
                daily=DAILY,
            ),
        ),
    )


def documents_section(category: str = "S", rate: str = "19") -> WorkspaceSection:
    tax: dict[str, Any] = {"tax_category": category, "tax_rate": D(rate)}
    return WorkspaceSection(
        name="Acme Documents",
        slug="acme-docs",
        package="Document Flow",
        period=JANUARY,
        net=D("242.30"),
        lines=(
            InvoiceLine(
                kind="base", description="Document Flow", period=FEBRUARY, net=D("250.00"), **tax
            ),
            InvoiceLine(
                kind="late_usage",
                description="Pages of December that arrived late",
                quantity=D("77"),
                unit="pages",
                unit_price=D("0.10"),
                net=D("7.70"),
                details=("Settles Dec 1 – 31, 2025",),
                **tax,
            ),
            InvoiceLine(
                kind="discount", description="Goodwill credit for Jan 12", net=D("-15.40"), **tax
            ),
        ),
        usage=(
            UsageSummary(
                unit="pages",
                period=JANUARY,
                allowance=D("1000"),
                used=D("620"),
                included=D("620"),
                rolled_over=D("200"),
                expired=D("180"),
                resets_on=date(2026, 2, 1),
                daily=PAGES,
            ),
        ),
    )


def invoice(**changes: Any) -> InvoiceSnapshot:
    """Two workspaces, 19% VAT on 862.90, 100.00 paid before: 926.85 due."""
    fields: dict[str, Any] = {
        "number": "INV-2026-000042",
        "issue_date": date(2026, 2, 2),
        "due_date": date(2026, 2, 16),
        "currency": "EUR",
        "seller": PLATFORM,
        "agency": NORTHWIND,
        "buyer": ACME,
        "tax_name": "VAT",
        "buyer_reference": "PO 7731",
        "service_periods": (JANUARY,),
        "sections": (support_section(), documents_section()),
        "taxes": (TaxLine(category="S", rate=D("19"), base=D("862.90"), tax=D("163.95")),),
        "payments": (
            AppliedPayment(
                description="Paid from balance", amount=D("100.00"), paid_on=date(2026, 1, 20)
            ),
        ),
        "totals": InvoiceTotals(
            net=D("862.90"),
            tax=D("163.95"),
            gross=D("1026.85"),
            paid=D("100.00"),
            due=D("926.85"),
        ),
        "collected_by_agency": (
            AgencyCollectedLine(
                description="Implementation, second instalment",
                workspace="Acme Documents",
                net=D("1250.00"),
            ),
        ),
        "payment": BANK,
        "notes": ("Conversations are counted once per customer and day.",),
        "locale": "en-IE",
    }
    return InvoiceSnapshot(**{**fields, **changes})


def long_invoice(lines: int = 200) -> InvoiceSnapshot:
    """One workspace with `lines` lines of 1.25."""
    net = D("1.25") * lines
    tax = (net * D("0.19")).quantize(D("0.01"))
    section = WorkspaceSection(
        name="Acme Support",
        net=net,
        period=JANUARY,
        lines=tuple(
            InvoiceLine(
                kind="overage",
                description=f"Workflow {n:03}: classification and routing of inbound requests",
                quantity=D(n),
                unit="requests",
                net=D("1.25"),
                tax_rate=D("19"),
            )
            for n in range(1, lines + 1)
        ),
    )
    return invoice(
        sections=(section,),
        taxes=(TaxLine(category="S", rate=D("19"), base=net, tax=tax),),
        payments=(),
        collected_by_agency=(),
        totals=InvoiceTotals(net=net, tax=tax, gross=net + tax, paid=D("0"), due=net + tax),
    )


def reverse_charge_invoice(**changes: Any) -> InvoiceSnapshot:
    net = D("862.90")
    reason = "Reverse charge: VAT is owed by the recipient (Article 196 of Directive 2006/112/EC)."
    fields: dict[str, Any] = {
        "sections": (support_section("AE", "0"), documents_section("AE", "0")),
        "taxes": (
            TaxLine(
                category="AE",
                rate=D("0"),
                base=net,
                tax=D("0.00"),
                reason=reason,
                reason_code="VATEX-EU-AE",
            ),
        ),
        "payments": (),
        "totals": InvoiceTotals(net=net, tax=D("0.00"), gross=net, paid=D("0"), due=net),
    }
    return invoice(**{**fields, **changes})


def empty_invoice() -> InvoiceSnapshot:
    """A period without any charge."""
    zero = D("0.00")
    return invoice(
        sections=(WorkspaceSection(name="Acme Support", period=JANUARY, net=zero),),
        taxes=(),
        payments=(),
        collected_by_agency=(),
        totals=InvoiceTotals(net=zero, tax=zero, gross=zero, paid=zero, due=zero),
    )


def yen_invoice() -> InvoiceSnapshot:
    section = WorkspaceSection(
        name="Tokyo Reception",
        net=D("128460"),
        period=JANUARY,
        lines=(
            InvoiceLine(
                kind="base", description="Reception bot", net=D("120000"), tax_category="Z"
            ),
            InvoiceLine(
                kind="overage",
                description="Conversations",
                quantity=D("705"),
                unit="conversations",
                unit_price=D("12"),
                net=D("8460"),
                tax_rate=D("10"),
            ),
        ),
    )
    return invoice(
        currency="JPY",
        locale="en",
        tax_name="",
        sections=(section,),
        taxes=(
            TaxLine(category="Z", rate=D("0"), base=D("120000"), tax=D("0")),
            TaxLine(category="S", rate=D("10"), base=D("8460"), tax=D("846")),
        ),
        payments=(),
        collected_by_agency=(),
        totals=InvoiceTotals(
            net=D("128460"), tax=D("846"), gross=D("129306"), paid=D("0"), due=D("129306")
        ),
    )
