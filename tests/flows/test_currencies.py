"""One month in currencies of no and of three decimal places, and in German: plan, usage, close,
invoice, PDF, payment, statement.

The package: a fee; 100 conversations, then each at a price; pages at what they cost and 25 %. Of
both there are 130 and 4. A page costs 0.50 USD: a million tokens of a model at that price.
"""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.storage import storages
from pypdf import PdfReader

from billing.models import Charge, Invoice, InvoiceDocument, Mail, TaxRate
from billing.services.closing import close_due_periods
from billing.services.invoicing import draft_due_invoices, issue_due_invoices
from billing.services.payments import record_payment
from billing.services.plans import import_plan
from billing.services.rendering import render_due_documents
from billing.services.subscriptions import activate
from clients.models import Agency, Client, ExchangeRate, Meter, ModelPrice, Platform, UsageUnit
from clients.models import Workspace as WorkspaceRow
from clients.services.recording import SubmittedEvent, TokenUsage, record_events
from payouts.models import Payout, StatementDocument
from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import build_payouts
from payouts.services.rendering import render_due_statements
from payouts.services.terms import add_fee_rule

D = Decimal
ALWAYS = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
JANUARY, FEBRUARY = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (1, 2))
CLOSED, PAID = FEBRUARY + dt.timedelta(days=2), FEBRUARY + dt.timedelta(days=5)


@dataclass(frozen=True)
class Walk:
    country: str
    currency: str
    language: str
    rate: str
    fee: str
    each: str
    tax: str
    charged: tuple[tuple[str, str], ...]
    """Kind and amount of what January's usage and February's fee come to."""
    totals: tuple[str, str, str]
    printed: tuple[str, ...]
    statement: tuple[str, ...]
    earned: str
    """Paid net, less 5 % of it, less the routed cost."""


YEN = Walk(
    country="JP",
    currency="JPY",
    language="en",
    rate="151.237",
    fee="49800",
    each="12.5",
    tax="10",
    # 30 x 12.5; 2 USD are 302.474, with 25 % 378.0925
    charged=(("overage", "375"), ("overage", "378"), ("base", "49800")),
    totals=("50553", "5055", "55608"),
    printed=(
        "Overage: conversations 30 conversations ¥12.5 ¥375",
        "Overage: pages 4 pages ¥378",
        "Net total ¥50,553 Tax 10% ¥5,055 Total ¥55,608 Amount due ¥55,608",
        "Costs in USD were converted at 1 USD = 151.237 JPY.",
    ),
    # Fees of 5 %, each a whole yen: 19, 19 and 2,490; 302.474 of cost
    statement=(
        "Routed usage, collected from clients ¥753",
        "Package fees, collected from clients ¥49,800",
        "Routed cost of that usage −¥302",
        "Costs in USD were converted at 1 USD = 151.237 JPY.",
    ),
    earned="47723",
)

DINARS = Walk(
    country="KW",
    currency="KWD",
    language="en",
    rate="0.3075",
    fee="149.995",
    each="0.0125",
    tax="5",
    # 30 x 0.0125; 2 USD are 0.615, with 25 % 0.76875
    charged=(("overage", "0.375"), ("overage", "0.769"), ("base", "149.995")),
    totals=("151.139", "7.557", "158.696"),
    printed=(
        "Overage: conversations 30 conversations KWD 0.0125 KWD 0.375",
        "Overage: pages 4 pages KWD 0.769",
        "Net total KWD 151.139 Tax 5% KWD 7.557 Total KWD 158.696 Amount due KWD 158.696",
        "Costs in USD were converted at 1 USD = 0.3075 KWD.",
    ),
    statement=(
        "Routed usage, collected from clients KWD 1.144",
        "Package fees, collected from clients KWD 149.995",
        "Routed cost of that usage −KWD 0.615",
        "Costs in USD were converted at 1 USD = 0.3075 KWD.",
    ),
    earned="142.967",
)

EUROS = Walk(
    country="DE",
    currency="EUR",
    language="de",
    rate="0.92",
    fee="499",
    each="0.2",
    tax="19",
    # 30 x 0.20; 2 USD are 1.84, with 25 % 2.30. Fees of 24.95, 0.30 and 0.12
    charged=(("overage", "6"), ("overage", "2.3"), ("base", "499")),
    totals=("507.30", "96.39", "603.69"),
    printed=(
        "Rechnung INV-2026-",
        "Fällig am 17. Februar 2026",
        "Leistungszeitraum 1.–31. Jan. 2026",
        "Mehrnutzung Mehrnutzung: conversations 30 conversations 0,20 € 6,00 €",
        "Mehrnutzung: pages 4 pages 2,30 €",
        "Summe netto 507,30 € Steuer 19 % 96,39 € Gesamtbetrag 603,69 € Zahlbetrag 603,69 €",
        "Zahlbar innerhalb von 14 Tagen nach Rechnungsdatum, ohne Abzug.",
        "Kosten in USD wurden umgerechnet: 1 USD = 0,92 EUR.",
        "Seite 1 von 1",
    ),
    statement=(
        "Auszahlungsabrechnung",
        "KI-Nutzung, von Kunden bezahlt 8,30 €",
        "Paketgebühren, von Kunden bezahlt 499,00 €",
        "KI-Kosten dieser Nutzung −1,84 €",
        "Kosten in USD wurden umgerechnet: 1 USD = 0,92 EUR.",
    ),
    earned="480.09",
)


