"""Stored periods as the cores see them."""

from __future__ import annotations

from agencyportal.core.periods import Period
from billing.models import BillingPeriod


def bounds_of(period: BillingPeriod) -> Period:
    """A stored period as the cores see it."""
    return Period(period.start, period.end, period.full_start, period.full_end)


def fees_time_of(period: BillingPeriod) -> Period | None:
    """What time the fees of a stored period are for: its own or a longer one; None where it asks
    for none, because an earlier one did."""
    if not period.asks_fees:
        return None
    if period.fees_end is None or period.fees_full_start is None or period.fees_full_end is None:
        return bounds_of(period)
    return Period(period.start, period.fees_end, period.fees_full_start, period.fees_full_end)


def asking_for(period: BillingPeriod) -> BillingPeriod:
    """The period that asked for the fees of a period's time: itself, or an earlier one. Nobody
    asks for a trial's, so that is itself."""
    if period.asks_fees or period.is_trial:
        return period
    earlier = BillingPeriod.objects.filter(subscription=period.subscription_id, asks_fees=True)
    return earlier.filter(start__lt=period.start).order_by("-start")[0]
