"""GET /api/v1/explanation: what consumed each credit of a unit, and what made its overage."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.http import Http404
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from agencyportal.api.authentication import ScopedView
from agencyportal.api.questions import instant, unit_named
from agencyportal.api.refusals import invalid
from agencyportal.core.money import plain
from agencyportal.core.problems import FieldError
from billing.models import BillingPeriod
from billing.selectors.explaining import Explanation, Part, Taken, explain
from clients.models import Workspace, WorkspaceKey

PARAMETERS: Final = ("unit", "at")


class ExplanationView(ScopedView):
    """Where the usage of `unit` went in the period that holds `at`; by default the one in progress.

    Each credit in the order in which it burned, overage last: by local day, label, model and run.
    """

    required_scope = WorkspaceKey.Scope.READ

    def get(self, request: Request) -> Response:
        now = timezone.now()
        given = request.query_params
        errors = [
            FieldError(f"Unknown; known are {', '.join(PARAMETERS)}.", name)
            for name in given
            if name not in PARAMETERS
        ]
        unit = unit_named(given.get("unit"), self.workspace, errors)
        if unit is None and not errors:
            errors.append(FieldError("Name a unit.", "unit"))
        at = instant("at", given.get("at"), self.workspace.client.timezone, errors) or now
        if errors or unit is None:
            raise invalid(errors)
        period = _period(self.workspace, at)
        found = None if period is None else explain(period=period, unit=unit, now=now)
        if found is None:
            raise Http404(f"{unit.plural.capitalize()} are in no package at that time.")
        return Response(_shown(found))


def _period(workspace: Workspace, at: dt.datetime) -> BillingPeriod | None:
    return (
        workspace.periods.filter(start__lte=at, end__gt=at)
        .select_related("workspace__client", "plan_version__plan")
        .first()
    )


def _shown(explanation: Explanation) -> dict[str, Any]:
    period = explanation.period
    return {
        "unit": explanation.unit.slug,
        "period": {
            "start": _time(period.start),
            "end": _time(period.end),
            "state": period.state,
        },
        "used": plain(explanation.used),
        "is_provisional": explanation.is_provisional,
        "taken": [_taken(taken) for taken in explanation.taken],
    }


def _taken(taken: Taken) -> dict[str, Any]:
    return {
        "from": taken.kind,
        "grant": None if taken.grant is None else taken.grant.pk,
        "quantity": plain(taken.quantity),
        "days": [
            {"day": day.isoformat(), "quantity": plain(quantity)} for day, quantity in taken.days
        ],
        "labels": [_part("label", part) for part in taken.labels],
        "models": [_part("model", part) for part in taken.models],
        "runs": [_part("run_id", part) for part in taken.runs],
    }


def _part(name: str, part: Part) -> dict[str, Any]:
    return {name: part.name, "quantity": plain(part.quantity), "events": part.events}


def _time(instant: dt.datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
