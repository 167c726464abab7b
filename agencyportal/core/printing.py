"""From a snapshot to a document's HTML: what every document's template is given.

Templates are dumb: they get finished strings and escape them. Amounts, dates and names are
formatted here and in each document's view, in the document's locale, whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from stdnum.eu.vat import MEMBER_STATES

from agencyportal.core.charts import ChartColours
from agencyportal.core.colours import readable_on_white, tinted
from agencyportal.core.documents import Brand, Party
from agencyportal.core.formats import Formats
from agencyportal.core.logos import logo_uri


@dataclass(frozen=True)
class Palette:
    """The colours of one document, all from the brand's one."""

    brand: str
    ink: str
    tint: str
    chart: ChartColours

    @classmethod
    def of(cls, brand: Brand) -> Palette:
        ink = readable_on_white(brand.colour)
        return cls(
            brand=brand.colour,
            ink=ink,
            tint=tinted(ink, 6),
            chart=ChartColours(within=tinted(ink, 38), beyond=ink),
        )

    @property
    def style(self) -> SafeString:
        """Custom properties for the document's `<style>`; made of checked #rrggbb values only."""
        return mark_safe(  # noqa: S308
            f"--brand: {self.brand}; --brand-ink: {self.ink}; --brand-tint: {self.tint};"
        )


COUNTRIES_WITH_VAT = frozenset(code.upper() for code in MEMBER_STATES) - {"XI"} | {"CH", "GB", "NO"}
"""Where the tax on sales is called value added tax (ISO 3166-1)."""

_LETTERS = {"GR": "EL"}
"""Where a VAT id does not begin with the letters of its country."""


@dataclass(frozen=True)
class PartyBlock:
    """A party as its address block prints."""

    name: str
    address: Sequence[str]
    tax_id: str
    is_vat_id: bool
    """Whether the tax id begins with its country's letters: others are numbers of a tax office."""
    registration: str
    email: str
    phone: str
    website: str

    @classmethod
    def of(cls, party: Party, formats: Formats) -> PartyBlock:
        country = (formats.country(party.country),) if party.country else ()
        return cls(
            name=party.name,
            address=(*party.address, *country),
            tax_id=party.tax_id,
            is_vat_id=party.country in COUNTRIES_WITH_VAT
            and party.tax_id.upper().startswith(_LETTERS.get(party.country, party.country)),
            registration=party.registration,
            email=party.email,
            phone=party.phone,
            website=party.website,
        )


class RunningSum:
    """The sum down a column, as pages hand it on: written above and below a table that breaks.

    The style sheet shows what the first row of a page says was `brought`, and what its last row
    says is `carried`. Use inside the document's language.
    """

    def __init__(self, formats: Formats) -> None:
        self._formats = formats
        self._sum = Decimal(0)
        self._words = ""

    @property
    def brought(self) -> str:
        """What was added so far, for the top of a page; empty before the first amount."""
        return self._words and _("Subtotal brought forward: %(amount)s") % {"amount": self._words}

    @property
    def carried(self) -> str:
        """The same for the foot of a page."""
        return self._words and _("Subtotal carried forward: %(amount)s") % {"amount": self._words}

    def add(self, amount: Decimal) -> dict[str, str]:
        """Count one row's amount; returns what the row says."""
        brought = self.brought
        self._sum += amount
        self._words = self._formats.money(self._sum)
        return {"brought": brought, "carried": self.carried}


def render_document(
    template: str,
    *,
    formats: Formats,
    brand: Brand,
    issuer: Party,
    context: Mapping[str, Any],
) -> str:
    """The HTML of one document. `issuer` is the legal person whose data the footer prints.

    Call it, and build `context`, inside `translation.override(formats.language)`. Raises
    `MissingLogoError` where the brand's logo is not in the storage as it was at issue.
    """
    frame = {
        "formats": formats,
        "brand": brand,
        "logo": logo_uri(brand.logo) if brand.logo else "",
        "palette": Palette.of(brand),
        "issuer": PartyBlock.of(issuer, formats),
    }
    return render_to_string(template, {**frame, **context})


def in_language_of(formats: Formats) -> Any:
    """Context manager: Django's translations in the document's language, not the worker's."""
    return translation.override(formats.language)
