"""Which tax an agency's client owes on a day: the dated rate of its country."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import TaxRate
from billing.tax import WITH_REASON, TaxCategory, TaxTreatment
from clients.models import Client

USUAL_REASONS: dict[TaxCategory, Promise] = {
    TaxCategory.EXEMPT: gettext_lazy("Exempt from tax."),
    TaxCategory.REVERSE_CHARGE: gettext_lazy("Reverse charge: the recipient owes the tax."),
    TaxCategory.OUTSIDE_SCOPE: gettext_lazy("Not subject to tax."),
}
"""Printed where the rate's row gives no wording of its own."""


def rates_in_force(clients: Iterable[Client], *, on: dt.date) -> dict[int, TaxRate]:
    """The rates by which the platform's lines on invoices dated ``on`` are taxed, by client.

    The one that the client's agency has set for the client's country, the latest one in effect;
    a client without one is left out. One query.
    """
    places = {client.pk: (client.agency_id, client.country) for client in clients}
    rates = TaxRate.objects.filter(
        agency__in={agency_id for agency_id, _ in places.values()},
        country__in={country for _, country in places.values()},
        effective_from__lte=on,
    )
    latest = {(rate.agency_id, rate.country): rate for rate in rates.order_by("effective_from")}
    return {pk: latest[place] for pk, place in places.items() if place in latest}


def treatment_at(rate: TaxRate | None) -> TaxTreatment:
    """How the platform's lines are taxed at a rate.

    Without one nothing is taxed and the invoice says so: category O of EN 16931. The reason is in
    the language that is active.
    """
    if rate is None:
        return outside_scope()
    category = TaxCategory(rate.category)
    if category not in WITH_REASON:
        return TaxTreatment(category, rate.percent)
    return TaxTreatment(category, rate.percent, rate.reason or str(USUAL_REASONS[category]))


def outside_scope(reason: str = "") -> TaxTreatment:
    """No tax of ours, for ``reason``."""
    outside = TaxCategory.OUTSIDE_SCOPE
    return TaxTreatment(outside, reason=reason or str(USUAL_REASONS[outside]))


def collected_elsewhere(agency_name: str) -> TaxTreatment:
    """Of a line that the agency invoices itself: its tax is the agency's affair."""
    return outside_scope(_("Invoiced by %(agency)s.") % {"agency": agency_name})
