"""What a package's minimum asks for beyond overage and top-ups, when a period closes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from django.db.models import Sum

from agencyportal.core.money import plain
from billing.charge_words import MINIMUM
from billing.models import BillingPeriod, Charge, LineKind
from billing.rating import minimum_shortfall
from billing.selectors.periods import bounds_of
from billing.terms import minimum_due


def bought_in(periods: Sequence[BillingPeriod]) -> dict[int, Decimal]:
    """What top-ups of periods came to, by period."""
    if not periods:
        return {}
    bought = Charge.objects.filter(period__in=periods, kind=LineKind.TOP_UP)
    sums = bought.order_by().values_list("period").annotate(total=Sum("amount"))
    return dict(sums)


def minimum_charge(
    period: BillingPeriod, minimum: Decimal, overage: Decimal, top_ups: Decimal, now: dt.datetime
) -> Charge:
    """What overage and top-ups of the period lack to its minimum; its amount may be 0."""
    due = minimum_due(minimum, bounds_of(period), period.timezone, period.currency)
    return Charge(
        agency_id=period.agency_id,
        client_id=period.client_id,
        workspace_id=period.workspace_id,
        period=period,
        kind=LineKind.MINIMUM,
        description=MINIMUM,
        amount=minimum_shortfall(due, overage + top_ups),
        currency=period.currency,
        details={
            "minimum": plain(minimum),
            "due": plain(due),
            "overage": plain(overage),
            "top_ups": plain(top_ups),
        },
        bill_at=period.end,
        key=f"minimum:{period.pk}",
        created_at=now,
    )
