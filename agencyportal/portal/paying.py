"""How a top-up can be paid, as a client sees it: the price with its tax, and the ways to pay."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from agencyportal.portal.visits import Visit
from billing import stripe_gateway
from billing.models import BillingPeriod, TopUpBand
from billing.selectors import balances
from billing.services.stripe_customers import customer_of
from billing.services.top_up_orders import price_of


@dataclass(frozen=True, slots=True)
class Paying:
    """What a band comes to, and how it can be paid now. Texts are finished."""

    net: str
    tax: str
    """With its rate; empty where there is none."""
    gross: str
    covers: str
    """What is left once it is bought; empty where that has no end."""
    is_online: bool
    """Whether it can be paid now, or on account alone."""
    card: str
    """The saved card: "Visa •••• 4242"; empty where none is."""

    @classmethod
    def of(cls, visit: Visit, *, band: TopUpBand, period: BillingPeriod) -> Paying:
        writing = visit.writing
        price = price_of(client=visit.client, band=band, currency=period.currency, now=visit.now)
        rate = next((s.treatment.rate for s in price.subtotals if s.tax), Decimal(0))
        tax = ""
        if price.tax:
            tax = _("%(amount)s tax (%(rate)s%%)") % {
                "amount": writing.price(price.tax, period.currency),
                "rate": writing.quantity(rate),
            }
        customer = customer_of(visit.client)
        return cls(
            net=writing.price(price.net, period.currency),
            tax=tax,
            gross=writing.price(price.gross, period.currency),
            covers=_covers(visit, band, period),
            is_online=stripe_gateway.is_on() and price.gross > 0,
            card=customer.card_in_words if customer is not None else "",
        )


def _covers(visit: Visit, band: TopUpBand, period: BillingPeriod) -> str:
    """What the client has then: what is left now and what it buys."""
    for balance in balances(workspace=period.workspace, now=visit.now):
        if balance.unit.pk == band.unit_id and balance.remaining is not None:
            left = max(balance.remaining, Decimal(0)) + band.quantity
            return _("%(units)s left once it is bought") % {
                "units": visit.writing.units(left, band.unit)
            }
    return ""
