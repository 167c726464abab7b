"""Reads of usage for billing, reports and documents. Scope comes first: every read names whose."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from agencyportal.core.fields import NanosField
from agencyportal.core.money import unscaled
from clients import costing, metering
from clients.models import UsageCorrection, UsageDay, UsageEvent, UsagePricing, UsageQuarter
from clients.sums_sql import Stretch, sum_quarters


class CountedQuarter(NamedTuple):
    """Counted usage of a quarter hour that begins at ``start``; costs in the client's currency."""

    start: dt.datetime
    quantity: Decimal
    platform_cost: Decimal
    agency_cost: Decimal


def counted_quarters(
    *, workspace_id: int, unit_id: int, start: dt.datetime, end: dt.datetime
) -> list[CountedQuarter]:
    """The quarter hours of ``[start, end)`` with usage of a unit, in time order: what a waterfall
    burns. Late and unbilled usage is not in it."""
    rows = UsageQuarter.objects.filter(
        workspace_id=workspace_id, unit_id=unit_id, start__gte=start, start__lt=end
    ).order_by("start")
    return [
        CountedQuarter(*row)
        for row in rows.values_list("start", "quantity", "platform_cost", "agency_cost")
    ]


def counted_quarters_by_unit(
    *, workspace_id: int, start: dt.datetime, end: dt.datetime
) -> dict[int, list[CountedQuarter]]:
    """`counted_quarters` of every unit of a workspace, by unit, in one query."""
    rows = UsageQuarter.objects.filter(
        workspace_id=workspace_id, start__gte=start, start__lt=end
    ).order_by("unit_id", "start")
    found: dict[int, list[CountedQuarter]] = {}
    columns = ("start", "quantity", "platform_cost", "agency_cost", "unit_id")
    for *quarter, unit_id in rows.values_list(*columns):
        found.setdefault(unit_id, []).append(CountedQuarter._make(quarter))
    return found


def counted_in(stretches: Sequence[Stretch]) -> list[CountedQuarter | None]:
    """What was counted in each of several stretches of time, as if it were one quarter hour at
    its start; None where nothing was. One query, however many quarter hours there are."""
    sums = sum_quarters(stretches)
    return [
        CountedQuarter(
            stretch.start,
            unscaled(sums[place].quantity, metering.PLACES),
            unscaled(sums[place].platform_cost, costing.PLACES),
            unscaled(sums[place].agency_cost, costing.PLACES),
        )
        if place in sums
        else None
        for place, stretch in enumerate(stretches)
    ]


class DayUsage(NamedTuple):
    """Counted usage of a local day of the client; ``unpriced`` are calls whose cost is unknown."""

    unit_id: int
    day: dt.date
    quantity: Decimal
    events: int
    errors: int
    unpriced: int
    cost: Decimal


def daily(
    *,
    workspace_id: int,
    first: dt.date,
    last: dt.date,
    unit_ids: Collection[int] | None = None,
) -> list[DayUsage]:
    """Usage by unit and day from ``first`` to ``last``, both included; days without are left out.
    ``cost`` is what platform and agency paid together, in the client's currency. ``unit_ids``:
    of these units alone."""
    rows = UsageDay.objects.filter(workspace_id=workspace_id, day__range=(first, last))
    if unit_ids is not None:
        rows = rows.filter(unit_id__in=unit_ids)
    sums = (
        rows.values_list("unit_id", "day")
        .annotate(
            Sum("quantity"),
            Sum("events"),
            Sum("errors"),
            Sum("unpriced"),
            cost=Sum(F("platform_cost") + F("agency_cost")),
        )
        .order_by("unit_id", "day")
    )
    return [DayUsage(*row) for row in sums]


class LabelUsage(NamedTuple):
    """Counted usage under one label and model; both may be empty: nobody said."""

    unit_id: int
    label: str
    model: str
    quantity: Decimal
    events: int
    cost: Decimal


def by_label_and_model(*, workspace_id: int, first: dt.date, last: dt.date) -> list[LabelUsage]:
    """What caused the usage from ``first`` to ``last``, both included: the largest first."""
    sums = (
        UsageDay.objects.filter(workspace_id=workspace_id, day__range=(first, last))
        .values_list("unit_id", "label", "model")
        .annotate(
            total=Sum("quantity"),
            count=Sum("events"),
            cost=Sum(F("platform_cost") + F("agency_cost")),
        )
        .order_by("unit_id", "-total", "label", "model")
    )
    return [LabelUsage(*row) for row in sums]


