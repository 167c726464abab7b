"""The invoice's PDF: what a client reads on it."""

from __future__ import annotations

import io
import re
from decimal import Decimal as D  # noqa: N817

import pytest
from django.utils import translation
from msgspec.structs import replace
from pypdf import PdfReader

from agencyportal.core.documents import SnapshotError
from billing.documents.invoice import render_invoice_html, render_invoice_pdf
from billing.documents.invoice_snapshot import (
    InvoiceLine,
    InvoiceTotals,
    PaymentInstructions,
    Reference,
    TaxLine,
    UsageSummary,
)
from tests.billing.invoice_samples import (
    JANUARY,
    documents_section,
    empty_invoice,
    invoice,
    long_invoice,
    reverse_charge_invoice,
    support_section,
    yen_invoice,
)


def pages(snapshot) -> list[str]:
    """The text of each page, with single spaces."""
    reader = PdfReader(io.BytesIO(render_invoice_pdf(snapshot)))
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def text(snapshot) -> str:
    return " ".join(pages(snapshot))


@pytest.fixture(scope="module")
def printed() -> str:
    return text(invoice())


@pytest.mark.parametrize(
    "words",
    [
        "Invoice INV-2026-000042",
        "Billed to Acme Support Services Ltd Accounts Payable 12 Harbour Street",
        "Ireland VAT ID IE6388047V",
        "Issued by Relay Platform GmbH Torstraße 140 10119 Berlin Germany VAT ID DE345678901",
        "Issued on 2 February 2026",
        "Due on 16 February 2026",
        "Service period 1–31 Jan 2026",
        "Your reference PO 7731",
        "Amount due €926.85",
        "Base package Support Starter 1–28 Feb 2026 €499.00",
        "Top-ups Growth 500, bought on Jan 20 by Maeve Byrne 500 conversations €0.12 €60.00",
        "3 conversations €0.20 €0.60",
        "Priced by margin rule: Northwind standard, 30%",
        "Subtotal Acme Support €620.60",
        "Late usage Pages of December that arrived late",
        "Discounts Goodwill credit for Jan 12 −€15.40",
        "Subtotal Acme Documents €242.30",
        "1,442 conversations used, 1,000 in the allowance",
        "1,000 from the allowance · 439 from top-ups · 3 overage · 61 expired unused",
        "resets on 1 Feb 2026",
        "VAT 19% €862.90 €163.95",
        "Net total €862.90 VAT 19% €163.95 Total €1,026.85",
        "−€100.00",
        "Invoiced by Northwind Automation directly",
        "Implementation, second instalment €1,250.00",
        "Payable within 14 days of issue, without deduction.",
        "IBAN DE02 1203 0000 0000 2020 51",
        "Reference INV-2026-000042",
        "it earns a margin on the routed usage",
        "Conversations are counted once per customer and day.",
        "Page 1 of 2",
        "Page 2 of 2",
    ],
)
def test_the_invoice_says(printed, words):
    assert words in printed


def test_lines_are_grouped_by_kind_fees_first(printed):
    kinds = ["Base package", "Support Monitoring", "Top-ups Growth", "Overage Conversations"]
    places = [printed.index(kind) for kind in kinds]
    assert places == sorted(places)


@pytest.mark.parametrize("word", ["reward", "passive", "guaranteed", "recurring"])
def test_words_that_the_product_never_uses(printed, word):
    assert word not in printed.lower()


def test_the_same_snapshot_gives_the_same_bytes_stored_or_not():
    assert render_invoice_pdf(invoice()) == render_invoice_pdf(invoice().to_dict())


def test_the_workers_language_changes_nothing():
    with translation.override("de"):
        german_worker = render_invoice_html(invoice())
    assert german_worker == render_invoice_html(invoice())


def test_only_our_two_fonts_are_embedded():
    reader = PdfReader(io.BytesIO(render_invoice_pdf(invoice())))
    fonts = {
        str(font.get_object()["/BaseFont"]).partition("+")[2]
        for page in reader.pages
        for font in page["/Resources"]["/Font"].values()  # type: ignore[index]
    }
    assert fonts == {"Portal-Inter", "Portal-Inter-Semi-Bold"}


def test_a_long_invoice_repeats_its_table_head_and_loses_no_line():
    sheets = pages(long_invoice(200))
    assert len(sheets) > 5
    for number, sheet in enumerate(sheets, 1):
        assert f"Page {number} of {len(sheets)}" in sheet
    for sheet in sheets[:-1]:
        assert "Acme Support 1–31 Jan 2026 Quantity Unit price Net amount" in sheet
    printed = " ".join(sheets)
    assert re.findall(r"Workflow (\d{3}):", printed) == [f"{n:03}" for n in range(1, 201)]
    assert "Subtotal Acme Support €250.00" in sheets[-1]
    assert "Amount due €297.50" in sheets[-1]


