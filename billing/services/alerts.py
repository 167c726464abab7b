"""Tells people before it hurts: thresholds of what a period entitles to (ENGINE 10).

A check looks at workspaces in whose running windows something changed since the last one
(`UsageWindow.watched`). What was crossed is written down with its messages in one transaction; a
unique constraint on rule, period, unit, percent and arming lets it happen once, however many
checks run at the same time.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from agencyportal.core.locks import lock_row
from billing.models import Alert, AlertCrossing, AlertRule, CreditGrant
from billing.refusals import RefusedError
from billing.selectors.usage import UnitBalance, unit_balances
from billing.thresholds import DEFAULT_PERCENTS, Rule, crossed, rule_for, wrong_with
from clients.models import Agency, Client, UsageUnit, UsageWindow, User, Workspace
from clients.services import windows

from .alert_mail import queue_alert_mail

ARMING_KINDS: Final = (
    CreditGrant.Kind.ADJUSTMENT,
    CreditGrant.Kind.PROMOTIONAL,
    CreditGrant.Kind.TOP_UP,
)
"""Credit that makes thresholds count anew. Allowance and rollover come with their period."""

_logger = logging.getLogger(__name__)


# --- Checking ----------------------------------------------------------------------------------


def check_alerts(*, now: dt.datetime, limit: int | None = None) -> int:
    """Look at every workspace with something new; returns how many alerts came of it.

    Each workspace in its own transaction; one that fails is logged and holds up no other.
    """
    raised = 0
    changed = Q(watched=None) | ~Q(used=F("watched"))
    running = UsageWindow.objects.filter(changed, start__lte=now, end__gt=now, used__gt=0)
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
    """Raise what a workspace's usage has crossed, one alert for each unit.

    Holds the workspace shared, so that no credit comes between; then the windows. Raises
    IntegrityError where another check raises the same.
    """
    windows.hold_workspace(workspace_id)
    workspace = Workspace.objects.select_related("agency", "client").get(pk=workspace_id)
    running = workspace.windows.filter(start__lte=now, end__gt=now).order_by("pk")
    seen = list(running.values_list("pk", "used"))
    rules = rules_of(workspace.agency)
    alerts = [
        alert
        for balance in unit_balances(workspace=workspace, now=now)
        if (alert := _check_unit(workspace, balance, rules, now)) is not None
    ]
    for pk, used in seen:
        UsageWindow.objects.filter(pk=pk).update(watched=used)
    return alerts


def _check_unit(
    workspace: Workspace, balance: UnitBalance, rules: Sequence[AlertRule], now: dt.datetime
) -> Alert | None:
    found = rule_for(
        map(as_rule, rules),
        client_id=workspace.client_id,
        workspace_id=workspace.pk,
        unit_id=balance.unit.pk,
    )
    if found is None:
        return None
    percents = crossed(found.percents, used=balance.used, entitled=balance.granted)
    if not percents:
        return None
    rule = next(rule for rule in rules if rule.pk == found.id)
    arming = _arming(workspace, balance.unit, now)
    told = AlertCrossing.objects.filter(
        rule=rule, period=balance.period, unit=balance.unit, arming=arming
    ).values_list("percent", flat=True)
    new = [percent for percent in percents if percent not in set(told)]
    return _raise(workspace, balance, rule, new, arming, now) if new else None


def _raise(
    workspace: Workspace,
    balance: UnitBalance,
    rule: AlertRule,
    percents: Sequence[int],
    arming: int,
    now: dt.datetime,
) -> Alert:
    alert = Alert.objects.create(
        agency_id=workspace.agency_id,
        workspace=workspace,
        unit=balance.unit,
        period=balance.period,
        rule=rule,
        used=balance.used,
        entitled=balance.granted,
        arming=arming,
        noticed_at=now,
        created_at=now,
    )
    AlertCrossing.objects.bulk_create(
        AlertCrossing(
            alert=alert,
            rule=rule,
            period=balance.period,
            unit=balance.unit,
            percent=percent,
            arming=arming,
        )
        for percent in percents
    )
    mail = queue_alert_mail(
        alert=alert, workspace=workspace, balance=balance, rule=rule, percents=percents, now=now
    )
    if mail is not None:
        Alert.objects.filter(pk=alert.pk).update(mail=mail)
        alert.mail = mail
    return alert


def _arming(workspace: Workspace, unit: UsageUnit, now: dt.datetime) -> int:
    """How often credit has come since ever: thresholds count anew after each."""
    given = CreditGrant.objects.filter(workspace=workspace, unit=unit, kind__in=ARMING_KINDS)
    return given.filter(effective_at__lte=now).count()


# --- Rules -------------------------------------------------------------------------------------


def rules_of(agency: Agency) -> list[AlertRule]:
    """The active rules of an agency. One that never had any is given the default: 80 and 100 %,
    for everything, told to both sides. Call it in a transaction."""
    rules = list(AlertRule.objects.for_agency(agency).order_by("pk"))
    if not rules:
        lock_row(Agency.objects.filter(pk=agency.pk))
        rules = list(AlertRule.objects.for_agency(agency).order_by("pk"))
    if not rules:
        rules = [AlertRule.objects.create(agency=agency, percents=list(DEFAULT_PERCENTS))]
    return [rule for rule in rules if rule.is_active]


@transaction.atomic
def save_rule(
    *,
    agency: Agency,
    percents: Sequence[int],
    now: dt.datetime,
    created_by: User | None = None,
    rule: AlertRule | None = None,
    client: Client | None = None,
    workspace: Workspace | None = None,
    unit: UsageUnit | None = None,
    tells_client: bool = True,
    tells_agency: bool = True,
    is_active: bool = True,
) -> AlertRule:
    """Make a rule, or change ``rule``; what is reached already is told at the next check.

    ``percents`` may be empty: then nothing is told within its scope. Raises RefusedError for
    percents that are none, and for a scope of another agency.
    """
    if (wrong := wrong_with(percents)) is not None:
        raise RefusedError(wrong)
    for part in (client, workspace, unit, rule):
        if part is not None and part.agency_id != agency.pk:
            raise RefusedError(f"{part} is not of {agency}.")
    saved = rule or AlertRule(agency=agency, created_by=created_by, created_at=now)
    saved.client, saved.workspace, saved.unit = client, workspace, unit
    saved.percents = list(percents)
    saved.tells_client, saved.tells_agency = tells_client, tells_agency
    saved.is_active = is_active
    saved.save()
    look_again(agency=agency, now=now)
    return saved


def look_again(*, agency: Agency, now: dt.datetime) -> None:
    """Have the next check look at all of an agency's running windows. For whoever saves rules."""
    ids = UsageWindow.objects.for_agency(agency).filter(
        start__lte=now, end__gt=now, watched__isnull=False
    )
    # In the order of keys, as recording locks them.
    for pk in ids.order_by("pk").values_list("pk", flat=True):
        UsageWindow.objects.filter(pk=pk).update(watched=None)


def as_rule(row: AlertRule) -> Rule:
    """A row as `thresholds.rule_for` takes it."""
    return Rule(
        id=row.pk,
        percents=tuple(row.percents),
        client_id=row.client_id,
        workspace_id=row.workspace_id,
        unit_id=row.unit_id,
    )
