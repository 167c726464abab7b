"""Which tax an agency's client owes on a day: the dated rate of its country."""

from __future__ import annotations

import datetime as dt

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


def treatment_of(*, client: Client, on: dt.date) -> TaxTreatment:
    """How the platform's lines on an invoice dated ``on`` are taxed.

    The rate that the client's agency has set for the client's country, the latest one in effect.
    Without one (or without a country) nothing is taxed and the invoice says so: category O of
    EN 16931. The reason is in the language that is active.
    """
    rate = (
        TaxRate.objects.for_agency(client.agency_id)
        .filter(country=client.country, effective_from__lte=on)
        .order_by("-effective_from")
        .first()
    )
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
