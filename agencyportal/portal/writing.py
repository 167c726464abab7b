"""How a client's pages write numbers, money, days and times: in its locale and its time zone.

The words around them are English, marked for translation.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import cached_property
from zoneinfo import ZoneInfo

from babel.core import Locale
from babel.dates import format_date, format_skeleton, format_time, get_timezone_location
from babel.numbers import format_percent
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agencyportal.core.documents import Span
from agencyportal.core.formats import Formats
from agencyportal.core.money import exact_arithmetic, minor_digits, round_half_up, whole_percent
from agencyportal.core.periods import local_date
from clients.models import UsageUnit

SOON = dt.timedelta(hours=48)
"""An offer that ends within this says so (ENGINE 9)."""

_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class Writing(Formats):
    """A client's way of writing things, at one moment (``now``, aware) and in one time zone."""

    timezone: str
    now: dt.datetime

    @cached_property
    def today(self) -> dt.date:
        return local_date(self.now, self.timezone)

    @property
    def place(self) -> str:
        """The town that the clock is of: "New York"."""
        town: str = get_timezone_location(
            self.timezone, locale=Locale.parse(self.locale), return_city=True
        )
        return town

    def price(self, amount: Decimal, currency: str) -> str:
        """Money in a currency of its own: a plan's or an invoice's."""
        return Formats(self.locale, currency).money(amount)

    def rate(self, amount: Decimal, currency: str) -> str:
        """The price of one, with all the decimal places that it has."""
        return Formats(self.locale, currency).unit_price(amount)

    def average(self, amount: Decimal, quantity: Decimal, currency: str) -> str:
        """What one of ``quantity`` comes to, for comparing: two places beyond the currency's."""
        with exact_arithmetic():
            one = round_half_up(amount / quantity, minor_digits(currency) + 2)
        return self.rate(one, currency)

    def units(self, quantity: Decimal, unit: UsageUnit) -> str:
        """ "1 conversation", "1,200 conversations"."""
        return f"{self.quantity(quantity)} {unit.name if quantity == 1 else unit.plural}"

    def share(self, part: Decimal, whole: Decimal) -> str:
        """In whole percent; what is there is never 0%, and what lacks something never 100%."""
        if not whole or not part:
            return self.percent(Decimal(0))
        percent = whole_percent(part, whole)
        return self.percent(Decimal(percent)) if percent else f"<{self.percent(Decimal(1))}"

    def fine_share(self, part: Decimal, whole: Decimal) -> str:
        """``part`` of ``whole`` in percent with one decimal place: for small shares."""
        share = part / whole if whole else Decimal(0)
        text: str = format_percent(share, format="#,##0.0%", locale=Locale.parse(self.locale))
        return text

    def date_of(self, instant: dt.datetime) -> dt.date:
        return local_date(instant, self.timezone)

    def on(self, instant: dt.datetime) -> str:
        """The local day, as in a sentence: "April 1, 2026"."""
        return self.long_day(self.date_of(instant))

    def span_of_days(self, first: dt.date, last: dt.date) -> str:
        """Both days belong to it: "Mar 1 – 31, 2026"."""
        return self.span(Span(first=first, last=last))

    def about(self, quantity: Decimal) -> str:
        """A pace or an average, with at most one decimal place."""
        return self.quantity(quantity.quantize(Decimal("0.1"), ROUND_HALF_UP))

    def weekday(self, day: dt.date) -> str:
        """For lists of days: "Wed, Apr 1"."""
        text: str = format_skeleton("MMMEd", day, locale=Locale.parse(self.locale))
        return text

    def at(self, instant: dt.datetime) -> str:
        """Day and time of day: "Apr 1, 2026, 3:05 PM"."""
        local = Locale.parse(self.locale)
        day = format_date(self.date_of(instant), "medium", locale=local)
        time = format_time(instant, "short", tzinfo=self._zone, locale=local)
        return f"{day}, {time}".replace("\u202f", "\xa0")

    def until(self, instant: dt.datetime) -> str:
        """An exclusive end: its last day where it falls on a day's start, else day and time."""
        if self.date_of(instant) != self.date_of(instant - _MICROSECOND):
            return self.on(instant - _MICROSECOND)
        return self.at(instant)

    def days_from_now(self, day: dt.date) -> str:
        """ "today", "in 9 days", "3 days ago"."""
        days = (day - self.today).days
        if days == 0:
            return _("today")
        if days == 1:
            return _("tomorrow")
        if days == -1:
            return _("yesterday")
        if days > 0:
            return ngettext("in %(days)s day", "in %(days)s days", days) % {
                "days": self.quantity(Decimal(days))
            }
        return ngettext("%(days)s day ago", "%(days)s days ago", -days) % {
            "days": self.quantity(Decimal(-days))
        }

    def hours_left(self, instant: dt.datetime) -> str:
        """ "in 31 hours", for what is near."""
        hours = Decimal((instant - self.now) / dt.timedelta(hours=1))
        whole = int(hours.to_integral_value(ROUND_FLOOR))
        if whole < 1:
            return _("in less than an hour")
        return ngettext("in %(hours)s hour", "in %(hours)s hours", whole) % {"hours": whole}

    def is_soon(self, instant: dt.datetime | None) -> bool:
        return instant is not None and instant - self.now <= SOON

    @cached_property
    def _zone(self) -> dt.tzinfo:

        return ZoneInfo(self.timezone)
