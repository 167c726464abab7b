"""The payout statement's PDF: what an agency reads on it."""

from __future__ import annotations

import io
from decimal import Decimal as D  # noqa: N817

import pytest
from msgspec.structs import replace
from pypdf import PdfReader

from agencyportal.core.documents import SnapshotError
from payouts.documents.statement import render_statement_html, render_statement_pdf
from payouts.documents.statement_snapshot import StatementSnapshot
from tests.payouts.statement_samples import (
    ACME_EARNINGS,
    BIRCH_EARNINGS,
    earning,
    indebted_statement,
    statement,
)


def text(snapshot) -> str:
    reader = PdfReader(io.BytesIO(render_statement_pdf(snapshot)))
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


@pytest.fixture(scope="module")
def printed() -> str:
    return text(statement())


@pytest.mark.parametrize(
    "words",
    [
        "Payout statement February 2026 · PAY-2026-0007",
        "Paid to Northwind Automation B.V. Keizersgracht 220 1016 DZ Amsterdam Netherlands",
        "Paid by Relay Platform GmbH",
        "Time zone Europe/Amsterdam",
        "Account Bank account ending 4821",
        "Paid out €1,032.91",
        "Paid on March 5, 2026",
        "Opening balance €12.50",
        "Routed usage, collected from clients €478.30",
        "Package fees, collected from clients €794.60",
        "Routed cost of that usage −€145.84",
        "Platform fees −€63.65",
        "Refunds −€24.00 Disputes −€25.00 Other adjustments €6.00",
        "Available €1,032.91",
        "Carried forward to next month €0.00",
        "Conversations Acme Support 1,442 €60.60 −€37.44 −€3.03 €20.13",
        "Support Starter Acme Support · package fee €560.00 €0.00 −€28.00 €532.00",
        "Subtotal carried forward: €547.35",  # 20.13 + 532.00 - 4.78
        "Subtotal brought forward: €547.35",
        "Subtotal Birch & Partners €410.00 −€96.31 −€20.50 €293.19",
        "All clients €1,272.90 −€145.84 −€63.65 €1,063.41",
        "200 unused conversations of Growth 500 (INV-2026-000042) −€24.00",
        "INV-2026-000042 Acme Support Services Ltd Feb 12, 2026 €862.90",
        "paid in part Feb 17, 2026 €410.00",
        "Collected in the month €1,272.90",
        "Collected by you",
        "Implementation, second instalment INV-2026-000042 €1,250.00",
        "Opening balance €12.50 Earned €1,272.90 Costs, fees and adjustments −€252.49",
        "Payout −€1,032.91 Closing balance, carried forward €0.00",
        "Usage earnings depend on what clients really use.",
        "no projection",
        "Page 1 of",
    ],
)
def test_the_statement_says(printed, words):
    assert words in printed


@pytest.mark.parametrize("word", ["reward", "provider", "passive", "guaranteed", "recurring"])
def test_words_that_the_product_never_uses(printed, word):
    assert word not in printed.lower()


def test_a_debt_is_carried_forward_and_nothing_is_paid():
    printed = text(indebted_statement())
    assert "Carried forward −€83.81" in printed
    assert "Nothing is paid out for this month" in printed
    assert "The balance is negative: €83.81 is carried forward" in printed
    assert "Closing balance, carried forward −€83.81" in printed


def test_an_amount_too_small_to_send_stays_on_the_balance():
    totals = replace(statement().totals, paid_out=D("0.00"), closing=D("1032.91"))
    printed = text(statement(totals=totals, state="approved", paid_on=None))
    assert "€1,032.91 stays on your balance and is carried forward to next month." in printed


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("draft", "Paid as soon as it is approved"),
        ("approved", "Approved for payment"),
        ("failed", "The transfer failed; the amount stays owed to you"),
    ],
)
def test_the_state_is_in_words(state, words):
    assert words in render_statement_html(statement(state=state, paid_on=None))


def test_the_same_snapshot_gives_the_same_bytes_stored_or_not():
    assert render_statement_pdf(statement()) == render_statement_pdf(statement().to_dict())
    assert StatementSnapshot.from_dict(statement().to_dict()) == statement()


def test_what_people_write_never_becomes_markup():
    malice = "<script>alert(1)</script>"
    snapshot = statement(
        agency=replace(statement().agency, name=malice),
        clients=(statement().clients[0], replace(BIRCH_EARNINGS, name=malice)),
        notes=(malice,),
        payout_account=malice,
    )
    html = render_statement_html(snapshot)
    assert "<script" not in html
    assert malice in text(snapshot)


@pytest.mark.parametrize(
    ("totals", "message"),
    [
        ({"opening": D("13.00")}, "closing balance"),
        ({"usage_revenue": D("479.30"), "fee_revenue": D("793.60")}, "usage revenue"),
        ({"routed_cost": D("-140.84"), "platform_fees": D("-68.65")}, "routed cost"),
        ({"refunds": D("-23.00"), "disputes": D("-26.00")}, "total of every refund"),
        ({"paid_out": D("-1.00"), "closing": D("1033.91")}, "carried forward, not paid"),
    ],
)
def test_a_statement_that_does_not_tie_out_cannot_be_made(totals, message):
    with pytest.raises(SnapshotError, match=message):
        statement(totals=replace(statement().totals, **totals))


def test_the_invoices_listed_are_the_revenue():
    with pytest.raises(SnapshotError, match=r"The revenue is stated as 1272\.90"):
        statement(invoices=statement().invoices[:1])


def test_the_sum_of_all_clients_is_never_alone_on_a_page():
    """So many lines fill a page without it: the last client's subtotal comes along."""
    lines = tuple(earning(f"label {n}", "usage", "0.00", "0.00", "0.00") for n in range(17))
    [leads] = BIRCH_EARNINGS.workspaces
    birch = replace(BIRCH_EARNINGS, workspaces=(replace(leads, lines=(*leads.lines, *lines)),))
    reader = PdfReader(io.BytesIO(render_statement_pdf(statement(clients=(ACME_EARNINGS, birch)))))
    sheets = [" ".join(page.extract_text().split()) for page in reader.pages]
    [sheet] = [sheet for sheet in sheets if "All clients" in sheet]
    assert "Subtotal Birch & Partners" in sheet
