"""Late usage: what waits to be settled, and what a settlement changes in its closed period.

An entry is a late event, or a correction, or a cost found later, of an event.

Reads only. Settling and the proof of it read the changes here, each as of its own place in the
order of settlements.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from agencyportal.core.periods import quarter_floor
from billing.late_usage import Change
from billing.models import BillingPeriod, LateEntry
from clients.models import CostPayer, Meter, UsageCorrection, UsageEvent, UsagePricing
from clients.recounting import Recount, moves

ZERO: Final = Decimal(0)
Standing = UsageCorrection.Standing


def pending_events() -> QuerySet[UsageEvent]:
    """Late events of which nobody has said yet what becomes of them."""
    settled = LateEntry.objects.filter(event=OuterRef("pk"), correction=None, pricing=None)
    # The first condition is the second's, as the partial index has it.
    return UsageEvent.objects.filter(
        ~Q(standing=UsageEvent.Standing.COUNTED), ~Exists(settled), standing=Standing.LATE
    )


def pending_corrections() -> QuerySet[UsageCorrection]:
    """Corrections for closed periods of which nobody has said yet what becomes of them."""
    return UsageCorrection.objects.filter(standing=Standing.LATE, late_entry=None)


def pending_pricings() -> QuerySet[UsagePricing]:
    """Costs found later, of closed periods, of which nobody has said yet what becomes of them."""
    return UsagePricing.objects.filter(standing=Standing.LATE, late_entry=None)


def pending_workspaces(*, among: Sequence[int] | None = None) -> list[int]:
    """Ids of workspaces with something late to settle. Three queries."""
    mine = Q() if among is None else Q(workspace__in=among)
    found: set[int] = set()
    for waiting in (pending_events(), pending_corrections(), pending_pricings()):
        found.update(waiting.filter(mine).order_by().values_list("workspace", flat=True).distinct())
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Entry:
    """A late event; with ``correction`` or ``pricing``, a correction of an event, or what it cost
    after all, for a closed period."""

    event: UsageEvent
    correction: UsageCorrection | None = None
    pricing: UsagePricing | None = None

    @property
    def is_event(self) -> bool:
        """Whether it is the event itself that came late."""
        return self.correction is None and self.pricing is None

    @property
    def client_cost(self) -> Decimal | None:
        """What it adds to the period's cost. Corrections change no cost: the call was made."""
        if self.pricing is not None:
            return self.pricing.client_cost
        return self.event.client_cost if self.is_event else None

    @property
    def recorded_at(self) -> dt.datetime:
        return (self.correction or self.pricing or self.event).recorded_at


@dataclass(slots=True)
class _Touched:
    """An event that a settlement is about: its quantity before and after."""

    event: UsageEvent
    before: Decimal
    after: Decimal
    recorded: dt.datetime


def changes_of(
    period: BillingPeriod, unit_id: int, entries: Sequence[Entry], *, number: int
) -> list[Change]:
    """What entries change in the quarter hours of a closed period, as its settlement ``number``.

    Under a `unique` meter an event counts only while it stands for its subject, so the subject's
    other events are read with what settlements before this one made of them. Entries come with
    their events' meters.
    """
    touched = _touched(entries)
    mates = list(_mates(period, unit_id, touched.values(), number))
    recorded = {t.event.pk: t.recorded for t in touched.values()}
    for mate, _quantity in mates:
        subject = mate.subject
        of_subject = [t.recorded for t in touched.values() if t.event.subject == subject]
        recorded[mate.pk] = max(of_subject)
    recounts = [_recount(t.event, t.before, t.after) for t in touched.values()]
    recounts += [_recount(event, quantity, quantity) for event, quantity in mates]
    return [
        Change(quarter_floor(item.occurred_at), quantity, quarter_floor(recorded[item.id]))
        for item, quantity in moves(recounts)
    ]


