"""Numbers and dates as documents print them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D  # noqa: N817

import pytest

from agencyportal.core.documents import Span
from agencyportal.core.formats import Formats

ENGLISH, GERMAN = Formats("en", "EUR"), Formats("de-DE", "EUR")


def test_amounts_have_a_real_minus_and_the_currencys_digits():
    assert ENGLISH.money(D("-1234.5")) == "−€1,234.50"
    assert GERMAN.money(D("-1234.5")) == "−1.234,50\xa0€"
    assert Formats("en", "JPY").money(D("1235")) == "¥1,235"


def test_unit_prices_keep_all_their_places():
    assert ENGLISH.unit_price(D("0.0035")) == "€0.0035"
    assert ENGLISH.unit_price(D("12.0000")) == "€12.00"


@pytest.mark.parametrize(
    ("quantity", "english", "german"),
    [
        ("1200.500000", "1,200.5", "1.200,5"),
        ("1E+3", "1,000", "1.000"),
        ("0.000001", "0.000001", "0,000001"),
        ("0.000000", "0", "0"),
        ("-3", "−3", "−3"),
    ],
)
def test_quantities_lose_their_trailing_zeros_only(quantity, english, german):
    assert ENGLISH.quantity(D(quantity)) == english
    assert GERMAN.quantity(D(quantity)) == german


def test_rates_are_in_percent():
    assert ENGLISH.percent(D("19.00")) == "19%"
    assert GERMAN.percent(D("7.7")) == "7,7\xa0%"


def test_spans_name_both_days():
    january = Span(first=date(2026, 1, 1), last=date(2026, 1, 31))
    assert ENGLISH.span(january) == "Jan 1 – 31, 2026"
    assert GERMAN.span(january) == "1.–31. Jan. 2026"
    one_day = Span(first=date(2026, 1, 15), last=date(2026, 1, 15))
    assert ENGLISH.span(one_day) == "Jan 15, 2026"


def test_days_and_months_are_written_as_the_locale_does():
    day = date(2026, 3, 1)
    assert (ENGLISH.day(day), GERMAN.day(day)) == ("Mar 1, 2026", "01.03.2026")
    assert (ENGLISH.long_day(day), GERMAN.long_day(day)) == ("March 1, 2026", "1. März 2026")
    assert (ENGLISH.month(day), Formats("fr-FR", "EUR").month(day)) == ("March 2026", "mars 2026")


def test_countries_are_named_in_the_documents_language():
    assert (ENGLISH.country("de"), GERMAN.country("DE")) == ("Germany", "Deutschland")
    assert ENGLISH.country("Elsewhere") == "Elsewhere"


def test_americans_print_on_letter_paper():
    assert [Formats(tag, "USD").paper for tag in ("en-US", "en_GB", "en")] == ["Letter", "A4", "A4"]
