"""The usage of a closed period as its invoice shows it: the frozen waterfall, and a bar a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

from django.db.models import Prefetch, Sum

from agencyportal.core.documents import Span
from agencyportal.core.periods import local_date
from billing.documents.invoice_snapshot import UsageSummary
from billing.models import BillingPeriod, CreditGrant, GrantUse, PeriodUsage
from clients.models import UsageDay

INCLUDED_KINDS = frozenset(
    {CreditGrant.Kind.ALLOWANCE, CreditGrant.Kind.ROLLOVER, CreditGrant.Kind.ADJUSTMENT}
)
"""What people call the allowance: everything but what was bought or promoted."""

ZERO = Decimal(0)


def summaries(period: BillingPeriod, span: Span) -> Iterator[UsageSummary]:
    """Each unit of a closed period, by slug. ``span``: its local days."""
    uses = Prefetch("grants", GrantUse.objects.select_related("grant"))
    frozen = list(
        PeriodUsage.objects.filter(period=period)
        .select_related("unit")
        .prefetch_related(uses)
        .order_by("unit__slug")
    )
    daily = _daily(period, span, [usage.unit_id for usage in frozen])
    for usage in frozen:
        grants = list(usage.grants.all())
        allowance = sum((use.opening - use.revoked for use in grants if _is_included(use)), ZERO)
        yield UsageSummary(
            unit=usage.unit.plural,
            period=span,
            allowance=allowance,
            used=usage.used,
            included=usage.included,
            top_up=usage.top_up,
            overage=usage.overage,
            left=sum((use.remaining for use in grants), ZERO),
            expired=usage.expired_unused,
            rolled_over=usage.rolled_over,
            resets_on=_next_start(period) if allowance else None,
            daily=daily[usage.unit_id],
        )


def _is_included(use: GrantUse) -> bool:
    return use.grant.kind in INCLUDED_KINDS


def _next_start(period: BillingPeriod) -> dt.date | None:
    """The local day on which the next period begins, if the subscription goes on."""
    end = period.subscription.end
    if end is not None and end <= period.end:
        return None
    return local_date(period.end, period.timezone)


def _daily(
    period: BillingPeriod, span: Span, unit_ids: list[int]
) -> dict[int, tuple[Decimal, ...]]:
    """Per unit, the quantity of each local day of the span."""
    sums = (
        UsageDay.objects.filter(
            workspace_id=period.workspace_id,
            unit_id__in=unit_ids,
            day__range=(span.first, span.last),
        )
        .values_list("unit_id", "day")
        .annotate(total=Sum("quantity"))
        .order_by()
    )
    found = {(unit_id, day): total for unit_id, day, total in sums}
    length = (span.last - span.first).days + 1
    days = [span.first + dt.timedelta(days=offset) for offset in range(length)]
    return {unit_id: tuple(found.get((unit_id, day), ZERO) for day in days) for unit_id in unit_ids}
