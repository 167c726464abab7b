"""Tells people before it hurts: levels of usage, money and margin that are reached (ENGINE 10).

A check looks at workspaces in whose running windows something changed since the last one
(`UsageWindow.watched`). What was crossed is written down with its messages in one transaction; a
unique constraint on rule, period, unit, level and arming lets it happen once, however many checks
run at the same time.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from billing.models import Alert, AlertCrossing, AlertRule, CreditGrant
from billing.selectors.alerts import Noticed, readings
from billing.thresholds import Kind, Watch, crossed, watches
from clients.models import UsageUnit, UsageWindow, Workspace
from clients.services import windows

from .alert_mail import Raised, queue_alert_mail
from .alert_rules import as_rule, look_again, rules_of, save_rule, set_own_rule

ARMING_KINDS: Final = (
    CreditGrant.Kind.ADJUSTMENT,
    CreditGrant.Kind.PROMOTIONAL,
    CreditGrant.Kind.TOP_UP,
)
"""Credit that makes levels count anew. Allowance and rollover come with their period."""

_logger = logging.getLogger(__name__)


def check_alerts(*, now: dt.datetime, limit: int | None = None) -> int:
    """Look at every workspace with something new; returns how many alerts came of it.

    Each workspace in its own transaction; one that fails is logged and holds up no other.
    """
    raised = 0
    changed = Q(watched=None) | ~Q(used=F("watched"))
    running = UsageWindow.objects.filter(changed, start__lte=now, end__gt=now)
    ids = running.order_by("workspace_id").values_list("workspace_id", flat=True).distinct()
    for workspace_id in list(ids[:limit]):
        try:
            raised += len(check_workspace(workspace_id=workspace_id, now=now))
        except IntegrityError:
            # Another check was quicker. What it did not see is still marked, and looked at next.
            _logger.info("alerts of workspace %s are being raised elsewhere", workspace_id)
        except Exception:
            _logger.exception("alerts of workspace %s were not checked", workspace_id)
    return raised


@transaction.atomic
def check_workspace(*, workspace_id: int, now: dt.datetime) -> list[Alert]:
    """Raise what a workspace has crossed: an alert for each rule and unit, and one message about
    all of them to each side.

    Holds the workspace shared, so that no credit comes between; then the windows. Raises
    IntegrityError where another check raises the same.
    """
    windows.hold_workspace(workspace_id)
    workspace = Workspace.objects.select_related("agency", "client").get(pk=workspace_id)
    running = workspace.windows.filter(start__lte=now, end__gt=now).order_by("pk")
    seen = list(running.values_list("pk", "used"))
    rules = {rule.pk: rule for rule in rules_of(workspace.agency)}
    raised = _raise_all(workspace, rules, now)
    queue_alert_mail(workspace=workspace, raised=raised, now=now)
    for pk, used in seen:
        UsageWindow.objects.filter(pk=pk).update(watched=used)
    return [row.alert for row in raised]


def _raise_all(workspace: Workspace, rules: dict[int, AlertRule], now: dt.datetime) -> list[Raised]:
    """Everything newly crossed, written down."""
    watching = [as_rule(rule) for rule in rules.values()]
    tells = {pk: (rule.tells_client, rule.tells_agency) for pk, rule in rules.items()}
    found = []
    for noticed in readings(
        workspace=workspace, kinds={rule.kind for rule in watching if rule.levels}, now=now
    ):
        for watch in watches(
            watching,
            kind=noticed.reading.kind,
            client_id=workspace.client_id,
            workspace_id=workspace.pk,
            unit_id=noticed.unit.pk if noticed.unit is not None else None,
            tells=tells,
        ):
            raised = _check(workspace, noticed, watch, rules[watch.rule.id], now)
            found += [raised] if raised is not None else []
    return found


def _check(
    workspace: Workspace, noticed: Noticed, watch: Watch, rule: AlertRule, now: dt.datetime
) -> Raised | None:
    reached = crossed(watch.rule.levels, noticed.reading)
    if not reached:
        return None
    arming = _arming(workspace, noticed.unit, now) + rule.revision
    told = set(
        AlertCrossing.objects.filter(
            rule=rule, period=noticed.period, unit=noticed.unit, arming=arming
        ).values_list("level", flat=True)
    )
    new = [level for level in reached if level not in told]
    return _raise(workspace, noticed, watch, rule, new, arming, now) if new else None


def _raise(
    workspace: Workspace,
    noticed: Noticed,
    watch: Watch,
    rule: AlertRule,
    levels: Sequence[Decimal],
    arming: int,
    now: dt.datetime,
) -> Raised:
    reading, balance = noticed.reading, noticed.balance
    alert = Alert.objects.create(
        agency_id=workspace.agency_id,
        workspace=workspace,
        unit=noticed.unit,
        period=noticed.period,
        rule=rule,
        kind=reading.kind,
        used=balance.used if balance else None,
        entitled=balance.granted if balance else None,
        measured=reading.measured,
        against=reading.against,
        details=dict(reading.details),
        arming=arming,
        tells_client=watch.tells_client and reading.kind is not Kind.MARGIN,
        tells_agency=watch.tells_agency,
        noticed_at=now,
        created_at=now,
    )
    AlertCrossing.objects.bulk_create(
        AlertCrossing(
            alert=alert,
            rule=rule,
            period=noticed.period,
            unit=noticed.unit,
            level=level,
            arming=arming,
        )
        for level in levels
    )
    return Raised(alert, tuple(levels), balance)


def _arming(workspace: Workspace, unit: UsageUnit | None, now: dt.datetime) -> int:
    """How often credit has come since ever: levels count anew after each."""
    given = CreditGrant.objects.filter(
        workspace=workspace, kind__in=ARMING_KINDS, effective_at__lte=now
    )
    return (given.filter(unit=unit) if unit is not None else given).count()


__all__ = [
    "as_rule",
    "check_alerts",
    "check_workspace",
    "look_again",
    "rules_of",
    "save_rule",
    "set_own_rule",
]
