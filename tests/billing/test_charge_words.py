"""Charges are written in English and printed in the client's language."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D  # noqa: N817

import pytest
from django.utils import translation
from django.utils.html import strip_tags
from msgspec.structs import replace

from agencyportal.core.formats import Formats
from billing.charge_words import fee_in_words, in_its_language, in_words
from billing.documents.invoice import render_invoice_html
from billing.e_invoice import e_invoice_xml
from billing.proration import Share
from tests.billing.invoice_samples import PLATFORM, invoice, reverse_charge_invoice

GERMAN = Formats("de_DE", "EUR")


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("Overage: Gespräche", "Mehrnutzung: Gespräche"),
        (
            "Late usage: Seiten, 2026-01-01 to 2026-01-31",
            "Nachgemeldete Nutzung: Seiten, 01.01.2026 bis 31.01.2026",
        ),
        ("Minimum commitment", "Mindestumsatz"),
        ("Grundpaket (15 of 31 days)", "Grundpaket (15 von 31 Tagen)"),
        ("Fee (all of 31 days)", "Fee (all of 31 days)"),
        ("Credit: Grundpaket", "Anrechnung: Grundpaket"),
        ("Discount: Treue, 10 %", "Rabatt: Treue, 10 %"),
        ("Discount taken back: Treue", "Rabatt zurückgenommen: Treue"),
        ("What the agency calls it: 5 of 31", "What the agency calls it: 5 of 31"),
        ("Overage: %(units)s", "Mehrnutzung: %(units)s"),
    ],
)
def test_our_words_are_translated_and_those_of_others_stay(english, german):
    with translation.override("de"):
        assert in_words(english, GERMAN) == german


@pytest.mark.parametrize(
    ("share", "words"), [(None, "Base"), (Share(15, 31), "Base (15 of 31 days)")]
)
def test_a_fee_says_which_share_of_it_is_asked_for(share, words):
    assert fee_in_words("Base", share) == words


def german_invoice(description: str):
    issued = reverse_charge_invoice(locale="de_DE", tax_name="USt")
    first = issued.sections[0]
    lines = (replace(first.lines[0], description=description), *first.lines[1:])
    return replace(issued, sections=(replace(first, lines=lines), *issued.sections[1:]))


def test_the_printed_document_and_the_e_invoice_inside_say_the_same():
    issued = german_invoice("Overage: Gespräche")
    html = render_invoice_html(issued)
    assert "Mehrnutzung: Gespräche" in html
    assert "USt-IdNr." in html
    assert "Overage" not in html
    assert "Mehrnutzung: Gespräche".encode() in e_invoice_xml(in_its_language(issued))
    assert in_its_language(issued).totals == issued.totals


def test_an_english_document_is_printed_as_it_was_written():
    assert in_its_language(invoice()) == invoice()


def test_the_number_of_a_tax_office_is_not_called_a_vat_id():
    office = replace(PLATFORM, tax_id="12/345/67890")
    html = render_invoice_html(invoice(seller=office, locale="de_DE", tax_name="USt"))
    printed = " ".join(strip_tags(html).split())
    assert "Steuernummer 12/345/67890" in printed
    assert "USt-IdNr. IE6388047V" in printed


def test_german_commerce_calls_a_credit_note_a_correction_of_the_invoice():
    """A "Gutschrift" is what a buyer writes for a seller (§ 14 (2) UStG)."""
    note = invoice(kind="credit_note", locale="de_DE", due_date=None, issue_date=date(2026, 2, 3))
    html = render_invoice_html(note)
    assert "<h1>Rechnungskorrektur</h1>" in html
    assert "Gutschrift" not in html
    assert D("926.85") == note.totals.due
