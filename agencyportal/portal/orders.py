"""Top-ups that a client wanted to pay at once."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db.models import Q, QuerySet

from billing.models import TopUpOrder
from clients.models import Client

RECENT: Final = 5


def orders(client: Client) -> QuerySet[TopUpOrder]:
    """Every order, the latest first."""
    return (
        TopUpOrder.objects.for_client(client)
        .select_related("workspace", "band__unit", "client__agency", "agency", "buyer")
        .order_by("-ordered_at", "-pk")
    )


def unpaid_orders(client: Client, now: dt.datetime) -> list[TopUpOrder]:
    """Those whose payment is on its way, and those that somebody looks into, the latest first."""
    waiting = Q(state=TopUpOrder.State.PROCESSING) | ~Q(trouble="")
    return list(orders(client).filter(waiting, ordered_at__lte=now)[:RECENT])
