"""What charges say they are for: written in English, printed in the client's language.

A charge is a row of the books, which people of different languages read; so is the line of an
invoice, and what a snapshot freezes of it. The document, and the e-invoice inside it, say it in
the client's words. What an agency named itself (fees, units, top-ups) stays as it is.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from django.utils.translation import gettext, gettext_noop
from msgspec.structs import replace

from agencyportal.core.formats import Formats
from agencyportal.core.printing import in_language_of
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.proration import Share

OVERAGE: Final = gettext_noop("Overage: %(units)s")
LATE_USAGE: Final = gettext_noop("Late usage: %(units)s, %(first)s to %(last)s")
MINIMUM: Final = gettext_noop("Minimum commitment")
PART_OF_FEE: Final = gettext_noop("%(fee)s (%(days)s of %(full_days)s days)")
CREDIT: Final = gettext_noop("Credit: %(fee)s")
DISCOUNT: Final = gettext_noop("Discount: %(name)s")
DISCOUNT_TAKEN_BACK: Final = gettext_noop("Discount taken back: %(name)s")

_ALL: Final = (OVERAGE, LATE_USAGE, MINIMUM, CREDIT, DISCOUNT, DISCOUNT_TAKEN_BACK, PART_OF_FEE)
_PLACES: Final = {
    "days": r"\d+",
    "full_days": r"\d+",
    "first": r"\d{4}-\d\d-\d\d",
    "last": r"\d{4}-\d\d-\d\d",
}
_DAYS: Final = ("first", "last")


def fee_in_words(fee: str, share: Share | None) -> str:
    """A fee's description: asked for as a whole, or for a share of its days."""
    if share is None:
        return fee
    return PART_OF_FEE % {"fee": fee, "days": share.days, "full_days": share.full_days}


def in_words(description: str, formats: Formats) -> str:
    """A charge's description in the language that is active, its days as ``formats`` writes them.

    One that is none of ours is what somebody named, and stays.
    """
    for words, shape in _SHAPES:
        if match := shape.fullmatch(description):
            values = match.groupdict()
            for name in _DAYS:
                if name in values:
                    values[name] = formats.day(dt.date.fromisoformat(values[name]))
            return gettext(words) % values
    return description


def in_its_language(snapshot: InvoiceSnapshot) -> InvoiceSnapshot:
    """The snapshot with its lines in the document's language, as it is printed."""
    formats = Formats(snapshot.locale, snapshot.currency)
    if formats.language == "en":
        return snapshot
    with in_language_of(formats):
        sections = tuple(
            replace(
                section,
                lines=tuple(
                    replace(line, description=in_words(line.description, formats))
                    for line in section.lines
                ),
            )
            for section in snapshot.sections
        )
        collected = tuple(
            replace(line, description=in_words(line.description, formats))
            for line in snapshot.collected_by_agency
        )
    return replace(snapshot, sections=sections, collected_by_agency=collected)


def _shape(words: str) -> re.Pattern[str]:
    """What matches a description that was written with these words."""
    parts = re.split(r"%\((\w+)\)s", words)
    texts, names = parts[::2], parts[1::2]
    places = [f"(?P<{name}>{_PLACES.get(name, '.+')})" for name in names]
    shape = "".join(
        re.escape(text) + place for text, place in zip(texts, [*places, ""], strict=True)
    )
    return re.compile(shape, re.DOTALL)


_SHAPES: Final = tuple((words, _shape(words)) for words in _ALL)