def _touched(entries: Sequence[Entry]) -> dict[int, _Touched]:
    touched: dict[int, _Touched] = {}
    for entry in entries:
        if entry.is_event:
            event = entry.event
            touched[event.pk] = _Touched(event, ZERO, event.quantity, event.recorded_at)
    corrections = (entry for entry in entries if entry.correction is not None)
    for entry in sorted(corrections, key=lambda e: e.correction.pk if e.correction else 0):
        correction = entry.correction
        if correction is None:
            continue
        known = touched.setdefault(
            entry.event.pk,
            _Touched(entry.event, correction.previous, ZERO, correction.recorded_at),
        )
        known.after, known.recorded = correction.quantity, correction.recorded_at
    return touched


def _is_unique(event: UsageEvent) -> bool:
    return event.meter.aggregation == Meter.Aggregation.UNIQUE and bool(event.subject)


def _recount(event: UsageEvent, before: Decimal, after: Decimal) -> Recount:
    return Recount(
        id=event.pk,
        occurred_at=event.occurred_at,
        source=event.source,
        external_id=event.external_id,
        subject=event.subject if _is_unique(event) else None,
        before=before,
        after=after,
    )


def _mates(
    period: BillingPeriod, unit_id: int, touched: Iterable[_Touched], number: int
) -> Iterator[tuple[UsageEvent, Decimal]]:
    """The other events of the subjects that change, each with what it counted until then."""
    mine = {t.event.pk: t.event for t in touched}
    subjects = {event.subject for event in mine.values() if _is_unique(event)}
    if not subjects:
        return
    earlier = LateEntry.objects.filter(
        event=OuterRef("pk"), correction=None, pricing=None, settlement__number__lt=number
    )
    rows = (
        UsageEvent.objects.filter(
            Q(standing=UsageEvent.Standing.COUNTED) | Exists(earlier),
            workspace=period.workspace_id,
            unit=unit_id,
            subject__in=subjects,
            occurred_at__gte=period.start,
            occurred_at__lt=period.end,
            meter__aggregation=Meter.Aggregation.UNIQUE,
        )
        .exclude(pk__in=mine)
        .select_related("meter")
    )
    events = list(rows)
    known = _settled_quantities([event.pk for event in events], number)
    for event in events:
        yield event, known.get(event.pk, event.quantity)


def _settled_quantities(event_ids: Sequence[int], number: int) -> Mapping[int, Decimal]:
    """What corrected events counted before a settlement of their period and unit."""
    rows = UsageCorrection.objects.filter(
        ~Q(standing=Standing.LATE) | Q(late_entry__settlement__number__lt=number),
        event_id__in=event_ids,
    )
    return dict(rows.order_by("pk").values_list("event_id", "quantity"))


# --- Cost --------------------------------------------------------------------------------------


def costs_of(entries: Iterable[Entry]) -> tuple[Decimal, Decimal]:
    """What entries cost the platform and the agency, in the client's currency."""
    platform = agency = ZERO
    for entry in entries:
        cost = entry.client_cost
        if cost is not None:
            if entry.event.cost_payer == CostPayer.PLATFORM:
                platform += cost
            else:
                agency += cost
    return platform, agency


def late_cost_by_model(
    period: BillingPeriod, unit_id: int, entries: Iterable[Entry], *, number: int
) -> dict[str | None, Decimal]:
    """The cost by model of what settled late of a closed period, up to and with ``entries``,
    which are those of its settlement ``number``."""
    costs: dict[str | None, Decimal] = defaultdict(Decimal)
    settled = LateEntry.objects.filter(
        settlement__period=period,
        settlement__unit=unit_id,
        settlement__number__lt=number,
        correction=None,
    ).order_by()
    for earlier, cost_of in (
        (settled.filter(pricing=None), "event__client_cost"),
        (settled, "pricing__client_cost"),
    ):
        known = earlier.exclude(**{cost_of: None}).values_list("event__model")
        for model, cost in known.annotate(Sum(cost_of)):
            costs[model or None] += cost
    for entry in entries:
        if entry.client_cost is not None:
            costs[entry.event.model or None] += entry.client_cost
    return dict(costs)
