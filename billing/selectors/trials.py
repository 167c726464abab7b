"""Which subscriptions are on trial, and whose trial ends soon."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.db.models import F, Q, QuerySet

ENDS_SOON: Final = dt.timedelta(days=7)


def on_trial(subscriptions: QuerySet[Any], now: dt.datetime) -> QuerySet[Any]:
    """Those in a trial at ``now``, ended or not."""
    runs = Q(end=None) | Q(end__gt=now)
    return subscriptions.filter(runs, start__lte=now, trial_until__gt=now)


def trials_ending(
    subscriptions: QuerySet[Any], now: dt.datetime, *, within: dt.timedelta = ENDS_SOON
) -> QuerySet[Any]:
    """Those in a trial that ends within some time and goes on as paid."""
    goes_on = Q(end=None) | Q(end__gt=F("trial_until")) | Q(end_reason="changed")
    return on_trial(subscriptions, now).filter(goes_on, trial_until__lte=now + within)
