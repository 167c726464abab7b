"""GET /api/v1/usage: what was counted, as one total or by hour, day, label or model."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from agencyportal.api.authentication import ScopedView
from agencyportal.api.questions import instant, unit_named
from agencyportal.api.refusals import invalid
from agencyportal.core.money import plain
from agencyportal.core.periods import local_date, local_day_start, quarter_ceil, quarter_floor
from agencyportal.core.problems import FieldError
from clients.models import UsageUnit, Workspace, WorkspaceKey
from clients.selectors import UsageTotal, usage_by_day, usage_by_hour, usage_in_all

GROUPINGS: Final = ("hour", "day", "label", "model")
BY_DAY: Final = ("day", "label", "model")
"""Groupings that rest on local days, and so on whole ones."""

PARAMETERS: Final = ("unit", "from", "to", "group_by")
LONGEST: Final = {"hour": dt.timedelta(days=32), "": dt.timedelta(days=3660)}
ONE_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked for: ``[start, end)``, by quarter hours or by whole local days."""

    unit: UsageUnit | None
    start: dt.datetime
    end: dt.datetime
    group_by: str


class UsageView(ScopedView):
    """Counted usage in `[from, to)`; by default of the period in progress, up to now.

    Times are RFC 3339, or dates in the client's time zone. By day, label or model, whole local
    days are added up; `from` and `to` in the answer say which.
    """

    required_scope = WorkspaceKey.Scope.READ

    def get(self, request: Request) -> Response:
        question = _question(request, self.workspace, timezone.now())
        totals = _totals(self.workspace, question)
        return Response(
            {
                "from": _shown(question.start),
                "to": _shown(question.end),
                "group_by": question.group_by or None,
                "totals": [_total(total, question.group_by) for total in totals],
            }
        )


def _question(request: Request, workspace: Workspace, now: dt.datetime) -> Question:
    given = request.query_params
    errors = [
        FieldError(f"Unknown; known are {', '.join(PARAMETERS)}.", name)
        for name in given
        if name not in PARAMETERS
    ]
    zone = workspace.client.timezone
    group_by = given.get("group_by", "")
    if group_by and group_by not in GROUPINGS:
        errors.append(FieldError(f"One of {', '.join(GROUPINGS)}.", "group_by"))
    unit = unit_named(given.get("unit"), workspace, errors)
    start = instant("from", given.get("from"), zone, errors) or _period_start(workspace, now)
    end = instant("to", given.get("to"), zone, errors) or max(now, start)
    if not errors and end < start:
        errors.append(FieldError("Before `from`.", "to"))
    longest = LONGEST.get(group_by, LONGEST[""])
    if not errors and end - start > longest:
        errors.append(FieldError(f"At most {longest.days} days at once.", "to"))
    if errors:
        raise invalid(errors)
    if group_by in BY_DAY:
        start, end = _whole_days(start, end, zone)
    return Question(unit, quarter_floor(start), quarter_ceil(end), group_by)


def _period_start(workspace: Workspace, now: dt.datetime) -> dt.datetime:
    """Where the period in progress begins; without one, the local month."""
    period = workspace.periods.filter(start__lte=now, end__gt=now).first()
    if period is not None:
        return period.start
    zone = workspace.client.timezone
    return local_day_start(local_date(now, zone).replace(day=1), zone)


def _whole_days(start: dt.datetime, end: dt.datetime, zone: str) -> tuple[dt.datetime, dt.datetime]:
    last = local_date(max(start, end - dt.timedelta(microseconds=1)), zone)
    first = local_date(start, zone)
    return local_day_start(first, zone), local_day_start(last + ONE_DAY, zone)


def _totals(workspace: Workspace, question: Question) -> list[UsageTotal]:
    unit_id = None if question.unit is None else question.unit.pk
    if question.group_by in BY_DAY:
        zone = workspace.client.timezone
        return usage_by_day(
            workspace_id=workspace.pk,
            unit_id=unit_id,
            first=local_date(question.start, zone),
            last=local_date(question.end - dt.timedelta(microseconds=1), zone),
            by=question.group_by,
        )
    totals = usage_by_hour if question.group_by == "hour" else usage_in_all
    return totals(
        workspace_id=workspace.pk, unit_id=unit_id, start=question.start, end=question.end
    )


def _total(total: UsageTotal, group_by: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"unit": total.unit}
    if group_by:
        group = total.group
        shown[group_by] = _shown(group) if isinstance(group, dt.datetime) else str(group)
    return shown | {"quantity": plain(total.quantity), "events": total.events}


def _shown(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
