"""Usage units and the versions of their meters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction

from agencyportal.core.locks import lock_row
from clients.metering import MeterError, read_rules
from clients.models import Agency, Meter, UnitTemplate, UsageUnit, User
from clients.submission import MAX_AHEAD

MOST_AHEAD: Final = dt.timedelta(days=10 * 366)
"""How far ahead a meter can change; until then it can change no more."""


@transaction.atomic
def create_unit(
    *,
    agency: Agency,
    slug: str,
    name: str = "",
    plural: str = "",
    template: UnitTemplate | str | None = None,
    decimals: int = 0,
    aggregation: str = "",
    property_name: str = "",
    filters: Sequence[Any] = (),
    weights: Sequence[Any] = (),
    effective_from: dt.datetime,
    created_by: User | None = None,
) -> UsageUnit:
    """Add a unit with the first version of its meter.

    ``template`` is an entry of the catalogue, or its slug: what is not given is taken from it.
    Filters and weights are described in ``clients/metering.py``. Raises ValidationError, by
    field, also for a definition that makes no sense.
    """
    if isinstance(template, str):
        template = _template(template)
    unit = UsageUnit(
        agency=agency,
        template=template,
        slug=slug,
        name=name or (template.name if template else ""),
        plural=plural or (template.plural if template else ""),
        decimals=decimals,
    )
    unit.full_clean()
    unit.save(force_insert=True)
    _add_meter(
        unit,
        version=1,
        aggregation=aggregation or (template.aggregation if template else Meter.Aggregation.COUNT),
        property_name=property_name,
        filters=filters,
        weights=weights,
        effective_from=effective_from,
        created_by=created_by,
    )
    return unit


@transaction.atomic
def change_meter(
    *,
    unit: UsageUnit,
    effective_from: dt.datetime,
    now: dt.datetime,
    aggregation: str,
    property_name: str = "",
    filters: Sequence[Any] = (),
    weights: Sequence[Any] = (),
    created_by: User | None = None,
) -> Meter:
    """Count the unit differently from ``effective_from`` on, as the next version of its meter.

    The date lies further ahead than any event accepted so far, or how an event counts would
    depend on when it arrived, and not so far that nobody could change it again. The same change
    again is the version that is there. Locks the unit's row. Raises ValidationError.
    """
    if effective_from <= now + MAX_AHEAD:
        minutes = int(MAX_AHEAD.total_seconds() // 60)
        raise ValidationError(
            {
                "effective_from": f"Choose a time more than {minutes} minutes from now: events up "
                "to then may have been counted already, and stay as they were counted."
            }
        )
    if effective_from > now + MOST_AHEAD:
        years = MOST_AHEAD.days // 366
        raise ValidationError({"effective_from": f"Choose a time within {years} years."})
    lock_row(UsageUnit.objects.filter(pk=unit.pk))
    last = unit.meters.latest("version")
    definition = (aggregation, property_name, list(filters), list(weights), effective_from)
    known = (last.aggregation, last.property_name, last.filters, last.weights, last.effective_from)
    if definition == known:
        return last
    if effective_from <= last.effective_from:
        starts = f"{last.effective_from.astimezone(dt.UTC):%-d %B %Y, %H:%M} UTC"
        raise ValidationError(
            {"effective_from": f"Version {last.version} starts on {starts}; choose a later time."}
        )
    return _add_meter(
        unit,
        version=last.version + 1,
        aggregation=aggregation,
        property_name=property_name,
        filters=filters,
        weights=weights,
        effective_from=effective_from,
        created_by=created_by,
    )


def _template(slug: str) -> UnitTemplate:
    try:
        return UnitTemplate.objects.get(slug=slug)
    except UnitTemplate.DoesNotExist:
        raise ValidationError({"template": f"The catalogue has no unit “{slug}”."}) from None


def _add_meter(unit: UsageUnit, **definition: Any) -> Meter:
    definition["filters"] = list(definition["filters"])
    definition["weights"] = list(definition["weights"])
    try:
        read_rules(
            definition["aggregation"],
            definition["property_name"],
            definition["filters"],
            definition["weights"],
        )
    except MeterError as error:
        raise ValidationError(_by_field(error)) from None
    meter = Meter(unit=unit, **definition)
    meter.full_clean()
    meter.save(force_insert=True)
    return meter


def _by_field(error: MeterError) -> dict[str, list[str]]:
    """The problems by the model's field, each with its place in it."""
    problems: dict[str, list[str]] = {}
    for path, message in error.problems:
        field = path.partition("[")[0].partition(".")[0]
        text = message if path == field else f"{path}: {message}"
        problems.setdefault(field, []).append(text)
    return problems
