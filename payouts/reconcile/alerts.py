"""What people were told: that it was so, and once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from billing.models import Alert
from billing.thresholds import crossed

from .findings import Checked, Finding, compare
from .scope import CHUNK, Scope

SUBJECT: Final = "Alerts"


def check_alerts(scope: Scope) -> Iterator[Finding]:
    """Every percent that an alert lists had been reached by the figures that it states, and its
    crossings are of its own rule, period, unit and arming."""
    rows = scope.of(Alert.objects.select_related("workspace", "unit", "period"))
    count = 0
    for alert in rows.order_by("pk").prefetch_related("crossings").iterator(chunk_size=CHUNK):
        count += 1
        name = f"{alert.unit.plural} of {alert.workspace} at {alert.noticed_at:%Y-%m-%d %H:%M}"
        listed = list(alert.crossings.all())
        percents = sorted(crossing.percent for crossing in listed)
        reached = crossed(percents, used=alert.used, entitled=alert.entitled)
        fields = {
            "percents": (_shown(percents), _shown(reached) or "at least one"),
            "period's workspace": (alert.period.workspace_id, alert.workspace_id),
            "agency": (alert.agency_id, alert.workspace.agency_id),
        }
        yield from compare(SUBJECT, alert, name, fields)
        own = (alert.rule_id, alert.period_id, alert.unit_id, alert.arming)
        for crossing in listed:
            theirs = (crossing.rule_id, crossing.period_id, crossing.unit_id, crossing.arming)
            fields = {"rule, period, unit, arming": (theirs, own)}
            yield from compare(SUBJECT, crossing, f"{crossing.percent} % of {name}", fields)
    yield Checked(SUBJECT, count)


def _shown(percents: list[int]) -> str:
    return ", ".join(f"{percent} %" for percent in percents)
