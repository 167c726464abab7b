"""Tax ids of parties: which of them are VAT ids of the EU, and whether these can be true.

Format and check digits are checked, without asking anybody (python-stdnum). That a number is
registered is not known here.
"""

from __future__ import annotations

from typing import Final

from stdnum.eu import vat
from stdnum.exceptions import ValidationError

EU: Final = frozenset(code.upper() for code in vat.MEMBER_STATES) - {"XI"}
"""ISO 3166-1 codes of the member states. Northern Ireland ("XI") is no country."""

PREFIXES: Final = {"GR": "EL"}
"""Where a VAT id does not begin with the letters of its country."""


class TaxIdError(ValueError):
    """The tax id cannot be right; the message says what to do."""


def normalised_tax_id(tax_id: str, country: str) -> str:
    """The tax id as stored and printed: a VAT id of an EU country without spaces and dots.

    An id with the letters of an EU country before it is a VAT id, and is checked. Any other is
    left as it is: a national number, or one of a country outside the EU. Raises TaxIdError for a
    VAT id of another EU country than the party's, or one whose digits do not fit.
    """
    written = tax_id.strip()
    if country not in EU:
        return written
    compact = _compact(written)
    prefix = prefix_of(country)
    if not compact.startswith(prefix):
        if compact[:2] in EU | set(PREFIXES.values()):
            raise TaxIdError(f"{written}: a VAT id of {country} begins with {prefix}.")
        return written
    try:
        return prefix + str(vat.validate(compact)).removeprefix(prefix)
    except ValidationError:
        raise TaxIdError(
            f"{written} is no VAT id of {country}: its length or its check digit is wrong. "
            "Look for a digit that is missing or swapped."
        ) from None


def vat_id_of(tax_id: str, country: str) -> str:
    """The party's valid VAT id of its own EU country; empty: it has none."""
    try:
        known = normalised_tax_id(tax_id, country)
    except TaxIdError:
        return ""
    return known if country in EU and known.startswith(prefix_of(country)) else ""


def prefix_of(country: str) -> str:
    """The letters before a VAT id of the country."""
    return PREFIXES.get(country, country)


def _compact(written: str) -> str:
    return "".join(sign for sign in written.upper() if sign.isalnum())
