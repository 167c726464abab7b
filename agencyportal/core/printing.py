"""From a snapshot to a document's HTML: what every document's template is given.

Templates are dumb: they get finished strings and escape them. Amounts, dates and names are
formatted here and in each document's view, in the document's locale, whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe

from agencyportal.core.charts import ChartColours
from agencyportal.core.colours import readable_on_white, tinted
from agencyportal.core.documents import Brand, Party
from agencyportal.core.formats import Formats


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


@dataclass(frozen=True)
class PartyBlock:
    """A party as its address block prints."""

    name: str
    address: Sequence[str]
    tax_id: str
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
            registration=party.registration,
            email=party.email,
            phone=party.phone,
            website=party.website,
        )


def render_document(
    template: str,
    *,
    formats: Formats,
    brand: Brand,
    issuer: Party,
    context: Mapping[str, Any],
) -> str:
    """The HTML of one document. `issuer` is the legal person whose data the footer prints.

    Call it, and build `context`, inside `translation.override(formats.language)`.
    """
    frame = {
        "formats": formats,
        "brand": brand,
        "palette": Palette.of(brand),
        "issuer": PartyBlock.of(issuer, formats),
    }
    return render_to_string(template, {**frame, **context})


def in_language_of(formats: Formats) -> Any:
    """Context manager: Django's translations in the document's language, not the worker's."""
    return translation.override(formats.language)
