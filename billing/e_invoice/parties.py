"""Who sells and who buys, as a Cross Industry Invoice names them."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

from agencyportal.core.documents import Party
from billing.e_invoice.xml import child, cleaned, first_of, text_child

VAT_PREFIXES: Final = {"GR": ("EL", "GR"), "GB": ("GB", "XI")}
"""Where the letters before a VAT id are not, or not only, the country's."""

LINES: Final = ("LineOne", "LineTwo", "LineThree")


def vat_id(party: Party) -> str:
    """The party's VAT id as the norm writes it: its country's letters first, nothing between.

    Empty where the party has another kind of tax number, or none.
    """
    compact = re.sub(r"[\s.\-/]", "", cleaned(party.tax_id)).upper()
    prefixes = VAT_PREFIXES.get(party.country, (party.country,))
    has_prefix = bool(party.country) and compact.startswith(prefixes) and len(compact) > 3
    return compact if has_prefix else ""


def seller(parent: Element, party: Party, *, names_vat: bool) -> None:
    """``names_vat`` is False on a document outside the scope of tax (BR-O-02).

    Somebody without a VAT id and without a registration is identified by its address for mail, or
    by its name (BR-CO-26 wants something).
    """
    element = child(parent, "SellerTradeParty")
    vat = vat_id(party) if names_vat else ""
    registration = cleaned(party.registration)
    if not vat and not registration:
        child(element, "ID", first_of((party.tax_id, party.email, party.name)))
    _name_and_address(element, party, registration)
    if vat:
        _tax_registration(element, vat, "VA")
    elif names_vat and cleaned(party.tax_id):
        _tax_registration(element, party.tax_id, "FC")


def buyer(parent: Element, party: Party, *, names_vat: bool) -> None:
    """A number that is no VAT id stands as the registration: the norm has no other place."""
    element = child(parent, "BuyerTradeParty")
    vat = vat_id(party)
    other = "" if vat else cleaned(party.tax_id)
    _name_and_address(element, party, first_of((party.registration, other)))
    if vat and names_vat:
        _tax_registration(element, vat, "VA")


def place(parent: Element, name: str, party: Party) -> None:
    """Where something was delivered to: the party's address alone."""
    _address(child(parent, name), party)


def _name_and_address(element: Element, party: Party, registration: str) -> None:
    child(element, "Name", party.name)
    if cleaned(registration):
        child(child(element, "SpecifiedLegalOrganization"), "ID", registration)
    _address(element, party)
    if cleaned(party.email):
        electronic = child(element, "URIUniversalCommunication")
        child(electronic, "URIID", party.email, schemeID="EM")


def _address(element: Element, party: Party) -> None:
    address = child(element, "PostalTradeAddress")
    lines = [line for line in party.street or party.address if cleaned(line)]
    if len(lines) > len(LINES):
        lines = [*lines[:2], ", ".join(lines[2:])]
    text_child(address, "PostcodeCode", party.postal_code)
    for name, line in zip(LINES, lines, strict=False):
        child(address, name, line)
    text_child(address, "CityName", party.city)
    child(address, "CountryID", party.country)
    text_child(address, "CountrySubDivisionName", party.region)


def _tax_registration(element: Element, number: str, scheme: str) -> None:
    child(child(element, "SpecifiedTaxRegistration"), "ID", number, schemeID=scheme)