def test_each_page_carries_its_subtotal_to_the_next():
    sheets = pages(long_invoice(60))
    carried = [re.findall(r"Subtotal carried forward: €([\d.]+)", sheet) for sheet in sheets]
    brought = [re.findall(r"Subtotal brought forward: €([\d.]+)", sheet) for sheet in sheets]
    so_far = 0
    for sheet, before, after in zip(sheets, brought, carried, strict=True):
        assert before == ([f"{so_far * D('1.25')}"] if so_far else [])
        so_far += len(re.findall(r"Workflow \d{3}:", sheet))
        assert after == ([] if so_far == 60 else [f"{so_far * D('1.25')}"])


def test_the_second_workspace_goes_on_from_the_sum_of_the_first():
    first, second = pages(invoice())
    assert "Subtotal carried forward: €878.30" in first  # 620.60 + 250.00 + 7.70
    assert "brought forward" not in first
    assert "Subtotal brought forward: €878.30" in second
    assert "Discounts Goodwill credit for Jan 12 −€15.40" in second
    assert "Net total €862.90" in second
    assert "carried forward" not in second


def test_reverse_charge_says_why_there_is_no_tax():
    printed = text(reverse_charge_invoice())
    assert "VAT 0% · Reverse charge €862.90 €0.00" in printed
    assert "Article 196 of Directive 2006/112/EC" in printed
    assert "Amount due €862.90" in printed


def test_an_invoice_without_lines_asks_for_nothing():
    printed = text(empty_invoice())
    assert "Nothing charged in this period. €0.00" in printed
    assert "Nothing to pay." in printed
    assert "IBAN" not in printed
    assert "Please pay" not in printed


def test_yen_have_no_decimals_and_two_rates_get_a_column():
    printed = text(yen_invoice())
    assert "Base package Reception bot 0% ¥120,000" in printed
    assert "705 conversations ¥12 10% ¥8,460" in printed
    assert "Tax 0% · Zero rated ¥120,000 ¥0" in printed
    assert "Tax 10% ¥8,460 ¥846" in printed
    assert "Amount due ¥129,306" in printed


def test_a_german_invoice_writes_numbers_and_dates_the_german_way():
    printed = text(invoice(locale="de-DE"))
    assert "926,85 €" in printed
    assert "16. Februar 2026" in printed
    assert "1.442" in printed
    assert "Irland" in printed


def test_an_american_invoice_is_printed_on_letter():
    def width(locale):
        return PdfReader(io.BytesIO(render_invoice_pdf(empty_invoice_in(locale)))).pages[0].mediabox

    def empty_invoice_in(locale):
        return replace(empty_invoice(), locale=locale)

    assert round(float(width("en-US").width)) == 612
    assert round(float(width("en-GB").width)) == 595


def test_a_draft_is_marked_and_nothing_is_due_on_it():
    printed = text(invoice(number=""))
    assert "This is a preview, not an invoice" in printed
    assert "Please pay" not in printed


def test_a_credit_note_names_the_invoice_it_corrects():
    corrects = Reference(number="INV-2026-000042", issue_date=invoice().issue_date)
    printed = text(
        replace(empty_invoice(), kind="credit_note", number="CN-2026-000003", corrects=corrects)
    )
    assert "Credit note CN-2026-000003" in printed
    assert "Corrects invoice INV-2026-000042 (2 Feb 2026)" in printed
    assert "Amount credited €0.00" in printed


MALICE = "<script>alert(1)</script><img src=http://127.0.0.1/x>&amp;{{ x }}"


def malicious_invoice():
    base = invoice()
    first = base.sections[0]
    line = replace(first.lines[0], description=MALICE, details=(MALICE,), unit=MALICE)
    section = replace(first, name=MALICE, package=MALICE, lines=(line, *first.lines[1:]))
    return replace(
        base,
        number=MALICE,
        buyer=replace(base.buyer, name=MALICE, address=(MALICE,), tax_id=MALICE),
        seller=replace(base.seller, name=MALICE, registration=MALICE),
        agency=replace(base.agency, name=MALICE, website=MALICE),
        sections=(section, base.sections[1]),
        notes=(MALICE,),
        buyer_reference=MALICE,
        tax_name=MALICE,
    )


