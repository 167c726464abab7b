"""Exact money: rounding, splitting, scaling and printing. Pure; no Django, no clock.

Amounts are :class:`decimal.Decimal`; a currency is an ISO 4217 code and always passed beside the
amount. Floats are refused everywhere, because by the time one arrives the error has happened.
"""

from __future__ import annotations

import copy
import decimal
import re
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

import iso4217
from babel.core import Locale
from babel.numbers import format_currency, get_currency_symbol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PRECISION = 50
"""Significant digits kept in intermediate results. Python's default of 28 rounds long products."""

BIGINT_MAX = 2**63 - 1
"""Scaled numbers are stored as BIGINT, so this bounds them on both sides."""

NUMBER = r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
"""How text says a number: in plain digits, with an exponent if it must be. `Decimal` alone also
reads "1_000", the digits of every script and spaces around them, which nobody means to send."""

_NUMBER = re.compile(NUMBER)
_ROUNDING = decimal.Context(
    prec=PRECISION,
    rounding=ROUND_HALF_UP,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
_EXACT = decimal.Context(
    prec=PRECISION,
    traps=[decimal.InvalidOperation, decimal.Inexact, decimal.Overflow],
)


@contextmanager
def exact_arithmetic() -> Iterator[decimal.Context]:
    """Compute with 50 digits inside the block, for products and quotients not yet rounded."""
    with decimal.localcontext(_ROUNDING) as context:
        yield context


@cache
def _minor_digits_by_code() -> dict[str, int]:
    """ISO 4217 code -> decimal digits; metals, test codes and the like have none and are out."""
    units = {code: str(row["CcyMnrUnts"]) for code, row in iso4217.raw_table.items() if code}
    return {code: int(digits) for code, digits in units.items() if digits.isdigit()}


def is_currency(code: str) -> bool:
    """Whether ``code`` is an active ISO 4217 currency with a defined minor unit (upper case)."""
    return code in _minor_digits_by_code()


def currency_codes() -> list[str]:
    """All codes for which :func:`is_currency` holds, sorted."""
    return sorted(_minor_digits_by_code())


def minor_digits(currency: str) -> int:
    """Digits after the decimal point of ``currency``: USD 2, JPY 0, KWD 3.

    Raises ValueError for anything that is not an active ISO 4217 currency.
    """
    try:
        return _minor_digits_by_code()[currency]
    except KeyError:
        raise ValueError(
            f"{currency!r} is not an ISO 4217 currency; use a code such as 'USD'."
        ) from None


def as_decimal(value: Decimal | int) -> Decimal:
    """``value`` as a finite Decimal. Raises TypeError for floats, ValueError for NaN and infinity.

    Text is refused too: whoever reads input parses it, and can say where it came from.
    """
    if type(value) is Decimal and value.is_finite():
        return value
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise TypeError(f"Expected a Decimal, got {type(value).__name__} {value!r}.")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError(f"Expected a finite number, got {number}.")
    return number


def is_number(text: str) -> bool:
    """Whether ``text`` is a number written as `NUMBER` says."""
    return _NUMBER.fullmatch(text) is not None


def whole_percent(part: Decimal, whole: Decimal) -> int:
    """``part`` of ``whole`` in whole percent, half up; what lacks something is never 100. Nothing
    of nothing is 0."""
    if not whole:
        return 0
    percent = int((part * 100 / whole).quantize(Decimal(1), ROUND_HALF_UP))
    return 99 if percent == 100 and part < whole else percent


def round_half_up(value: Decimal | int, places: int) -> Decimal:
    """``value`` with exactly ``places`` decimal places, halves away from zero; never ``-0``.

    Raises ValueError when the result would need more than 50 digits.
    """
    number = as_decimal(value)
    try:
        rounded = number.quantize(Decimal(1).scaleb(-places), context=_ROUNDING)
    except decimal.InvalidOperation:
        raise ValueError(f"{number} is too long to be rounded to {places} places.") from None
    return rounded.copy_abs() if rounded.is_zero() else rounded


def round_money(amount: Decimal | int, currency: str) -> Decimal:
    """``amount`` rounded to the currency's digits, halves away from zero.

    Round once, where a line is written (ENGINE 11, 13).
    """
    return round_half_up(amount, minor_digits(currency))


def round_money_down(amount: Decimal | int, currency: str) -> Decimal:
    """``amount`` rounded to the currency's digits, towards zero: for limits, which hold."""
    rounded = round_money(amount, currency)
    step = Decimal(1).scaleb(-minor_digits(currency)).copy_sign(rounded)
    return rounded - step if abs(rounded) > abs(as_decimal(amount)) else rounded


def allocate(
    amount: Decimal | int, weights: Sequence[Decimal | int], currency: str
) -> list[Decimal]:
    """Split ``amount`` in proportion to ``weights`` so that the parts sum to it exactly.

    Largest remainder: every part is its exact share rounded towards zero, and the minor units
    left over go to the largest fractions, the earlier part winning a tie. A negative amount
    splits into the mirror image of the positive one.

    Raises ValueError when the amount is finer than the currency, a weight is negative, or there
    is something to split and nothing to split it by.
    """
    digits = minor_digits(currency)
    total = scaled(as_decimal(amount), digits)
    shares = [Fraction(as_decimal(weight)) for weight in weights]
    if any(share < 0 for share in shares):
        raise ValueError("Weights must not be negative.")
    whole = sum(shares, Fraction(0))
    if not whole:
        if total:
            raise ValueError(f"Cannot split {amount} {currency}: every weight is zero.")
        return [unscaled(0, digits) for _ in shares]
    exact = [abs(total) * share / whole for share in shares]
    parts = [int(share) for share in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: abs(total) - sum(parts)]:
        parts[i] += 1
    sign = -1 if total < 0 else 1
    return [unscaled(sign * part, digits) for part in parts]


def scaled(value: Decimal | int, places: int) -> int:
    """``value`` counted in units of its last place: ``scaled(Decimal("1.5"), 4) == 15000``.

    The form in which the fields of ``core.fields`` are stored, and in which raw SQL and inner
    loops count. Raises ValueError when the value has more than ``places`` decimal places (it is
    never rounded) or does not fit a BIGINT.
    """
    number = as_decimal(value)
    if not number:  # a zero has an exponent too, and `0E+999999` is no large number
        return 0
    if number.adjusted() + places > 19:  # before int(): 1E+999999 would fill the memory
        raise ValueError(f"{number} is too large for a number with {places} decimal places.")
    try:
        units = number.scaleb(places, context=_EXACT)
        whole = int(units)
    except (decimal.InvalidOperation, decimal.Inexact):
        raise ValueError(f"{number} has more than {places} decimal places.") from None
    if whole != units:
        raise ValueError(f"{number} has more than {places} decimal places.")
    if not -BIGINT_MAX <= whole <= BIGINT_MAX:
        raise ValueError(f"{number} is too large for a number with {places} decimal places.")
    return whole


def unscaled(units: int, places: int) -> Decimal:
    """The inverse of :func:`scaled`: ``unscaled(15000, 4) == Decimal("1.5000")``."""
    if type(units) is not int:
        raise TypeError(f"Expected an int, got {type(units).__name__} {units!r}.")
    return Decimal(units).scaleb(-places, context=_EXACT)


def plain(value: Decimal | int) -> str:
    """``value`` in plain digits without trailing zeros or exponent: ``"1200"``, ``"0.5"``, ``"0"``.

    The form in which numbers leave through APIs, exports and forms.
    """
    number = as_decimal(value)
    if number.is_zero():  # before format(): 0E-999999999 would fill the memory
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _format(amount: Decimal, currency: str, locale: str, digits: tuple[int, int]) -> str:
    parsed = Locale.parse(locale, sep="-" if "-" in locale else "_")
    # CLDR's digits differ from ISO 4217 for some currencies (IQD, AFN): ours are the invoice's.
    pattern = copy.copy(parsed.currency_formats["standard"])
    pattern.frac_prec = digits
    text = format_currency(amount, currency, format=pattern, locale=parsed, currency_digits=False)
    # CLDR's currencySpacing, which Babel leaves out: letters do not touch digits ("KWD 1.500").
    symbol = re.escape(get_currency_symbol(currency, parsed))
    return re.sub(rf"(?<=\d)(?=(?!\W){symbol})|(?<={symbol})(?<!\W)(?=\d)", "\xa0", text)


def format_money(amount: Decimal | int, currency: str, locale: str = "en") -> str:
    """``amount`` for people, with the currency's ISO 4217 digits: ``$1,234.50``, ``1.234,50 €``.

    A finer amount is rounded half up for display.
    """
    digits = minor_digits(currency)
    return _format(round_half_up(amount, digits), currency, locale, (digits, digits))


def format_unit_price(amount: Decimal | int, currency: str, locale: str = "en") -> str:
    """A price per unit for people: the currency's digits at least, and all that it has beyond."""
    number = as_decimal(amount)
    digits = minor_digits(currency)
    present = len(plain(number).partition(".")[2])
    return _format(number, currency, locale, (digits, max(digits, present)))
