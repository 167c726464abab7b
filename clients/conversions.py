"""By which exchange rates costs were converted: as frozen on events, not as the table stands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

from django.db.models import F, Max, Min, QuerySet

from clients.models import ExchangeRate, UsageEvent, UsagePricing


class UsedRate(NamedTuple):
    """One of ``base`` was worth ``rate`` of the client's currency, for events of a workspace from
    ``first`` to ``last``."""

    workspace_id: int
    base: str
    rate: Decimal
    first: dt.datetime
    last: dt.datetime


def rates_used(
    *, workspace_ids: Collection[int], start: dt.datetime, end: dt.datetime
) -> list[UsedRate]:
    """The rates by which costs of events in ``[start, end)`` were converted, in time order.

    Two queries however many workspaces there are; one where no rate was ever stored.
    """
    if not workspace_ids or not ExchangeRate.objects.exists():
        return []
    events = UsageEvent.objects.filter(
        workspace__in=workspace_ids, occurred_at__gte=start, occurred_at__lt=end
    )
    priced_later = UsagePricing.objects.filter(
        workspace__in=workspace_ids, event__occurred_at__gte=start, event__occurred_at__lt=end
    )
    found = [*_grouped(events, "occurred_at"), *_grouped(priced_later, "event__occurred_at")]
    return sorted(found, key=lambda used: (used.base, used.first, used.rate))


def _grouped(rows: QuerySet[UsageEvent] | QuerySet[UsagePricing], when: str) -> list[UsedRate]:
    converted = rows.filter(exchange_rate__isnull=False).exclude(
        cost_currency=F("workspace__client__currency")
    )
    grouped = converted.order_by().values_list("workspace_id", "cost_currency", "exchange_rate")
    return [UsedRate(*row) for row in grouped.annotate(Min(when), Max(when))]
