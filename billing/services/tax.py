"""Which tax an agency's client owes on a day: fetches what `tax_rules` decides by, and words it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import TaxExemption, TaxRate
from billing.tax import WITH_REASON, TaxCategory, TaxTreatment
from billing.tax_rules import DatedExemption, DatedRate, TaxDecision, TaxParty, decide
from clients.models import Client, Platform

USUAL_REASONS: dict[TaxCategory, Promise] = {
    TaxCategory.EXEMPT: gettext_lazy("Exempt from tax."),
    TaxCategory.REVERSE_CHARGE: gettext_lazy("Reverse charge: the recipient owes the tax."),
    TaxCategory.OUTSIDE_SCOPE: gettext_lazy("Not subject to tax."),
}
"""Printed where the rate's row gives no wording of its own. Where a law names the very words, the
catalogue of that language has them: in German those of § 14a (5) UStG."""


def treatments_of(clients: Iterable[Client], *, on: dt.date) -> dict[int, TaxTreatment]:
    """How the platform's lines on invoices dated ``on`` are taxed, by client, in its language.

    `tax_rules.decide` says how, the platform being the seller. As many queries for many as for
    one: three.
    """
    by_id = {client.pk: client for client in clients}
    platform = Platform.objects.first()
    seller = _party(platform) if platform else TaxParty(country="")
    rates = _rates(by_id.values(), seller, on)
    exemptions = _exemptions(by_id, on)
    treatments = {}
    for pk, client in by_id.items():
        decision = decide(
            seller=seller,
            buyer=_party(client),
            rates=rates[client.agency_id],
            exemptions=exemptions[pk],
            on=on,
        )
        with translation.override(client.language):
            treatments[pk] = _worded(decision)
    return treatments


def _party(row: Platform | Client) -> TaxParty:
    return TaxParty(country=row.country, tax_id=row.tax_id)


def _rates(
    clients: Iterable[Client], seller: TaxParty, on: dt.date
) -> defaultdict[int, list[DatedRate]]:
    places = {(client.agency_id, client.country) for client in clients}
    rows = TaxRate.objects.filter(
        agency__in={agency_id for agency_id, _ in places},
        country__in={country for _, country in places} | {seller.country},
        effective_from__lte=on,
    )
    found: defaultdict[int, list[DatedRate]] = defaultdict(list)
    for row in rows:
        rate = DatedRate(
            country=row.country,
            effective_from=row.effective_from,
            category=TaxCategory(row.category),
            percent=row.percent,
            reason=row.reason,
            reason_code=row.reason_code,
        )
        found[row.agency_id].append(rate)
    return found


def _exemptions(client_ids: Iterable[int], on: dt.date) -> defaultdict[int, list[DatedExemption]]:
    found: defaultdict[int, list[DatedExemption]] = defaultdict(list)
    for row in TaxExemption.objects.filter(client__in=list(client_ids), effective_from__lte=on):
        exemption = DatedExemption(
            effective_from=row.effective_from,
            until=row.until,
            is_exempt=row.is_exempt,
            reason=row.reason,
            reason_code=row.reason_code,
        )
        found[row.client_id].append(exemption)
    return found


def _worded(decision: TaxDecision) -> TaxTreatment:
    """A decision with the reason that is printed, in the language that is active."""
    category = decision.category
    if category not in WITH_REASON:
        return TaxTreatment(category, decision.percent)
    reason = decision.reason or str(USUAL_REASONS[category])
    return TaxTreatment(category, decision.percent, reason, decision.reason_code)


def outside_scope(reason: str = "") -> TaxTreatment:
    """No tax of ours, for ``reason``."""
    outside = TaxCategory.OUTSIDE_SCOPE
    return TaxTreatment(outside, reason=reason or str(USUAL_REASONS[outside]))


def collected_elsewhere(agency_name: str) -> TaxTreatment:
    """Of a line that the agency invoices itself: its tax is the agency's affair."""
    return outside_scope(_("Invoiced by %(agency)s.") % {"agency": agency_name})
