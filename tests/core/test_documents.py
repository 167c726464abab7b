"""Snapshots: what is stored is what was frozen, and nothing else can be printed."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal as D  # noqa: N817

import pytest

from agencyportal.core.documents import (
    Brand,
    SnapshotError,
    Span,
    must_add_up,
    must_be_printable,
)
from billing.documents.invoice_snapshot import InvoiceSnapshot
from tests.billing.invoice_samples import invoice


def test_the_stored_form_is_json_and_reads_back_equal():
    stored = invoice().to_dict()
    assert json.loads(json.dumps(stored)) == stored
    assert stored["totals"]["due"] == "926.85"
    assert stored["issue_date"] == "2026-02-02"
    assert InvoiceSnapshot.from_dict(stored) == invoice()


def test_a_field_of_the_wrong_type_is_named():
    stored = invoice().to_dict()
    stored["sections"][1]["lines"][0]["net"] = "much"
    with pytest.raises(SnapshotError, match=r"\$\.sections\[1\]\.lines\[0\]\.net"):
        InvoiceSnapshot.from_dict(stored)


def test_an_unknown_field_is_named():
    with pytest.raises(SnapshotError, match="nett"):
        InvoiceSnapshot.from_dict({**invoice().to_dict(), "nett": "1"})


def test_a_float_is_refused_even_where_it_is_exact():
    stored = invoice().to_dict()
    stored["totals"]["paid"] = 100.0
    with pytest.raises(SnapshotError, match=r"\$\.totals\.paid is the float 100\.0"):
        InvoiceSnapshot.from_dict(stored)


@pytest.mark.parametrize(
    "colour", ["red", "#fff", "#0f766e; } body { display: none", "#0f766g", ""]
)
def test_a_brand_colour_is_six_hex_digits(colour):
    with pytest.raises(SnapshotError, match="#rrggbb"):
        Brand(name="Northwind", colour=colour)


@pytest.mark.parametrize(
    "logo",
    [
        "https://northwind.example/logo.png",
        "data:image/png;base64,AAAA",
        f'{"a" * 63}"',
        "../logo.png",
    ],
)
def test_a_logo_is_named_by_its_hash(logo):
    with pytest.raises(SnapshotError, match="SHA-256"):
        Brand(name="Northwind", logo=logo)


def test_a_span_does_not_end_before_it_begins():
    with pytest.raises(SnapshotError):
        Span(first=date(2026, 1, 2), last=date(2026, 1, 1))


def test_sums_are_exact():
    must_add_up("x", D("0.3"), (D("0.1"), D("0.2")))
    with pytest.raises(SnapshotError, match=r"x is stated as 0\.30.*adds up to 0\.31"):
        must_add_up("x", D("0.30"), (D("0.1"), D("0.21")))


def test_an_amount_finer_than_its_currency_cannot_be_printed():
    must_be_printable("EUR", (D("1.2500"),))
    must_be_printable("KWD", (D("1.255"),))
    with pytest.raises(SnapshotError, match=r"1\.5 JPY has more decimal places"):
        must_be_printable("JPY", (D("1.5"),))
    with pytest.raises(SnapshotError, match="ISO 4217"):
        must_be_printable("EURO", ())
