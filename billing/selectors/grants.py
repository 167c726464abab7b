"""What grants a period opens with, and what its usage cost by model."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from django.db.models import OuterRef, Q, Subquery, Sum

from billing.models import CreditGrant, GrantUse
from billing.waterfall import Grant, GrantKind
from clients.models import UsageEvent

ZERO = Decimal(0)


def opening_grants(
    *, workspace_id: int, unit_ids: Iterable[int], start: dt.datetime, end: dt.datetime
) -> dict[int, list[Grant]]:
    """The grants that a period ``[start, end)`` can burn, by unit, in the order they were made.

    Each has what the last closed period left of it, or its full quantity when no period has seen
    it yet; ``Grant.id`` is the row's. Grants that lapsed before ``start`` without ever meeting a
    period are left out; what lapsed between two periods is in, so that the later one says so.
    One query.
    """
    left = GrantUse.objects.filter(grant=OuterRef("pk")).order_by("-period_usage__period__start")
    is_new = Q(left=None) & (Q(expires_at=None) | Q(expires_at__gt=start))
    rows = (
        CreditGrant.objects.filter(
            workspace_id=workspace_id, unit_id__in=list(unit_ids), effective_at__lt=end
        )
        .annotate(left=Subquery(left.values("remaining")[:1]))
        .filter(is_new | Q(left__gt=ZERO))
        .order_by("pk")
    )
    grants: dict[int, list[Grant]] = defaultdict(list)
    for row in rows:
        remaining: Decimal | None = row.left  # type: ignore[attr-defined]
        grants[row.unit_id].append(as_grant(row, row.quantity if remaining is None else remaining))
    return grants


def as_grant(row: CreditGrant, quantity: Decimal) -> Grant:
    """A stored grant, of which ``quantity`` is left, as the waterfall burns it."""
    return Grant(
        id=row.pk,
        kind=GrantKind(row.kind),
        quantity=quantity,
        effective_at=row.effective_at,
        expires_at=row.expires_at,
        priority=row.priority,
        sequence=row.pk,
    )


def cost_by_model(
    *, workspace_id: int, unit_id: int, start: dt.datetime, end: dt.datetime
) -> dict[str | None, Decimal]:
    """The priced cost of a unit's counted usage in ``[start, end)``, in the client's currency, by
    model; ``None`` is usage that names no model. Sums events: only where rules differ by model."""
    rows = (
        UsageEvent.objects.counted()
        .filter(
            workspace_id=workspace_id,
            unit_id=unit_id,
            occurred_at__gte=start,
            occurred_at__lt=end,
            client_cost__isnull=False,
        )
        .order_by("model")
        .values_list("model")
        .annotate(cost=Sum("client_cost"))
    )
    return {model or None: cost for model, cost in rows}
