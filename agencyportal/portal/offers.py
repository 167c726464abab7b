"""A band as it is offered to a client now: price, expiry, whose invoice, who may buy."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from agencyportal.core.periods import local_date
from agencyportal.portal.terms import TermsInWords
from agencyportal.portal.visits import Visit
from billing.models import BillingPeriod, TopUpBand
from billing.selectors.periods import bounds_of
from billing.services.purchases import next_bounds
from billing.simulation import top_up_expiry
from clients.models import Workspace

_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Offer:
    """One band for one workspace. Texts are finished; a template only places them."""

    band: TopUpBand
    period: BillingPeriod
    """The running one, in which it would be bought."""
    name: str
    units: str
    price: str
    each: str
    """Price of one, to compare bands by."""
    lasts: str
    expires: str
    expires_soon: str
    """Said when what is bought now ends within 48 hours; else empty."""
    from_next_period: str
    """Where that is so and another period comes: when it could start instead; else empty."""
    invoice: str
    client_may_buy: bool
    """Whether the client's admins may buy it, or the agency alone."""
    viewer_buys: bool
    """Whether whoever looks at it may."""
    url: str

    @classmethod
    def of(
        cls, visit: Visit, *, workspace: Workspace, band: TopUpBand, period: BillingPeriod
    ) -> Offer:
        writing = visit.writing
        words = TermsInWords(writing=writing, currency=period.currency, agency=visit.agency.name)
        expires_at = top_up_expiry(band.expires, visit.now, bounds_of(period), period.timezone)
        client_may_buy = band.buyer == TopUpBand.Buyer.CLIENT
        return cls(
            band=band,
            period=period,
            name=band.name,
            units=writing.units(band.quantity, band.unit),
            price=writing.price(band.price, period.currency),
            each=_("%(price)s each")
            % {"price": writing.average(band.price, band.quantity, period.currency)},
            lasts=words.expiry(band),
            expires=_expires(visit, expires_at),
            expires_soon=_soon(visit, period, expires_at),
            from_next_period=_next_period(visit, period, expires_at),
            invoice=_invoice(visit, period),
            client_may_buy=client_may_buy,
            viewer_buys=client_may_buy and visit.may_buy,
            url=reverse("portal:offer", args=[visit.client.pk, workspace.pk, band.pk]),
        )


def _expires(visit: Visit, expires_at: dt.datetime | None) -> str:
    if expires_at is None:
        return _("Never expires")
    return _("Usable through %(day)s") % {"day": visit.writing.until(expires_at)}


def _soon(visit: Visit, period: BillingPeriod, expires_at: dt.datetime | None) -> str:
    if expires_at is None or not visit.writing.is_soon(expires_at):
        return ""
    words = _("Bought now, it expires %(when)s.") % {"when": visit.writing.hours_left(expires_at)}
    if day := _next_period(visit, period, expires_at):
        words += " " + _("If it can wait, let it start with your next period, on %(day)s.") % {
            "day": day
        }
    return words


def _next_period(visit: Visit, period: BillingPeriod, expires_at: dt.datetime | None) -> str:
    """The first day of the next period, where what is bought now would expire soon."""
    is_soon = expires_at is not None and visit.writing.is_soon(expires_at)
    return visit.writing.on(period.end) if is_soon and next_bounds(period) is not None else ""


def _invoice(visit: Visit, period: BillingPeriod) -> str:
    """Which invoice the price goes on."""
    writing = visit.writing
    first = local_date(period.start, period.timezone)
    last = local_date(period.end - _MICROSECOND, period.timezone)
    return _("On your invoice for %(period)s, issued from %(day)s on") % {
        "period": writing.span_of_days(first, last),
        "day": writing.on(period.due_at),
    }
