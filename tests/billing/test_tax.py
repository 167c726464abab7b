"""Tax and totals, rounded as EN 16931 asks (ENGINE 11)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.tax import TaxableLine, TaxCategory, TaxTreatment, tax_document

STANDARD = TaxTreatment(TaxCategory.STANDARD, Decimal(19))
REDUCED = TaxTreatment(TaxCategory.STANDARD, Decimal(7))
ZERO_RATED = TaxTreatment(TaxCategory.ZERO_RATED)
REVERSE = TaxTreatment(TaxCategory.REVERSE_CHARGE, reason="Reverse charge")
OUTSIDE = TaxTreatment(TaxCategory.OUTSIDE_SCOPE, reason="Not subject to VAT")


def document(*lines: tuple[str, TaxTreatment], currency: str = "EUR"):
    return tax_document([TaxableLine(Decimal(net), how) for net, how in lines], currency)


def test_tax_is_computed_once_per_category_and_rate():
    """Three lines of 0.33: 19% of 0.99 is 0.19, where line by line it would be 3 x 0.06."""
    result = document(("0.33", STANDARD), ("0.33", STANDARD), ("0.33", STANDARD))
    assert (result.net, result.tax, result.gross) == tuple(map(Decimal, ("0.99", "0.19", "1.18")))


def test_lines_are_rounded_before_they_are_added():
    result = document(("0.005", STANDARD), ("0.005", STANDARD))
    assert result.line_nets == (Decimal("0.01"), Decimal("0.01"))
    assert result.net == Decimal("0.02")


def test_credits_round_away_from_zero_too():
    result = document(("10.00", STANDARD), ("-0.125", STANDARD))
    assert result.line_nets[1] == Decimal("-0.13")
    assert (result.net, result.tax) == (Decimal("9.87"), Decimal("1.88"))


def test_totals_are_sums_of_what_is_printed():
    result = document(("100.00", STANDARD), ("50.00", REDUCED), ("20.00", ZERO_RATED))
    printed = [(str(s.treatment.category), s.net, s.tax) for s in result.subtotals]
    assert printed == [
        ("S", Decimal("50.00"), Decimal("3.50")),
        ("S", Decimal("100.00"), Decimal("19.00")),
        ("Z", Decimal("20.00"), Decimal("0.00")),
    ]
    assert result.net == sum(result.line_nets)
    assert result.tax == sum(s.tax for s in result.subtotals)
    assert result.gross == Decimal("192.50")


@pytest.mark.parametrize(
    ("currency", "net", "tax"), [("JPY", "1235", "235"), ("KWD", "1234.568", "234.568")]
)
def test_the_currency_has_its_own_digits(currency, net, tax):
    result = document(("1234.5675", STANDARD), currency=currency)
    assert (str(result.net), str(result.tax)) == (net, tax)


def test_reverse_charge_has_no_tax_and_says_why():
    result = document(("100.00", REVERSE))
    assert result.gross == Decimal("100.00")
    assert result.subtotals[0].treatment.reason == "Reverse charge"


def test_an_empty_document_adds_up_to_nothing():
    result = document()
    assert (str(result.net), str(result.tax), str(result.gross)) == ("0.00", "0.00", "0.00")


@pytest.mark.parametrize(
    ("category", "rate", "reason", "message"),
    [
        ("S", "0", "", "needs a rate above zero"),
        ("Z", "19", "", "category Z has no rate"),
        ("AE", "19", "Reverse charge", "category AE has no rate"),
        ("E", "0", " ", "must say why"),
        ("AE", "0", "", "must say why"),
        ("O", "0", "", "must say why"),
        ("S", "19", "because", "takes no reason"),
        ("Z", "0", "because", "takes no reason"),
    ],
)
def test_what_en_16931_refuses_is_refused(category, rate, reason, message):
    with pytest.raises(ValueError, match=message):
        TaxTreatment(TaxCategory(category), Decimal(rate), reason)


def test_outside_the_scope_of_tax_stands_alone():
    assert document(("5.00", OUTSIDE), ("6.00", OUTSIDE)).gross == Decimal("11.00")
    with pytest.raises(ValueError, match="cannot share a document"):
        document(("5.00", OUTSIDE), ("5.00", STANDARD))


def test_one_category_states_one_reason():
    other = TaxTreatment(TaxCategory.REVERSE_CHARGE, reason="Article 196")
    with pytest.raises(ValueError, match="two reasons"):
        document(("5.00", REVERSE), ("5.00", other))
