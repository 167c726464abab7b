"""VAT ids of the EU are checked and written one way; other tax ids are left as they are."""

from __future__ import annotations

import pytest

from clients.tax_ids import TaxIdError, normalised_tax_id, vat_id_of


@pytest.mark.parametrize(
    ("written", "country", "stored"),
    [
        ("de 136 695 976", "DE", "DE136695976"),
        ("ATU 13585627", "AT", "ATU13585627"),
        ("el 094259216", "GR", "EL094259216"),
        ("IE-6388047V", "IE", "IE6388047V"),
    ],
)
def test_a_vat_id_is_written_without_spaces(written, country, stored):
    assert normalised_tax_id(written, country) == stored
    assert vat_id_of(written, country) == stored


@pytest.mark.parametrize(
    ("written", "country"),
    [("12/345/67890", "DE"), ("US-12-3456789", "US"), ("CHE-123.456.788 MWST", "CH"), ("", "DE")],
)
def test_another_tax_id_is_left_as_it_is_and_is_no_vat_id(written, country):
    assert normalised_tax_id(f" {written} ", country) == written
    assert vat_id_of(written, country) == ""


@pytest.mark.parametrize(
    ("written", "country", "words"),
    [
        ("DE136695967", "DE", "check digit"),
        ("DE12", "DE", "check digit"),
        ("ATU13585627", "DE", "begins with DE"),
        ("GR094259216", "GR", "begins with EL"),
    ],
)
def test_one_that_cannot_be_right_says_why(written, country, words):
    with pytest.raises(TaxIdError, match=words):
        normalised_tax_id(written, country)
    assert vat_id_of(written, country) == ""
