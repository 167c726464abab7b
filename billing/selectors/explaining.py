"""Why a grant was used up, and what an overage consists of: days, labels, models and runs.

Nothing is stored for it. A closed period's frozen grants, or an open one's provisional ones, burn
again, and every stretch of the waterfall is looked up among the events beneath it. Reads only.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from agencyportal.core.periods import local_date
from billing.attribution import Share, Source, Stretch, divide, stretches
from billing.models import BillingPeriod, CreditGrant, GrantUse, PeriodUsage
from billing.waterfall import Draw, waterfall
from clients.models import Meter, UniqueSubject, UsageEvent, UsageUnit
from clients.selectors import counted_quantity, counted_quarters, known_cost

from .balances import balances
from .grants import as_grant
from .periods import bounds_of

_logger = logging.getLogger(__name__)

ZERO: Final = Decimal(0)
OVERAGE: Final = "overage"
MOST_RUNS: Final = 20
INSTANT: Final = dt.timedelta(microseconds=1)


@dataclass(slots=True)
class Part:
    """What came under one name: a label, a model, a run. ``cost``: in the client's currency."""

    name: str
    quantity: Decimal = ZERO
    events: int = 0
    cost: Decimal = ZERO


@dataclass(slots=True)
class Taken:
    """What one grant, or the overage, was taken by.

    ``grant``: its row; None for overage and for credit that closing will only write. An event
    that used up one source and went on into the next has its quantity in both, and itself and its
    cost in the first. ``runs``: the largest `MOST_RUNS`, those without a name left out.
    """

    kind: str
    grant: CreditGrant | None = None
    quantity: Decimal = ZERO
    days: list[tuple[dt.date, Decimal]] = field(default_factory=list)
    labels: list[Part] = field(default_factory=list)
    models: list[Part] = field(default_factory=list)
    runs: list[Part] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the usage of a unit in a period went. ``is_provisional``: the period is open."""

    period: BillingPeriod
    unit: UsageUnit
    used: Decimal
    is_provisional: bool
    taken: list[Taken]


def explain(*, period: BillingPeriod, unit: UsageUnit, now: dt.datetime) -> Explanation | None:
    """What consumed each grant and the overage of a unit in a period, in the order of burning.

    None where the unit is not in the period's package, and for a period that has not begun.
    Quantities add up: by day, by label and by model each to what the grant gave, and all of them
    to what was used.
    """
    burned = _frozen(period, unit) if _is_closed(period) else _provisional(period, unit, now)
    if burned is None:
        return None
    draws, kinds = burned
    sums: dict[Source, _Sums] = defaultdict(_Sums)
    for draw in draws:
        sums[draw.source].days[local_date(draw.bucket, period.timezone)] += draw.quantity
    for stretch in stretches(draws, bounds_of(period)):
        _look_up(period, unit, stretch, sums)
    grants = CreditGrant.objects.select_related("purchase__band", "workspace", "unit").in_bulk(
        [source for source in sums if isinstance(source, int)]
    )
    return Explanation(
        period=period,
        unit=unit,
        used=sum((draw.quantity for draw in draws), ZERO),
        is_provisional=not _is_closed(period),
        taken=[
            found.taken(kinds.get(source, OVERAGE), grants.get(source))
            for source, found in sums.items()
        ],
    )


def explain_grant(*, grant: CreditGrant, now: dt.datetime) -> list[Explanation]:
    """What consumed one grant, in every period that burned it, the latest first."""
    found = []
    for period in periods_of_grant(grant=grant, now=now):
        explanation = explain(period=period, unit=grant.unit, now=now)
        if explanation is None:
            continue
        taken = [t for t in explanation.taken if t.grant is not None and t.grant.pk == grant.pk]
        if taken:
            explanation.taken[:] = taken
            found.append(explanation)
    return found


def periods_of_grant(*, grant: CreditGrant, now: dt.datetime) -> list[BillingPeriod]:
    """The closed periods that burned a grant, and open ones that may, the latest first."""
    burned = GrantUse.objects.filter(grant=grant, consumed__gt=ZERO)
    touched = Q(usage__grants__in=burned)
    running = ~Q(state=BillingPeriod.State.CLOSED) & Q(
        start__lte=now, end__gt=grant.effective_at, workspace=grant.workspace_id
    )
    if grant.expires_at is not None:
        running &= Q(start__lt=grant.expires_at)
    periods = BillingPeriod.objects.filter(touched | running).distinct().order_by("-start")
    return list(periods.select_related("workspace__client", "plan_version__plan"))


# --- The waterfall again -----------------------------------------------------------------------

Burned = tuple[list[Draw], dict[Source, str]]


def _is_closed(period: BillingPeriod) -> bool:
    return period.state == BillingPeriod.State.CLOSED


def _frozen(period: BillingPeriod, unit: UsageUnit) -> Burned | None:
    """What closing froze: the same grants and quarter hours burn to the same waterfall."""
    frozen = PeriodUsage.objects.filter(period=period, unit=unit).first()
    if frozen is None:
        return None
    uses = frozen.grants.select_related("grant").order_by("grant_id")
    grants = [as_grant(use.grant, use.opening, use.revoked) for use in uses]
    quarters = counted_quarters(
        workspace_id=period.workspace_id, unit_id=unit.pk, start=period.start, end=period.end
    )
    result = waterfall(grants, [(row[0], row[1]) for row in quarters], bounds_of(period))
    return result.draws(), {grant.id: grant.kind.value for grant in grants}


def _provisional(period: BillingPeriod, unit: UsageUnit, now: dt.datetime) -> Burned | None:
    """What the books say so far; earlier open periods are settled first, in thought."""
    if now < period.start:
        return None
    found = balances(workspace=period.workspace, now=min(now, period.end - INSTANT))
    for balance in found:
        if balance.unit.pk == unit.pk and balance.period.pk == period.pk:
            grants = [outcome.grant for outcome in balance.result.grants]
            return balance.result.draws(), {grant.id: grant.kind.value for grant in grants}
    return None


# --- The events beneath ------------------------------------------------------------------------


class _Sums:
    """Adds up what one source was taken by."""

    def __init__(self) -> None:
        self.days: dict[dt.date, Decimal] = defaultdict(Decimal)
        self.labels: dict[str, Part] = {}
        self.models: dict[str, Part] = {}
        self.runs: dict[str, Part] = {}

    def add(self, label: str, model: str, quantity: Decimal, events: int, cost: Decimal) -> None:
        for parts, name in ((self.labels, label), (self.models, model)):
            _add(parts, name, quantity, events, cost)

    def add_run(self, run_id: str, quantity: Decimal, events: int, cost: Decimal) -> None:
        if run_id:
            _add(self.runs, run_id, quantity, events, cost)

    def taken(self, kind: str, grant: CreditGrant | None) -> Taken:
        return Taken(
            kind=kind,
            grant=grant,
            quantity=sum(self.days.values(), ZERO),
            days=sorted(self.days.items()),
            labels=_largest_first(self.labels.values()),
            models=_largest_first(self.models.values()),
            runs=_largest_first(self.runs.values())[:MOST_RUNS],
        )


def _add(parts: dict[str, Part], name: str, quantity: Decimal, events: int, cost: Decimal) -> None:
    part = parts.setdefault(name, Part(name))
    part.quantity += quantity
    part.events += events
    part.cost += cost


def _largest_first(parts: Iterable[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: (-part.quantity, -part.cost, -part.events, part.name))


def _look_up(
    period: BillingPeriod, unit: UsageUnit, stretch: Stretch, sums: dict[Source, _Sums]
) -> None:
    events = UsageEvent.objects.counted().filter(
        workspace=period.workspace_id,
        unit=unit,
        occurred_at__gte=stretch.start,
        occurred_at__lt=stretch.end,
    )
    if stretch.is_shared:
        _share_out(events, stretch.shares, sums)
        return
    found = sums[stretch.source]
    for label, model, count, quantity, cost in _summed(events, "label", "model"):
        found.add(label, model, quantity or ZERO, count, cost or ZERO)
    runs = _summed(events.exclude(run_id=""), "run_id").order_by("-counted", "run_id")
    for run_id, count, quantity, cost in runs[:MOST_RUNS]:
        found.add_run(run_id, quantity or ZERO, count, cost or ZERO)


def _counts() -> Q:
    """Of a subject that is counted once, the event that stands for it; every other event."""
    stands = UniqueSubject.objects.filter(event=OuterRef("pk"))
    return ~Q(meter__aggregation=Meter.Aggregation.UNIQUE) | Q(Exists(stands))


def _summed(events: QuerySet[UsageEvent], *names: str) -> QuerySet[Any, Any]:
    """By ``names``: how many events, their counted quantity and their cost."""
    rows: QuerySet[Any, Any] = (
        events.order_by(*names)
        .values_list(*names)
        .annotate(
            Count("pk"),
            counted=Sum(counted_quantity(), filter=_counts()),
            priced=Sum(known_cost(settled_late=True)),
        )
    )
    return rows


def _share_out(
    events: QuerySet[UsageEvent], shares: Sequence[Share], sums: dict[Source, _Sums]
) -> None:
    """One quarter hour in which a source ran dry: event by event, as they happened."""
    try:
        divided = list(divide(_in_order(events), shares))
    except ValueError:
        # The rollup and the events disagree, which `reconcile` names; the page still opens.
        _logger.exception("a quarter hour cannot be explained by its events")
        for share in shares:
            sums[share.source].add("", "", share.quantity, 0, ZERO)
        return
    seen: set[int] = set()
    for source, event, quantity in divided:
        is_first = event.pk not in seen
        seen.add(event.pk)
        known: Decimal | None = event.known_cost  # type: ignore[attr-defined]
        cost = (known or ZERO) if is_first else ZERO
        sums[source].add(event.label, event.model, quantity, int(is_first), cost)
        sums[source].add_run(event.run_id, quantity, int(is_first), cost)


def _in_order(events: QuerySet[UsageEvent]) -> Iterator[tuple[UsageEvent, Decimal]]:
    annotated = events.annotate(
        counts=_counts(),
        counted_quantity=counted_quantity(),
        known_cost=known_cost(settled_late=True),
    )
    rows = annotated.order_by("occurred_at", "source", "external_id")
    for event in rows.iterator(chunk_size=2_000):
        yield event, event.counted_quantity if event.counts else ZERO
