"""Numbers, dates and countries as a document prints them. Babel underneath; pure, no Django."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from zoneinfo import ZoneInfo

from babel.core import Locale
from babel.dates import (
    format_date,
    format_interval,
    format_skeleton,
    format_time,
    get_timezone_location,
)
from babel.lists import format_list
from babel.numbers import format_decimal, format_percent

from agencyportal.core.documents import Span
from agencyportal.core.money import format_money, format_unit_price

LETTER_PAPER = frozenset(("US", "CA", "MX", "PH", "CL", "CO", "VE", "GT", "CR", "PA", "DO", "PR"))
"""Territories that print on US Letter; everybody else uses A4 (CLDR, measurement data)."""

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Formats:
    """How one document writes things: a locale ("de-DE", "en_US") and a currency (ISO 4217)."""

    locale: str
    currency: str

    @cached_property
    def _babel(self) -> Locale:
        return Locale.parse(self.locale.replace("-", "_"))

    @property
    def language(self) -> str:
        """The language alone, as Django's translations name it: "de"."""
        return self._babel.language

    @property
    def bcp47(self) -> str:
        """The tag for HTML's `lang`: "de-DE"."""
        return str(self._babel).replace("_", "-")

    @property
    def paper(self) -> str:
        return "Letter" if self._babel.territory in LETTER_PAPER else "A4"

    def money(self, amount: Decimal) -> str:
        return _typographic(format_money(amount, self.currency, str(self._babel)))

    def unit_price(self, amount: Decimal) -> str:
        return _typographic(format_unit_price(amount, self.currency, str(self._babel)))

    def quantity(self, quantity: Decimal) -> str:
        number = format_decimal(
            quantity.normalize(), locale=self._babel, decimal_quantization=False
        )
        return _typographic(number)

    def percent(self, rate: Decimal) -> str:
        """`rate` in percent, as tax rates are stored: Decimal("19") prints "19%"."""
        number = format_percent(rate / 100, locale=self._babel, decimal_quantization=False)
        return _typographic(number)

    def day(self, day: date) -> str:
        """For tables: "Jan 31, 2026", "31.01.2026"."""
        return format_date(day, "medium", locale=self._babel)

    def long_day(self, day: date) -> str:
        return format_date(day, "long", locale=self._babel)

    def moment(self, instant: datetime, timezone: str) -> str:
        """Day and time of day in a zone: "February 3, 2026, 2:15\u202fPM (New York)"."""
        local = instant.astimezone(ZoneInfo(timezone))
        time = format_time(local, "short", locale=self._babel).replace("\u202f", "\xa0")
        town = get_timezone_location(timezone, locale=self._babel, return_city=True)
        return f"{self.long_day(local.date())}, {time} ({town})"

    def short_day(self, day: date) -> str:
        """Without the year, for axes: "Jan 31", "31. Jan."."""
        return format_skeleton("MMMd", day, locale=self._babel)

    def month(self, first: date) -> str:
        return format_skeleton("yMMMM", first, locale=self._babel)

    def span(self, span: Span) -> str:
        """Both days: "Jan 1 – 31, 2026"."""
        text: str = format_interval(span.first, span.last, "yMMMd", locale=self._babel)
        return text.replace("\u2009", " ").replace("\u202f", "\xa0")

    def listed(self, names: Sequence[str]) -> str:
        """ "one, two, and three"."""
        written: str = format_list(names, locale=self._babel)
        return written

    def country(self, code: str) -> str:
        name: str = self._babel.territories.get(code.upper(), code)
        return name


def _typographic(number: str) -> str:
    return number.replace("-", MINUS)
