"""Columns that several of billing's pages show."""

from __future__ import annotations

import datetime as dt

from agencyportal.core.admin_columns import told
from agencyportal.core.periods import local_date
from billing.models import BillingPeriod

INSTANT = dt.timedelta(microseconds=1)


@told("Period", ordering="start")
def days(period: BillingPeriod) -> str:
    first = local_date(period.start, period.timezone)
    last = local_date(period.end - INSTANT, period.timezone)
    return f"{first:%-d %b %Y} – {last:%-d %b %Y}"
