"""What every printed document shares: the frozen snapshot it is rendered from, and who is on it.

A document of record is rendered from a *snapshot*: plain data taken once, at issue, and never
looked up again. Snapshots are immutable `msgspec` structs: services fill them with `Decimal` and
`date`, `to_dict()` gives what is stored (decimals as strings, dates as ISO 8601), and `from_dict()`
reads it back, naming the field that is wrong. Pure: no Django, no clock, no database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Self, cast

import msgspec

from agencyportal.core.money import is_currency, round_money

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
SHA256 = re.compile(r"[0-9a-f]{64}")
DEFAULT_COLOUR = "#1d4f91"


class SnapshotError(ValueError):
    """A snapshot that must not be printed: a field is wrong, or amounts do not add up."""


class Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything in a snapshot: immutable, and a misspelt field is an error."""


class Span(Frozen, frozen=True, kw_only=True):
    """Local calendar days as people write them: `first` and `last` both belong to the span."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise SnapshotError(
                f"A span of days ends ({self.last}) before it begins ({self.first})."
            )


class Party(Frozen, frozen=True, kw_only=True):
    """A legal person on a document, as its data stood at issue."""

    name: str
    """Legal name."""
    address: tuple[str, ...] = ()
    """Lines as printed, without the country."""
    street: tuple[str, ...] = ()
    """Of the address, what is neither postal code nor town nor region: for programs that read."""
    postal_code: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    """ISO 3166-1 alpha-2; printed in the document's language."""
    tax_id: str = ""
    """VAT id or other tax number, as printed."""
    registration: str = ""
    """Company register entry, as printed; may be empty."""
    email: str = ""
    phone: str = ""
    website: str = ""


class Brand(Frozen, frozen=True, kw_only=True):
    """How an agency looks on a document. The colour and the logo are checked, not trusted."""

    name: str
    colour: str = DEFAULT_COLOUR
    """`#rrggbb`, nothing else: it is the one value that reaches a style sheet."""
    logo: str = ""
    """SHA-256 of the stored picture, or empty: the brand's name is printed instead."""
    email: str = ""
    website: str = ""

    def __post_init__(self) -> None:
        if not COLOUR.fullmatch(self.colour):
            raise SnapshotError(
                f"The brand colour of {self.name!r} is {self.colour!r}; write it as #rrggbb."
            )
        if self.logo and not SHA256.fullmatch(self.logo):
            raise SnapshotError(f"The logo of {self.name!r} is not named by its SHA-256.")


class Snapshot(Frozen, frozen=True, kw_only=True):
    """A whole document. Subclasses add the fields and check in `__post_init__` that they add up."""

    def to_dict(self) -> dict[str, Any]:
        """The stored form: JSON types only, decimals as strings, dates as ISO 8601."""
        return cast(dict[str, Any], msgspec.json.decode(msgspec.json.encode(self)))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read the stored form back.

        Raises `SnapshotError` naming the field that is missing, unknown, of the wrong type, or a
        float (which no amount may ever be), and when the amounts do not add up.
        """
        _refuse_floats(stored, "$")
        try:
            return msgspec.convert(dict(stored), cls)
        except msgspec.ValidationError as error:
            raise SnapshotError(f"{cls.__name__}: {error}") from error


def _refuse_floats(value: object, path: str) -> None:
    if isinstance(value, float):
        raise SnapshotError(
            f"{path} is the float {value!r}; amounts are stored as decimal strings."
        )
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_floats(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_floats(item, f"{path}[{index}]")


def must_add_up(what: str, stated: Decimal, parts: Iterable[Decimal]) -> None:
    """Raise `SnapshotError` unless `stated` is exactly the sum of `parts`."""
    total = sum(parts, Decimal(0))
    if total != stated:
        raise SnapshotError(
            f"{what} is stated as {stated}, but what is printed beside it adds up to {total}."
        )


def must_be_printable(currency: str, amounts: Iterable[Decimal]) -> None:
    """Raise `SnapshotError` for an amount finer than the currency.

    It would be rounded in print, and the printed column would no longer add up.
    """
    if not is_currency(currency):
        raise SnapshotError(f"{currency!r} is not an ISO 4217 currency code.")
    for amount in amounts:
        if amount != round_money(amount, currency):
            raise SnapshotError(
                f"{amount} {currency} has more decimal places than {currency} is printed with."
            )