def test_what_people_write_is_printed_and_never_becomes_markup():
    html = render_invoice_html(malicious_invoice())
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;") > 12
    printed = text(malicious_invoice()).replace(" ", "")
    assert MALICE.replace(" ", "") in printed


def test_a_payment_link_is_a_web_address():
    with pytest.raises(SnapshotError, match="not an http"):
        PaymentInstructions(pay_url="javascript:alert(1)")


def amounts_at(snapshot) -> dict[str, float]:
    """Where each amount of the first page begins, in points from the left."""
    places: dict[str, float] = {}

    def note(chunk, page, matrix, _font, _size):
        for amount in re.findall(r"€[\d,.]+", chunk):
            places[amount] = round(page[0] * matrix[4] + page[4], 1)

    reader = PdfReader(io.BytesIO(render_invoice_pdf(snapshot)))
    reader.pages[0].extract_text(visitor_text=note)
    return places


def test_an_endless_name_wraps_and_moves_no_amount():
    name = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk" * 4
    first = invoice().sections[0]
    line = replace(first.lines[1], description=name, details=(name,))
    section = replace(first, name=name, lines=(line, first.lines[0], *first.lines[2:]))
    wrapped = amounts_at(invoice(sections=(section, invoice().sections[1])))
    assert wrapped["€499.00"] == amounts_at(invoice())["€499.00"]
    assert 450 < wrapped["€499.00"] < 595 - 51


def test_a_script_that_no_font_has_is_no_crash():
    snapshot = invoice(notes=("\U0001f9fe 請求書 \ue000",))
    assert render_invoice_pdf(snapshot).startswith(b"%PDF")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sections": (support_section(),)}, "net total is stated as 862.90.*620.60"),
        (
            {"taxes": (TaxLine(category="S", rate=D("19"), base=D("862.90"), tax=D("163.94")),)},
            "tax total is stated as 163.95.*163.94",
        ),
        (
            {"taxes": (TaxLine(category="S", rate=D("19"), base=D("862.00"), tax=D("163.95")),)},
            "taxable amounts",
        ),
        ({"payments": ()}, "already paid is stated as 100.00"),
        ({"currency": "JPY"}, "more decimal places than JPY"),
        ({"schema": 2}, "schema 2"),
    ],
)
def test_an_invoice_that_does_not_add_up_cannot_be_made(changes, message):
    with pytest.raises(SnapshotError, match=message):
        invoice(**changes)


def test_parts_that_do_not_add_up_cannot_be_made():
    with pytest.raises(SnapshotError, match="gross total"):
        InvoiceTotals(net=D(1), tax=D(1), gross=D(3), paid=D(0), due=D(3))
    with pytest.raises(SnapshotError, match="amount due"):
        InvoiceTotals(net=D(1), tax=D(1), gross=D(2), paid=D(1), due=D(2))
    with pytest.raises(SnapshotError, match="Subtotal of 'Acme Documents'"):
        replace(documents_section(), net=D("1"))
    with pytest.raises(SnapshotError, match="Usage of pages"):
        UsageSummary(
            unit="pages", period=JANUARY, allowance=D(5), used=D(5), included=D(5), overage=D(1)
        )
    with pytest.raises(SnapshotError, match="2 daily quantities for 31 days"):
        UsageSummary(
            unit="pages",
            period=JANUARY,
            allowance=D(5),
            used=D(2),
            included=D(2),
            daily=(D(1), D(1)),
        )


def test_a_long_group_names_its_kind_on_every_line_and_a_short_one_once():
    def lines(count):
        return tuple(
            InvoiceLine(kind="overage", description="x", net=D("1"), tax_rate=D("19"))
            for _ in range(count)
        )

    def labels(count):
        section = replace(long_invoice(200).sections[0], lines=lines(count), net=D(count))
        totals = InvoiceTotals(net=D(count), tax=D(0), gross=D(count), paid=D(0), due=D(count))
        tax = TaxLine(category="E", rate=D(0), base=D(count), tax=D(0), reason="Exempt.")
        snapshot = invoice(sections=(section,), taxes=(tax,), payments=(), totals=totals)
        return render_invoice_html(snapshot).count('<td class="kind">Overage</td>')

    assert (labels(12), labels(13)) == (1, 13)


@pytest.mark.parametrize("count", [9, 10, 11])
def test_totals_are_never_alone_on_a_page(count):
    """So many lines leave no room for them: the last line and the subtotal come along."""
    first, last = pages(long_invoice(count))
    for words in (f"Workflow {count:03}", "Subtotal Acme Support", "Net total"):
        assert words in last
    assert f"Workflow {count - 1:03}" in first
