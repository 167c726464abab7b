"""What grants a period opens with, and what its usage cost by model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q, Sum
from django.db.models.functions import Coalesce

from billing.models import BillingPeriod, CreditGrant, GrantUse, LateGrantUse
from billing.waterfall import PERIOD_KINDS, Grant, GrantKind
from clients.models import UsageEvent
from clients.selectors import known_cost

ZERO = Decimal(0)


def opening_grants(periods: Iterable[BillingPeriod]) -> dict[tuple[int, int], list[Grant]]:
    """The grants that periods can burn, by period and unit, in the order they were made.

    Each has what the last closed period left of it, or its full quantity when no period has seen
    it yet, less what was revoked and what late usage drew since; ``Grant.id`` is the row's. Grants
    that lapsed before a period without ever meeting one are left out; what lapsed between two
    periods is in, so that the later one says so. Two queries.
    """
    by_workspace: dict[int, list[BillingPeriod]] = defaultdict(list)
    for period in periods:
        by_workspace[period.workspace_id].append(period)
    used_up = GrantUse.objects.filter(grant=OuterRef("pk"), remaining=ZERO)
    rows = (
        CreditGrant.objects.standing()
        .filter(~Exists(used_up), workspace_id__in=by_workspace)
        .select_related("period")
        .with_left()
        .order_by("pk")
    )
    drawn = drawn_since(workspace_ids=by_workspace)
    grants: dict[tuple[int, int], list[Grant]] = defaultdict(list)
    for row in rows:
        left: Decimal | None = row.left  # type: ignore[attr-defined]
        revoked: Decimal = row.taken_back  # type: ignore[attr-defined]
        unused = (row.quantity if left is None else left) - drawn.get(row.pk, ZERO)
        grant = as_grant(row, unused, revoked)
        for period in by_workspace[row.workspace_id]:
            lapsed = grant.expires_at is not None and grant.expires_at <= period.start
            if row.effective_at < period.end and not (left is None and lapsed):
                grants[period.pk, row.unit_id].append(grant)
    return grants


def drawn_since(*, workspace_ids: Iterable[int]) -> dict[int, Decimal]:
    """By grant, what late usage drew of it since the last close: the next one starts with less.

    What was given back came back as a grant of its own. One query, for as many workspaces as
    there are.
    """
    closed_since = GrantUse.objects.filter(
        grant=OuterRef("grant"), pk__gt=Coalesce(OuterRef("after"), 0)
    )
    rows = (
        LateGrantUse.objects.filter(
            ~Exists(closed_since),
            settlement__workspace_id__in=list(workspace_ids),
            source=LateGrantUse.Source.CREDIT,
            quantity__gt=ZERO,
        )
        .order_by()
        .values_list("grant_id")
        .annotate(Sum("quantity"))
    )
    return dict(rows)


def as_grant(row: CreditGrant, quantity: Decimal, revoked: Decimal = ZERO) -> Grant:
    """A stored grant as the waterfall burns it: ``quantity`` is left of it, of which ``revoked``
    was taken back. What comes with a period lasts as long as the period does by now."""
    kind = GrantKind(row.kind)
    of_period = row.period if kind in PERIOD_KINDS else None
    return Grant(
        id=row.pk,
        kind=kind,
        quantity=quantity,
        effective_at=row.effective_at,
        expires_at=row.expires_at if of_period is None else of_period.end,
        priority=row.priority,
        sequence=row.pk,
        revoked=revoked,
    )


def cost_by_model(
    periods: Iterable[BillingPeriod],
) -> dict[tuple[int, int], dict[str | None, Decimal]]:
    """The priced cost of counted usage in periods of different workspaces, in the client's
    currency: by workspace and unit, then by model; ``None`` is usage that names no model. Sums
    events: only where rules differ by model."""
    inside = Q(pk=None)
    for period in periods:
        inside |= Q(
            workspace_id=period.workspace_id,
            occurred_at__gte=period.start,
            occurred_at__lt=period.end,
        )
    sums = (
        UsageEvent.objects.counted()
        .filter(inside)
        .annotate(known_cost=known_cost(settled_late=False))
        .filter(known_cost__isnull=False)
        .order_by("model")
        .values_list("workspace_id", "unit_id", "model")
        .annotate(cost=Sum("known_cost"))
    )
    costs: dict[tuple[int, int], dict[str | None, Decimal]] = defaultdict(dict)
    for workspace_id, unit_id, model, cost in sums:
        costs[workspace_id, unit_id][model or None] = cost
    return costs
