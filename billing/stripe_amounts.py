"""Amounts as Stripe counts them: whole numbers of a currency's smallest unit, as Stripe sees it.

Pure. Mostly that is ISO 4217's minor unit; the exceptions are Stripe's, and below.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from agencyportal.core.money import minor_digits, plain, scaled, unscaled

WITHOUT_DECIMALS: Final = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
"""Charged in whole units, whatever ISO 4217 says (MGA)."""

WITH_TWO_ZEROS: Final = frozenset({"ISK", "UGX"})
"""Without decimals, and yet written with two of them, which are zeros."""

THREE_DECIMALS: Final = 3
"""Such a currency (KWD) is charged in steps of ten: its last digit is a zero."""


class UnchargeableError(ValueError):
    """Stripe has no way to say this amount; the message says why."""


def to_stripe(amount: Decimal, currency: str) -> int:
    """``amount`` as Stripe counts it: 12.50 USD is 1250, 500 JPY is 500, 1.250 KWD is 1250.

    Raises UnchargeableError for an amount that is not positive or finer than what can be charged:
    it is never rounded.
    """
    if amount <= 0:
        raise UnchargeableError(f"{plain(amount)} {currency} cannot be charged.")
    try:
        units = scaled(amount, _digits(currency))
    except ValueError:
        raise UnchargeableError(_too_fine(amount, currency)) from None
    is_whole = currency not in WITH_TWO_ZEROS or units % 100 == 0
    if not is_whole or (_digits(currency) == THREE_DECIMALS and units % 10):
        raise UnchargeableError(_too_fine(amount, currency))
    return units


def from_stripe(units: int, currency: str) -> Decimal:
    """The inverse of `to_stripe`; of zero and of negative amounts, too."""
    return unscaled(units, _digits(currency.upper()))


def _digits(currency: str) -> int:
    if currency in WITHOUT_DECIMALS:
        return 0
    return 2 if currency in WITH_TWO_ZEROS else minor_digits(currency)


def _too_fine(amount: Decimal, currency: str) -> str:
    return f"{plain(amount)} {currency} is finer than what can be charged in {currency}."
