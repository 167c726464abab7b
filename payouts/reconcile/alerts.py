"""What people were told: that it was so, and once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from agencyportal.core.money import plain
from billing.margin import Margin, points_below
from billing.models import Alert
from billing.pace import days_early
from billing.selectors.alerts import overage_in_a_row
from billing.thresholds import AGENCY_ONLY, Kind, Reading, crossed

from .findings import Checked, Finding, compare
from .scope import CHUNK, Scope

SUBJECT: Final = "Alerts"


def check_alerts(scope: Scope) -> Iterator[Finding]:
    """Every level that an alert lists had been reached by the figures that it states; these
    follow from each other, and from the frozen books where it is about closed periods; and its
    crossings are of its own rule, period, unit and arming."""
    rows = scope.of(Alert.objects.select_related("workspace", "unit", "period"))
    count = 0
    for alert in rows.order_by("pk").prefetch_related("crossings").iterator(chunk_size=CHUNK):
        count += 1
        what = alert.unit.plural if alert.unit is not None else "everything"
        name = f"{what} of {alert.workspace} at {alert.noticed_at:%Y-%m-%d %H:%M}"
        listed = list(alert.crossings.all())
        levels = sorted(crossing.level for crossing in listed)
        reached = crossed(levels, Reading(Kind(alert.kind), alert.measured, alert.against))
        fields: dict[str, tuple[Any, Any]] = {
            "levels": (_shown(levels), _shown(reached) or "at least one"),
            "period's workspace": (alert.period.workspace_id, alert.workspace_id),
            "agency": (alert.agency_id, alert.workspace.agency_id),
            "tells_client": (alert.tells_client, alert.tells_client and _is_for_clients(alert)),
            **_figures(alert),
        }
        yield from compare(SUBJECT, alert, name, fields)
        own = (alert.rule_id, alert.period_id, alert.unit_id, alert.arming)
        for crossing in listed:
            theirs = (crossing.rule_id, crossing.period_id, crossing.unit_id, crossing.arming)
            fields = {"rule, period, unit, arming": (theirs, own)}
            yield from compare(SUBJECT, crossing, f"{crossing.level} of {name}", fields)
    yield Checked(SUBJECT, count)


def _figures(alert: Alert) -> dict[str, tuple[Any, Any]]:
    """What an alert measured, and what it must have measured by what else it says."""
    kind, said = Kind(alert.kind), alert.details
    if kind is Kind.PERCENT:
        return {
            "measured": (alert.measured, alert.used),
            "against": (alert.against, alert.entitled),
        }
    if kind is Kind.UNITS:
        return {"measured": (alert.measured, alert.used)}
    if kind is Kind.MONEY:
        spent = Decimal(said["overage"]) + Decimal(said["top_ups"])
        return {"measured": (alert.measured, spent)}
    if kind is Kind.FORECAST:
        runs_out = dt.datetime.fromisoformat(said["runs_out_at"])
        return {"measured": (alert.measured, days_early(runs_out, alert.period.end))}
    if kind is Kind.MARGIN:
        margin = Margin(
            Decimal(said["price"]), Decimal(said["cost"]), Decimal(said["floor_percent"])
        )
        return {"measured": (alert.measured, points_below(margin))}
    if kind is Kind.OVERAGE:
        run = overage_in_a_row(period=alert.period).get(alert.unit_id or 0, 0)
        return {"measured": (alert.measured, Decimal(run))}
    return {}


def _is_for_clients(alert: Alert) -> bool:
    return Kind(alert.kind) not in AGENCY_ONLY


def _shown(levels: Sequence[Decimal]) -> str:
    return ", ".join(plain(level) for level in levels)
