"""Payout statements as agencies get them, for the tests of what is printed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D  # noqa: N817
from typing import Any

from agencyportal.core.documents import Party
from payouts.documents.statement_snapshot import (
    AdjustmentLine,
    ClientEarnings,
    CollectedByAgency,
    EarningLine,
    PaidInvoice,
    StatementSnapshot,
    StatementTotals,
    WorkspaceEarnings,
)
from tests.billing.invoice_samples import NORTHWIND, PLATFORM

AGENCY = Party(
    name="Northwind Automation B.V.",
    address=("Keizersgracht 220", "1016 DZ Amsterdam"),
    country="NL",
    tax_id="NL861234567B01",
    email="finance@northwind.example",
)


def earning(description: str, source: str, revenue: str, cost: str, fee: str) -> EarningLine:
    parts = D(revenue), D(cost), D(fee)
    return EarningLine(
        description=description,
        source="usage" if source == "usage" else "fee",
        revenue=parts[0],
        routed_cost=parts[1],
        platform_fee=parts[2],
        net=sum(parts, D(0)),
        quantity=D("1442") if source == "usage" else None,
    )


ACME_EARNINGS = ClientEarnings(
    name="Acme Support Services Ltd",
    workspaces=(
        WorkspaceEarnings(
            name="Acme Support",
            lines=(
                earning("Support Starter", "fee", "560.00", "0.00", "-28.00"),
                earning("conversations", "usage", "60.60", "-37.44", "-3.03"),
            ),
        ),
        WorkspaceEarnings(
            name="Acme Documents",
            lines=(
                earning("pages", "usage", "7.70", "-12.09", "-0.39"),
                earning("Document Flow", "fee", "234.60", "0.00", "-11.73"),
            ),
        ),
    ),
)
BIRCH_EARNINGS = ClientEarnings(
    name="Birch & Partners",
    workspaces=(
        WorkspaceEarnings(
            name="Birch Leads",
            lines=(earning("qualified leads", "usage", "410.00", "-96.31", "-20.50"),),
        ),
    ),
)


def statement(**changes: Any) -> StatementSnapshot:
    """1,272.90 collected, 145.84 cost, 63.65 fees, 43.00 taken back, 12.50 brought in: 1,032.91."""
    fields: dict[str, Any] = {
        "number": "PAY-2026-0007",
        "issue_date": date(2026, 3, 3),
        "month": date(2026, 2, 1),
        "timezone": "Europe/Amsterdam",
        "currency": "EUR",
        "state": "paid",
        "paid_on": date(2026, 3, 5),
        "payout_reference": "SEPA 2026-03-05/118",
        "payout_account": "Bank account ending 4821",
        "agency": AGENCY,
        "brand": NORTHWIND,
        "payer": PLATFORM,
        "totals": StatementTotals(
            opening=D("12.50"),
            usage_revenue=D("478.30"),
            fee_revenue=D("794.60"),
            routed_cost=D("-145.84"),
            platform_fees=D("-63.65"),
            refunds=D("-24.00"),
            disputes=D("-25.00"),
            adjustments=D("6.00"),
            paid_out=D("1032.91"),
            closing=D("0.00"),
        ),
        "clients": (ACME_EARNINGS, BIRCH_EARNINGS),
        "adjustments": (
            AdjustmentLine(
                kind="refund",
                description="200 unused conversations of Growth 500 (INV-2026-000042)",
                happened_on=date(2026, 2, 19),
                client="Acme Support Services Ltd",
                amount=D("-24.00"),
            ),
            AdjustmentLine(
                kind="dispute",
                description="Card payment of INV-2025-000391 disputed",
                happened_on=date(2026, 2, 21),
                client="Birch & Partners",
                amount=D("-25.00"),
            ),
            AdjustmentLine(
                kind="adjustment",
                description="Model priced after the fact: 812 calls cheaper than assumed",
                happened_on=date(2026, 2, 26),
                amount=D("6.00"),
            ),
        ),
        "invoices": (
            PaidInvoice(
                number="INV-2026-000042",
                client="Acme Support Services Ltd",
                paid_on=date(2026, 2, 12),
                net=D("862.90"),
            ),
            PaidInvoice(
                number="INV-2026-000043",
                client="Birch & Partners",
                paid_on=date(2026, 2, 17),
                net=D("410.00"),
                partial=True,
            ),
        ),
        "collected_by_agency": (
            CollectedByAgency(
                client="Acme Support Services Ltd",
                workspace="Acme Documents",
                description="Implementation, second instalment",
                amount=D("1250.00"),
                invoice="INV-2026-000042",
            ),
        ),
        "locale": "en",
    }
    return StatementSnapshot(**{**fields, **changes})


def indebted_statement() -> StatementSnapshot:
    """Cost of 96.31 was settled, nobody has paid yet: a debt of 83.81 goes forward."""
    leads = WorkspaceEarnings(
        name="Birch Leads",
        lines=(earning("qualified leads", "usage", "0.00", "-96.31", "0.00"),),
    )
    return statement(
        state="approved",
        paid_on=None,
        payout_reference="",
        clients=(ClientEarnings(name="Birch & Partners", workspaces=(leads,)),),
        adjustments=(),
        invoices=(),
        collected_by_agency=(),
        totals=StatementTotals(
            opening=D("12.50"),
            usage_revenue=D("0.00"),
            fee_revenue=D("0.00"),
            routed_cost=D("-96.31"),
            platform_fees=D("0.00"),
            refunds=D("0.00"),
            disputes=D("0.00"),
            adjustments=D("0.00"),
            paid_out=D("0.00"),
            closing=D("-83.81"),
        ),
    )