class UsageTotal(NamedTuple):
    """Counted usage of a unit (by slug) in one group: an hour's start, a day, a label, a model."""

    unit: str
    group: dt.datetime | dt.date | str | None
    quantity: Decimal
    events: int


def usage_in_all(
    *, workspace_id: int, unit_id: int | None, start: dt.datetime, end: dt.datetime
) -> list[UsageTotal]:
    """Usage of the quarter hours in ``[start, end)`` by unit, or of one unit."""
    sums = _quarters(workspace_id, unit_id, start, end).values_list("unit__slug")
    rows = sums.annotate(total=Sum("quantity"), count=Sum("events")).order_by("unit__slug")
    return [UsageTotal(slug, None, total, count) for slug, total, count in rows]


def usage_by_hour(
    *, workspace_id: int, unit_id: int | None, start: dt.datetime, end: dt.datetime
) -> list[UsageTotal]:
    """The same by hour (UTC) that has any, in time order."""
    sums: dict[tuple[str, dt.datetime], tuple[Decimal, int]] = {}
    rows = _quarters(workspace_id, unit_id, start, end).order_by("unit__slug", "start")
    for slug, at, quantity, events in rows.values_list("unit__slug", "start", "quantity", "events"):
        key = (slug, at.replace(minute=0))
        total, count = sums.get(key, (Decimal(0), 0))
        sums[key] = (total + quantity, count + events)
    return [UsageTotal(slug, hour, *total) for (slug, hour), total in sums.items()]


def usage_by_day(
    *, workspace_id: int, unit_id: int | None, first: dt.date, last: dt.date, by: str
) -> list[UsageTotal]:
    """Usage of local days from ``first`` to ``last``, both included, by ``day``, ``label`` or
    ``model``: days in order, others the largest first."""
    rows = UsageDay.objects.filter(workspace_id=workspace_id, day__range=(first, last))
    if unit_id is not None:
        rows = rows.filter(unit_id=unit_id)
    sums = rows.values_list("unit__slug", by).annotate(total=Sum("quantity"), count=Sum("events"))
    order = ("unit__slug", by) if by == "day" else ("unit__slug", "-total", by)
    return [UsageTotal(*row) for row in sums.order_by(*order)]


def _quarters(
    workspace_id: int, unit_id: int | None, start: dt.datetime, end: dt.datetime
) -> QuerySet[UsageQuarter]:
    rows = UsageQuarter.objects.filter(workspace_id=workspace_id, start__gte=start, start__lt=end)
    return rows if unit_id is None else rows.filter(unit_id=unit_id)


def corrected_quantities(event_ids: Iterable[int]) -> dict[int, Decimal]:
    """What events count after all, of those that were corrected. The latest correction holds."""
    rows = UsageCorrection.objects.filter(event_id__in=list(event_ids)).order_by("pk")
    return dict(rows.values_list("event_id", "quantity"))


def counted_quantity() -> Coalesce:
    """What an event counts in the sums of its window: as corrected, unless its period was closed
    by then, so that the correction settles in a later one."""
    corrections = UsageCorrection.objects.filter(event=OuterRef("pk")).exclude(
        standing=UsageCorrection.Standing.LATE
    )
    latest = corrections.order_by("-pk").values("quantity")[:1]
    return Coalesce(Subquery(latest), F("quantity"))


def known_cost(*, settled_late: bool) -> Coalesce:
    """What an event cost, in the client's currency, priced later included; of what settles late
    only if it is ``settled_late`` that counts, too. Null: unknown."""
    later: Combinable = F("pricing__client_cost")
    if not settled_late:
        in_time = When(~Q(pricing__standing=UsagePricing.Standing.LATE), then=later)
        later = Case(in_time, output_field=NanosField())
    return Coalesce(F("client_cost"), later)


def priced_in_time(event: UsageEvent) -> UsagePricing | None:
    """What an event was priced with later, where that counts at its own time: not for a closed
    period."""
    pricing: UsagePricing | None = getattr(event, "pricing", None)
    if pricing is None or pricing.standing == UsagePricing.Standing.LATE:
        return None
    return pricing
