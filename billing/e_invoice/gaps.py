"""What EN 16931 asks for and a document does not have.

Such a document is issued all the same, on paper alone: a client without a country can be invoiced,
and a US agency has no VAT id. Each gap says in words what is missing and where it is entered.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cache

from babel.core import Locale

from agencyportal.core.documents import Party
from agencyportal.core.money import round_half_up
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.e_invoice.parties import vat_id
from billing.e_invoice.xml import cleaned

NOT_COUNTRIES = frozenset(
    ("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ")
)
"""Two letters that Babel names and ISO 3166-1 does not."""

WITH_SELLERS_TAX_ID = frozenset({"S", "Z", "E", "AE", "K", "G"})
"""BR-S-02, BR-Z-02, BR-E-02, BR-AE-02, BR-IC-02, BR-G-02."""

WITH_BUYERS_TAX_ID = {"AE": "reverse charge", "K": "an intra-community supply"}
"""BR-AE-02, BR-IC-02."""

WITH_REASON = frozenset({"E", "AE", "K", "G", "O"})
"""BR-E-10, BR-AE-10, BR-IC-10, BR-G-10, BR-O-10."""

ONLY_VAT_ID = frozenset({"K", "G"})
"""Where a tax number that is no VAT id will not do."""


def gaps(snapshot: InvoiceSnapshot) -> list[str]:
    """Why there is no e-invoice of this document, in sentences; empty: there is one."""
    return list(_gaps(snapshot))


def _gaps(snapshot: InvoiceSnapshot) -> Iterator[str]:
    seller, buyer = snapshot.seller, snapshot.buyer
    if not cleaned(snapshot.number):
        yield "It is a draft."
    yield from _of_party(seller, "The platform")
    yield from _of_party(buyer, "The client")
    categories = {tax.category for tax in snapshot.taxes}
    if categories & WITH_SELLERS_TAX_ID and not cleaned(seller.tax_id):
        yield "The platform has no tax id, which a document with tax, or exempt from it, names."
    if categories & ONLY_VAT_ID and not vat_id(seller):
        yield "The platform has no VAT id with its country's letters, which an export names."
    for category in sorted(categories & set(WITH_BUYERS_TAX_ID)):
        if not (vat_id(buyer) if category in ONLY_VAT_ID else cleaned(buyer.tax_id)):
            yield f"The client has no VAT id, which {WITH_BUYERS_TAX_ID[category]} names."
    if "O" in categories and len(categories) > 1:
        yield "It mixes what is outside the scope of tax with what is not."
    yield from _of_taxes(snapshot)
    if any(value != round_half_up(value, 2) for value in snapshot.amounts()):
        yield (
            f"Its amounts need three decimal places in {snapshot.currency}; "
            "the norm has two for every currency."
        )


def _of_taxes(snapshot: InvoiceSnapshot) -> Iterator[str]:
    for tax in snapshot.taxes:
        if tax.category in WITH_REASON and not cleaned(tax.reason):
            yield f"It does not say why no tax is charged (category {tax.category})."
    stated = {(tax.category, tax.rate): tax.base for tax in snapshot.taxes}
    nets: dict[tuple[str, Decimal], Decimal] = {}
    for section in snapshot.sections:
        for line in section.lines:
            group = (line.tax_category, line.tax_rate)
            nets[group] = nets.get(group, Decimal(0)) + line.net
    if nets.items() - stated.items():
        yield "Its lines and its tax do not agree on what is taxed how."


def _of_party(party: Party, who: str) -> Iterator[str]:
    if not cleaned(party.name):
        yield f"{who} has no name."
    if not party.country:
        yield f"{who} has no country in its address."
    elif not _is_country(party.country):
        yield f"{who}'s country {party.country!r} is none of ISO 3166-1."


@cache
def _is_country(code: str) -> bool:
    names = Locale("en").territories
    return len(code) == 2 and code.isalpha() and code in names and code not in NOT_COUNTRIES
