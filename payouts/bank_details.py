"""Where a bank account is: whether its numbers can be true, and how much of them is shown. Pure.

Lengths and check digits are proved (python-stdnum). That an account exists is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stdnum import bic as bics
from stdnum import iban as ibans
from stdnum.exceptions import ValidationError
from stdnum.us import rtn

SHOWN: Final = 4
"""How many digits of an account people see."""

LONGEST_NUMBER: Final = 34


class BankDetailsError(ValueError):
    """The details cannot be right. ``field``: which one."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class BankDetails:
    """An account as payments need it: an IBAN, or a number with the routing number of its bank."""

    country: str
    iban: str = ""
    bic: str = ""
    account_number: str = ""
    routing_number: str = ""


def checked(details: BankDetails) -> BankDetails:
    """The details without spaces, in capitals. Raises BankDetailsError."""
    if details.iban.strip():
        return _with_iban(details)
    return _with_number(details)


def masked(details: BankDetails) -> str:
    """What people may see: ``DE** **** 3000``."""
    number = details.iban or details.account_number
    country = details.iban[:2] or details.country
    return f"{country}** **** {number[-SHOWN:]}"


def _with_iban(details: BankDetails) -> BankDetails:
    if details.account_number.strip() or details.routing_number.strip():
        raise BankDetailsError(
            "An IBAN says it all: leave account and routing number empty.", field="account_number"
        )
    try:
        iban = ibans.validate(details.iban)
    except ValidationError:
        raise BankDetailsError(
            "This is no IBAN: its length or its check digits are wrong. Look for a digit that is "
            "missing or swapped.",
            field="iban",
        ) from None
    return BankDetails(country=iban[:2], iban=iban, bic=_bic(details.bic, iban[:2]))


def _bic(written: str, country: str) -> str:
    if not written.strip():
        return ""
    try:
        bic = bics.validate(written)
    except ValidationError:
        raise BankDetailsError(
            "This is no BIC: it has 8 or 11 letters and digits.", field="bic"
        ) from None
    if bic[4:6] != country:
        raise BankDetailsError(f"The BIC is of {bic[4:6]}, the IBAN of {country}.", field="bic")
    return str(bic)


def _with_number(details: BankDetails) -> BankDetails:
    number = "".join(details.account_number.split())
    if not number:
        raise BankDetailsError("Give an IBAN, or an account number.", field="iban")
    if not number.isascii() or not number.isalnum() or not SHOWN < len(number) <= LONGEST_NUMBER:
        raise BankDetailsError(
            f"An account number has {SHOWN + 1} to {LONGEST_NUMBER} letters and digits.",
            field="account_number",
        )
    country = details.country.strip().upper()
    if len(country) != 2 or not country.isascii() or not country.isalpha():
        raise BankDetailsError("Two capital letters, as in US (ISO 3166-1).", field="country")
    routing = "".join(details.routing_number.split())
    if country == "US":
        try:
            routing = rtn.validate(routing)
        except ValidationError:
            raise BankDetailsError(
                "This is no routing number: it has nine digits, the last of which is a check.",
                field="routing_number",
            ) from None
    return BankDetails(
        country=country,
        account_number=number,
        routing_number=routing,
        bic=_bic(details.bic, country),
    )
