"""What programs ask in a query string: units and times, read with errors that name them."""

from __future__ import annotations

import datetime as dt

from django.utils.dateparse import parse_date, parse_datetime

from agencyportal.core.periods import local_day_start
from agencyportal.core.problems import FieldError
from clients.models import UsageUnit, Workspace


def unit_named(
    slug: str | None, workspace: Workspace, errors: list[FieldError]
) -> UsageUnit | None:
    """The agency's unit; None where none is named, and, with an error, where there is none."""
    if not slug:
        return None
    named = UsageUnit.objects.for_agency(workspace.agency_id).filter(slug=slug[:61])
    found = named.first() if slug.isprintable() else None  # PostgreSQL knows no NUL
    if found is None:
        errors.append(FieldError(f"This agency has no unit “{slug[:60]}”.", "unit"))
    return found


def instant(name: str, text: str | None, zone: str, errors: list[FieldError]) -> dt.datetime | None:
    """A time, or the start of a local day; None where nothing is given or, with an error, wrong."""
    if not text:
        return None
    try:
        if (day := parse_date(text)) is not None:
            found: dt.datetime | None = local_day_start(day, zone)
        else:
            # A plus sign that was not escaped arrives as a space.
            found = parse_datetime(text.replace(" ", "+") if "T" in text else text)
    except (ValueError, OverflowError):
        found = None
    if found is None or found.tzinfo is None or not 2000 <= found.year < 2200:
        message = "A time as 2026-01-31T09:00:00Z, or a date as 2026-01-31."
        errors.append(FieldError(message, name))
        return None
    return found.astimezone(dt.UTC)
