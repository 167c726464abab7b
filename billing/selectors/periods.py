"""Stored periods as the cores see them."""

from __future__ import annotations

from agencyportal.core.periods import Period
from billing.models import BillingPeriod


def bounds_of(period: BillingPeriod) -> Period:
    """A stored period as the cores see it."""
    return Period(period.start, period.end, period.full_start, period.full_end)
