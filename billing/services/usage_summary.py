"""The usage of closed periods as invoices show it: the frozen waterfalls, and a bar a day."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from django.db.models import Prefetch, Sum

from agencyportal.core.documents import Span
from agencyportal.core.periods import local_date
from billing.documents.invoice_snapshot import UsageSummary
from billing.models import BillingPeriod, Charge, CreditGrant, GrantUse, PeriodUsage
from clients.models import UsageDay

INCLUDED_KINDS = frozenset(
    {CreditGrant.Kind.ALLOWANCE, CreditGrant.Kind.ROLLOVER, CreditGrant.Kind.ADJUSTMENT}
)
"""What people call the allowance: everything but what was bought or promoted."""

ZERO = Decimal(0)
_MICROSECOND = dt.timedelta(microseconds=1)


def span_of(period: BillingPeriod) -> Span:
    """The local days of a period."""
    return Span(
        first=local_date(period.start, period.timezone),
        last=local_date(period.end - _MICROSECOND, period.timezone),
    )


def span_of_charge(charge: Charge) -> Span:
    """The local days that a charge is for: its period's, or those that a fee was asked for with
    it, in advance."""
    span = span_of(charge.period)
    until = charge.details.get("until")
    if until is None:
        return span
    end = dt.datetime.fromisoformat(until)
    return Span(first=span.first, last=local_date(end - _MICROSECOND, charge.period.timezone))


class UsageOfPeriods:
    """What closed periods came to, read at once in as many queries for many as for one."""

    def __init__(self, periods: Sequence[BillingPeriod]) -> None:
        uses = Prefetch("grants", GrantUse.objects.select_related("grant"))
        rows = PeriodUsage.objects.filter(period__in=periods).select_related("unit")
        self._frozen: defaultdict[int, list[PeriodUsage]] = defaultdict(list)
        for usage in rows.prefetch_related(uses).order_by("unit__slug"):
            self._frozen[usage.period_id].append(usage)
        self._daily = _daily(periods) if periods else {}

    def summaries(self, period: BillingPeriod) -> Iterator[UsageSummary]:
        """Each unit of one of the periods, by slug."""
        span = span_of(period)
        for usage in self._frozen[period.pk]:
            grants = list(usage.grants.all())
            allowance = sum(
                (use.opening - use.revoked for use in grants if _is_included(use)), ZERO
            )
            daily = self._daily.get((period.workspace_id, usage.unit_id), {})
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
                daily=tuple(daily.get(day, ZERO) for day in _days(span)),
            )


def _is_included(use: GrantUse) -> bool:
    return use.grant.kind in INCLUDED_KINDS


def _next_start(period: BillingPeriod) -> dt.date | None:
    """The local day on which the next period begins, if the subscription goes on."""
    end = period.subscription.end
    if end is not None and end <= period.end:
        return None
    return local_date(period.end, period.timezone)


def _days(span: Span) -> Iterator[dt.date]:
    for offset in range((span.last - span.first).days + 1):
        yield span.first + dt.timedelta(days=offset)


def _daily(
    periods: Sequence[BillingPeriod],
) -> dict[tuple[int, int], dict[dt.date, Decimal]]:
    """Quantities of the local days of periods, and of days between them: by workspace and unit,
    then by day."""
    spans = [span_of(period) for period in periods]
    sums = (
        UsageDay.objects.filter(
            workspace__in={period.workspace_id for period in periods},
            day__range=(min(span.first for span in spans), max(span.last for span in spans)),
        )
        .values_list("workspace_id", "unit_id", "day")
        .annotate(total=Sum("quantity"))
        .order_by()
    )
    found: defaultdict[tuple[int, int], dict[dt.date, Decimal]] = defaultdict(dict)
    for workspace_id, unit_id, day, total in sums:
        found[workspace_id, unit_id][day] = total
    return found
