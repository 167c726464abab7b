"""Which running windows come near what their period entitles to: for lists, in few queries."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from django.db.models import Q, QuerySet

from billing.models import CreditGrant
from billing.selectors.grants import drawn_since
from clients.models import UsageWindow

ZERO: Final = Decimal(0)
NEAR: Final = Decimal("0.8")
"""The share of the entitlement from which on usage is near its limit."""


def entitlements(windows: Iterable[UsageWindow]) -> dict[int, Decimal]:
    """By window, the units that its period's grants come to. Two queries for all of them.

    What earlier periods left of a grant, where they are closed; provisional while one is open.
    """
    rows = list(windows)
    grants = (
        CreditGrant.objects.standing()
        .filter(
            workspace_id__in={row.workspace_id for row in rows},
            unit_id__in={r.unit_id for r in rows},
        )
        .with_left()
    )
    drawn = drawn_since(workspace_ids={row.workspace_id for row in rows})
    by_unit: dict[tuple[int, int], list[CreditGrant]] = defaultdict(list)
    for grant in grants:
        by_unit[grant.workspace_id, grant.unit_id].append(grant)
    return {
        row.pk: sum(
            (
                _usable(grant) - drawn.get(grant.pk, ZERO)
                for grant in by_unit[row.workspace_id, row.unit_id]
                if _meets(grant, row)
            ),
            ZERO,
        )
        for row in rows
    }


def near_limit(windows: QuerySet[UsageWindow], *, now: dt.datetime) -> list[int]:
    """The ids of those running windows whose usage came to `NEAR` of the entitlement or beyond."""
    running = list(running_windows(windows, now=now).filter(used__gt=ZERO))
    entitled = entitlements(running)
    return [row.pk for row in running if row.used >= NEAR * entitled[row.pk]]


def running_windows(windows: QuerySet[UsageWindow], *, now: dt.datetime) -> QuerySet[UsageWindow]:
    return windows.filter(Q(start__lte=now, end__gt=now))


def _usable(grant: CreditGrant) -> Decimal:
    left: Decimal | None = grant.left  # type: ignore[attr-defined]
    revoked: Decimal = grant.taken_back  # type: ignore[attr-defined]
    return (grant.quantity if left is None else left) - revoked


def _meets(grant: CreditGrant, window: UsageWindow) -> bool:
    return grant.effective_at < window.end and (
        grant.expires_at is None or grant.expires_at > window.start
    )