def plan_of(walk: Walk) -> dict[str, Any]:
    price = {"model": "per_unit", "unit_amount": walk.each}
    costs = {"model": "cost_plus", "margin_percent": "25"}
    return {
        "name": "Support Starter",
        "currency": walk.currency,
        "timezone": "UTC",
        "interval": "month",
        "anchor": "calendar",
        "fees": [{"name": "Base", "kind": "base", "amount": walk.fee, "when": "period"}],
        "allowances": [
            {
                "unit": unit,
                "included": included,
                "overage": {"policy": "bill", "pricing": pricing},
            }
            for unit, included, pricing in (("conversation", "100", price), ("page", "0", costs))
        ],
        "top_ups": [],
    }


def workspace_of(walk: Walk) -> WorkspaceRow:
    Platform.objects.create(name="Agency Portal", country="US", email="billing@portal.example")
    agency = Agency.objects.create(
        slug="northwind",
        name="Northwind",
        country=walk.country,
        language=walk.language,
        email="n@northwind.example",
    )
    client = Client.objects.create(
        agency=agency,
        slug="acme",
        name="Acme",
        country=walk.country,
        currency=walk.currency,
        language=walk.language,
        email="billing@acme.example",
    )
    for slug in ("conversation", "page"):
        unit = UsageUnit.objects.create(agency=agency, slug=slug, name=slug, plural=f"{slug}s")
        Meter.objects.create(unit=unit, version=1, aggregation="count", effective_from=ALWAYS)
    for model, price in (("house-model", "0.5"), ("free-model", "0")):
        ModelPrice.objects.create(
            cost_payer="platform",
            model=model,
            input_price=D(price),
            output_price=D(price),
            effective_from=ALWAYS,
        )
    ExchangeRate.objects.create(
        base="USD", quote=walk.currency, rate=D(walk.rate), effective_from=ALWAYS
    )
    TaxRate.objects.create(
        agency=agency,
        country=walk.country,
        category="S",
        percent=D(walk.tax),
        effective_from=ALWAYS.date(),
    )
    add_fee_rule(agency=agency, percent=D(5), effective_from=ALWAYS, now=ALWAYS)
    return WorkspaceRow.objects.create(
        agency=agency, client=client, slug="acme-support", name="Acme support"
    )


def call(unit: str, number: int, model: str) -> SubmittedEvent:
    return SubmittedEvent(
        id=f"{unit}-{number}",
        unit=unit,
        time=JANUARY + dt.timedelta(days=3, minutes=number),
        model=model,
        usage=TokenUsage(input_tokens=1_000_000, output_tokens=0),
    )


def invoice_all(now: dt.datetime) -> None:
    assert not draft_due_invoices(now=now)[1]
    assert not issue_due_invoices(now=now)[1]


def pay_all(now: dt.datetime) -> None:
    for invoice in Invoice.objects.outstanding().order_by("pk"):
        record_payment(
            invoice=invoice,
            amount=invoice.amount_due,
            currency=invoice.currency,
            method="bank_transfer",
            reference=str(invoice.number),
            received_at=now,
            now=now,
            key=f"pay:{invoice.pk}",
        )


def text_of(path: str) -> str:
    with storages["documents"].open(path) as file:
        pages = PdfReader(io.BytesIO(file.read())).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


@pytest.mark.django_db
@pytest.mark.parametrize("walk", [YEN, DINARS, EUROS], ids=lambda walk: walk.currency)
def test_a_month_from_the_package_to_the_statement(walk: Walk) -> None:
    workspace = workspace_of(walk)
    version = import_plan(agency=workspace.agency, document=plan_of(walk), now=JANUARY)
    activate(workspace=workspace, plan_version=version, start=JANUARY, now=JANUARY)
    invoice_all(JANUARY)
    pay_all(JANUARY)
    events = [call("conversation", number, "free-model") for number in range(130)]
    events += [call("page", number, "house-model") for number in range(4)]
    record_events(workspace=workspace, events=events, now=JANUARY + dt.timedelta(days=4))

    close_due_periods(now=CLOSED)
    invoice_all(CLOSED)

    invoice = Invoice.objects.order_by("pk").last()
    assert invoice is not None
    charges = Charge.objects.filter(line__invoice=invoice).order_by("line__position")
    said = sorted((row.kind, f"{row.amount.normalize():f}") for row in charges)
    assert said == sorted(walk.charged)
    assert (invoice.net, invoice.tax, invoice.total) == tuple(map(D, walk.totals))
    assert render_due_documents(now=CLOSED) == 2
    printed = text_of(InvoiceDocument.objects.get(invoice=invoice).path)
    for words in walk.printed:
        assert words in printed

    pay_all(PAID)
    post_due_earnings(now=PAID)
    build_payouts(now=dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    payouts = Payout.objects.order_by("month")
    payout = payouts.get(month=FEBRUARY.date())
    assert payout.amount - payout.opening == D(walk.earned)
    assert render_due_statements(now=PAID) == payouts.count()
    printed = text_of(StatementDocument.objects.get(payout=payout).path)
    for words in walk.statement:
        assert words in printed
    assert Mail.objects.filter(client=workspace.client, body_html__contains="lang=").count() == 2
