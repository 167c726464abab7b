"""Rounding, splitting, scaling and printing amounts."""

from decimal import Decimal

import pytest

from agencyportal.core import money


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("USD", 2), ("EUR", 2), ("JPY", 0), ("KWD", 3), ("IQD", 3), ("CLF", 4)],
)
def test_a_currency_has_the_digits_of_iso_4217(currency: str, digits: int):
    assert money.minor_digits(currency) == digits


@pytest.mark.parametrize("code", ["usd", "XXX", "XAU", "EURO", "", "DEM"])
def test_what_cannot_be_invoiced_in_is_no_currency(code: str):
    assert not money.is_currency(code)
    with pytest.raises(ValueError, match="ISO 4217"):
        money.minor_digits(code)


@pytest.mark.parametrize(
    ("value", "places", "rounded"),
    [
        ("2.345", 2, "2.35"),
        ("-2.345", 2, "-2.35"),
        ("2.3449999999999999999999999999999999999", 2, "2.34"),
        ("0.5", 0, "1"),
        ("-0.5", 0, "-1"),
        ("1.5", 4, "1.5000"),
        ("1250", -2, "1.3E+3"),
    ],
)
def test_halves_round_away_from_zero(value: str, places: int, rounded: str):
    assert str(money.round_half_up(Decimal(value), places)) == rounded


def test_nothing_rounds_to_negative_zero():
    assert str(money.round_half_up(Decimal("-0.001"), 2)) == "0.00"


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [("1234.5", "JPY", "1235"), ("1.0005", "KWD", "1.001"), ("0.005", "USD", "0.01")],
)
def test_money_is_rounded_to_its_currency(amount: str, currency: str, rounded: str):
    assert str(money.round_money(Decimal(amount), currency)) == rounded


@pytest.mark.parametrize("value", [1.5, "1.5", True, None])
def test_only_decimals_and_integers_are_numbers(value: object):
    with pytest.raises(TypeError):
        money.round_half_up(value, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_numbers_are_finite(value: str):
    with pytest.raises(ValueError, match="finite"):
        money.round_half_up(Decimal(value), 2)


def test_a_number_too_long_to_round_is_refused():
    with pytest.raises(ValueError, match="too long"):
        money.round_half_up(Decimal("1E+60"), 2)


def test_long_products_keep_their_digits():
    price, quantity = Decimal("123456789012.123456789"), Decimal("123456789012.123457")
    with money.exact_arithmetic():
        product = price * quantity
    assert str(product) == "15241578753183967119696.741728072799573"
    assert price * quantity != product  # Python's default of 28 digits


@pytest.mark.parametrize(
    ("amount", "weights", "currency", "parts"),
    [
        ("100", [1, 1, 1], "USD", ["33.34", "33.33", "33.33"]),
        ("-100", [1, 1, 1], "USD", ["-33.34", "-33.33", "-33.33"]),
        ("0.05", [3, 7], "USD", ["0.02", "0.03"]),
        ("100", [0, 1], "JPY", ["0", "100"]),
        ("0.02", [1, 1, 1], "USD", ["0.01", "0.01", "0.00"]),
        ("1", [Decimal("0.2"), Decimal("0.3"), Decimal("0.5")], "KWD", ["0.200", "0.300", "0.500"]),
        ("0", [0, 0], "USD", ["0.00", "0.00"]),
        ("0", [], "USD", []),
    ],
)
def test_parts_go_to_the_largest_remainders(amount, weights, currency, parts):
    assert [str(part) for part in money.allocate(Decimal(amount), weights, currency)] == parts


@pytest.mark.parametrize(
    ("amount", "weights", "message"),
    [
        ("0.001", [1], "more than 2 decimal places"),
        ("1", [1, -1], "negative"),
        ("1", [0, 0], "every weight is zero"),
        ("1", [], "every weight is zero"),
    ],
)
def test_what_cannot_be_split_is_refused(amount: str, weights: list[int], message: str):
    with pytest.raises(ValueError, match=message):
        money.allocate(Decimal(amount), weights, "USD")


def test_scaled_numbers_count_their_last_place():
    assert money.scaled(Decimal("1.5"), 4) == 15_000
    assert money.scaled(-3, 6) == -3_000_000
    assert str(money.unscaled(15_000, 4)) == "1.5000"


@pytest.mark.parametrize("zero", ["0E+999999", "0E-999999", "-0", "0.00000"])
def test_zero_is_zero_however_it_is_written(zero: str):
    assert money.scaled(Decimal(zero), 4) == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0.00001", "more than 4 decimal places"),
        ("1." + "1" * 60, "more than 4 decimal places"),
        ("1E-999999", "more than 4 decimal places"),
        ("922337203685477.5808", "too large"),
        ("-922337203685477.5808", "too large"),
        ("1E+999999", "too large"),
    ],
)
def test_what_does_not_fit_its_scale_is_refused_not_rounded(value: str, message: str):
    with pytest.raises(ValueError, match=message):
        money.scaled(Decimal(value), 4)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.5000", "1.5"),
        ("1200", "1200"),
        ("1E+3", "1000"),
        ("0E-9", "0"),
        ("-0.00", "0"),
        ("0E-999999999999", "0"),  # written out it would fill the memory
    ],
)
def test_plain_numbers_have_no_trailing_zeros_and_no_exponent(value: str, text: str):
    assert money.plain(Decimal(value)) == text


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "text"),
    [
        ("1234.5", "USD", "en", "$1,234.50"),
        ("-1234.5", "USD", "en", "-$1,234.50"),
        ("1234.5", "EUR", "de-DE", "1.234,50\xa0€"),
        ("1234.5", "JPY", "en", "¥1,235"),
        ("1.5", "KWD", "en", "KWD\xa01.500"),
        ("1.5", "IQD", "en", "IQD\xa01.500"),  # CLDR would print no digits
        ("0.005", "USD", "en_US", "$0.01"),
    ],
)
def test_money_is_printed_with_the_digits_of_its_currency(amount, currency, locale, text):
    assert money.format_money(Decimal(amount), currency, locale) == text


@pytest.mark.parametrize(
    ("amount", "text"), [("0.0035", "$0.0035"), ("0.1", "$0.10"), ("2E+3", "$2,000.00")]
)
def test_a_unit_price_is_printed_with_all_its_digits(amount: str, text: str):
    assert money.format_unit_price(Decimal(amount), "USD") == text


def test_whole_percents_are_rounded_and_never_say_that_all_is_gone():
    for part, whole, percent in ((1, 3, 33), (2, 3, 67), (995, 1000, 99), (5, 4, 125), (0, 0, 0)):
        assert money.whole_percent(Decimal(part), Decimal(whole)) == percent
