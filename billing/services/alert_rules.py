"""Alert rules: the agency's, the client's own, and the ones that an agency begins with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction

from agencyportal.core.locks import lock_row
from billing.models import AlertKind, AlertRule
from billing.refusals import RefusedError
from billing.selectors.alerts import has_floors
from billing.thresholds import AGENCY_ONLY, DEFAULT_PERCENTS, Kind, Rule, as_text, read_levels
from clients.models import Agency, Client, UsageUnit, UsageWindow, User, Workspace

CLIENTS_KINDS = (Kind.PERCENT, Kind.FORECAST, Kind.MONEY)
"""What a client may set for itself."""


def rules_of(agency: Agency) -> list[AlertRule]:
    """The active rules of an agency. Call it in a transaction.

    One that never had any is given the default: 80 and 100 %, for everything, told to both sides.
    One whose margin rules name a floor, and that never had a rule about margin, is given one that
    tells it: a floor is there to warn.
    """
    rules = _stored(agency)
    if _lacks(rules, agency):
        lock_row(Agency.objects.filter(pk=agency.pk))
        rules = _stored(agency)
        for kind, levels in _lacks(rules, agency):
            rules.append(
                AlertRule.objects.create(
                    agency=agency,
                    kind=kind,
                    levels=as_text(levels),
                    tells_client=Kind(kind) not in AGENCY_ONLY,
                )
            )
    return [rule for rule in rules if rule.is_active]


def _stored(agency: Agency) -> list[AlertRule]:
    return list(AlertRule.objects.for_agency(agency).order_by("pk"))


def _lacks(rules: Sequence[AlertRule], agency: Agency) -> list[tuple[str, Sequence[Decimal]]]:
    lacking: list[tuple[str, Sequence[Decimal]]] = []
    if all(rule.is_clients or rule.kind == AlertKind.MARGIN for rule in rules):
        lacking.append((AlertKind.PERCENT, DEFAULT_PERCENTS))
    if not any(rule.kind == AlertKind.MARGIN for rule in rules) and has_floors(agency.pk):
        lacking.append((AlertKind.MARGIN, (Decimal(0),)))
    return lacking


@transaction.atomic
def save_rule(
    *,
    agency: Agency,
    levels: Sequence[object],
    now: dt.datetime,
    kind: str = AlertKind.PERCENT,
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

    A rule whose kind, levels or scope change, or that is turned on again, counts anew: what it
    told before is told again where it still holds. ``levels`` may be empty: then nothing of that
    kind is told within its scope. Raises RefusedError for levels that are none of the kind, for a
    scope of another agency, and for a client's own rule.
    """
    found = _checked(kind, levels)
    for part in (client, workspace, unit, rule):
        if part is not None and part.agency_id != agency.pk:
            raise RefusedError(f"{part} is not of {agency}.")
    if workspace is not None and client is not None and workspace.client_id != client.pk:
        raise RefusedError(f"{workspace} belongs to {workspace.client}.", field="workspace")
    saved = rule or AlertRule(agency=agency, created_by=created_by, created_at=now)
    if saved.is_clients:
        raise RefusedError(f"This rule is {saved.client}'s own: only they change it.")
    saved.client, saved.workspace, saved.unit = client, workspace, unit
    saved.kind, saved.levels = kind, as_text(found)
    saved.tells_client = tells_client and Kind(kind) not in AGENCY_ONLY
    saved.tells_agency = tells_agency
    saved.is_active = is_active
    _save(saved, now)
    return saved


@transaction.atomic
def set_own_rule(
    *, client: Client, kind: str, levels: Sequence[object] | None, by: User, now: dt.datetime
) -> AlertRule | None:
    """What a client itself is told of one kind, for all of its workspaces; no levels: nothing.

    The agency's rules no longer tell the client of that kind, and tell the agency as before.
    ``levels`` None: as the agency has it, again. Returns the client's rule, if it has one then.
    Raises RefusedError for levels that are none, and kinds that a client does not set.
    """
    if kind not in CLIENTS_KINDS:
        raise RefusedError(f"{AlertKind(kind).label} is set by the agency.")
    if levels is None:
        own = AlertRule.objects.for_client(client).filter(is_clients=True, kind=kind).first()
        if own is not None and own.is_active:
            own.is_active = False
            _save(own, now)
        return None
    found = as_text(_checked(kind, levels))
    own, _created = AlertRule.objects.get_or_create(
        client=client,
        kind=kind,
        is_clients=True,
        defaults={
            "agency_id": client.agency_id,
            "levels": found,
            "tells_agency": False,
            "created_by": by,
            "created_at": now,
        },
    )
    own.levels, own.is_active = found, True
    _save(own, now)
    return own


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
        kind=Kind(row.kind),
        levels=tuple(map(Decimal, row.levels)),
        client_id=row.client_id,
        workspace_id=row.workspace_id,
        unit_id=row.unit_id,
        is_clients=row.is_clients,
    )


def _checked(kind: str, levels: Sequence[object]) -> list[Decimal]:
    if kind not in AlertKind.values:
        raise RefusedError(f"{kind} is no kind of alert.", field="kind")
    try:
        return read_levels(Kind(kind), levels)
    except ValueError as error:
        raise RefusedError(str(error), field="levels") from None


WATCHED_FIELDS = ("kind", "levels", "client_id", "workspace_id", "unit_id")
"""What a rule is. Whom it tells may change without its levels counting anew."""


def _save(rule: AlertRule, now: dt.datetime) -> None:
    """Write a rule; one that watches anything else than before counts anew."""
    stored = None if rule._state.adding else AlertRule.objects.get(pk=rule.pk)
    if stored is not None and (
        any(getattr(stored, name) != getattr(rule, name) for name in WATCHED_FIELDS)
        or (rule.is_active and not stored.is_active)
    ):
        rule.revision = stored.revision + 1
    rule.save()
    look_again(agency=rule.agency, now=now)
