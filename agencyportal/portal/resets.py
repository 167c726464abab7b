"""When a period ends, and what comes then: it resets, a trial is over, or the package ends."""

from __future__ import annotations

from django.utils.translation import gettext as _

from agencyportal.portal.writing import Writing
from billing.models import BillingPeriod


def resets(writing: Writing, period: BillingPeriod) -> str:
    """In a sentence. Reads the period's subscription."""
    day, subscription = writing.date_of(period.end), period.subscription
    when = writing.days_from_now(day)
    is_last = subscription.end is not None and subscription.end <= period.end
    if is_last and not subscription.goes_on:
        return _("Your package ends on %(day)s, %(when)s.") % {
            "day": writing.until(period.end),
            "when": when,
        }
    if period.is_trial:
        return _("Trial until %(day)s; your package begins %(when)s.") % {
            "day": writing.until(period.end),
            "when": when,
        }
    return _("Resets on %(day)s, %(when)s.") % {"day": writing.long_day(day), "when": when}
