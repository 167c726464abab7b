"""How an agency's clients are asked for what is due: its schedule, from a date on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from django.db import transaction

from agencyportal.core.locks import lock_row
from billing.dunning import DEFAULT, DunningError, Schedule, refuse_unfit
from billing.models import DunningSchedule
from billing.refusals import RefusedError, refuse_unfit_key
from clients.models import Agency, User

LONGEST_KEY = 150


def schedules_of(agency_ids: Collection[int], *, now: dt.datetime) -> dict[int, DunningSchedule]:
    """The schedule in force of each agency that has set one. One query."""
    rows = DunningSchedule.objects.filter(agency__in=agency_ids, starts_at__lte=now)
    return {row.agency_id: row for row in rows.order_by("number")}


def schedule_of(agency: Agency, *, now: dt.datetime) -> Schedule:
    """The schedule in force of an agency; the one that everybody begins with where it set none."""
    found = schedules_of([agency.pk], now=now).get(agency.pk)
    return DEFAULT if found is None else found.schedule


@transaction.atomic
def set_schedule(
    *, agency: Agency, schedule: Schedule, set_by: User | None, now: dt.datetime, key: str
) -> DunningSchedule:
    """Have the invoices that an agency's clients get from now on dunned by this schedule.

    ``key`` makes it this one: asked for again, it answers with the one that is there. Raises
    RefusedError, naming the field, for a schedule that makes no sense. Locks the agency.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    try:
        refuse_unfit(schedule)
    except DunningError as error:
        raise RefusedError(str(error), field=error.field) from error
    lock_row(Agency.objects.filter(pk=agency.pk))
    key = f"{agency.pk}:{key}"
    if earlier := DunningSchedule.objects.filter(key=key).first():
        return earlier
    last = DunningSchedule.objects.filter(agency=agency).order_by("-number").first()
    row = DunningSchedule(
        agency=agency,
        number=1 if last is None else last.number + 1,
        starts_at=now,
        set_by=set_by,
        key=key,
        **{**schedule.document(), "policy": schedule.policy},
    )
    row.save(force_insert=True)
    return row
