"""Which alert rule watches what of a client's, in words.

The rules themselves overlap, and the most specific one takes the place of wider ones. A client is
told what comes of that: each unit of each workspace stands in one sentence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from agencyportal.portal import selectors
from agencyportal.portal.visits import Visit
from billing.models import AlertRule
from billing.services.alert_rules import as_rule
from billing.thresholds import AGENCY_ONLY, OF_WORKSPACE, SHARES, Kind, Rule, watches
from clients.models import UsageWindow


@dataclass(frozen=True, slots=True)
class _Told:
    """One rule at work, and whom it tells: a sentence of its own."""

    kind: Kind
    rule_id: int
    tells_client: bool
    tells_agency: bool


def rules_in_words(visit: Visit) -> list[str]:
    """One sentence for each rule that watches something now, kind by kind, that of the most
    first; and one for what no percent watches, if any is watched. Empty: nobody is told of
    anything. What only the agency may know is left out."""
    watched = selectors.running_units(visit.client, visit.now)
    rows = {row.pk: row for row in selectors.alert_rules(visit.agency)}
    rules = [as_rule(row) for row in rows.values()]
    said: list[str] = []
    for kind in Kind:
        by_rule: dict[_Told, list[UsageWindow]] = defaultdict(list)
        unwatched: list[UsageWindow] = []
        for window in watched:
            told = _told_of(window, kind, visit, rules, rows)
            unwatched += [] if told else [window]
            for rule in told:
                by_rule[rule].append(window)
        by_size = sorted(by_rule.items(), key=lambda item: -len(item[1]))
        said += [_rule(visit, told, rows, windows, watched) for told, windows in by_size]
        if kind is Kind.PERCENT and by_rule and unwatched:
            scope = _scope(visit, unwatched, watched)
            said.append(_("About %(scope)s nobody is told.") % {"scope": scope})
    return said


def _told_of(
    window: UsageWindow,
    kind: Kind,
    visit: Visit,
    rules: Sequence[Rule],
    rows: Mapping[int, AlertRule],
) -> list[_Told]:
    """The rules that watch a unit of a workspace; silent ones, and what is not for clients, are
    left out."""
    if kind in AGENCY_ONLY:
        return []
    found = [
        watch
        for unit_id in ({None, window.unit_id} if kind in OF_WORKSPACE else {window.unit_id})
        for watch in watches(
            rules,
            kind=kind,
            client_id=visit.client.pk,
            workspace_id=window.workspace_id,
            unit_id=unit_id,
            tells={pk: (row.tells_client, row.tells_agency) for pk, row in rows.items()},
        )
    ]
    return [
        _Told(kind, watch.rule.id, watch.tells_client, watch.tells_agency)
        for watch in found
        if watch.rule.levels and (watch.tells_client or watch.tells_agency)
    ]


def _rule(
    visit: Visit,
    told: _Told,
    rows: Mapping[int, AlertRule],
    windows: Sequence[UsageWindow],
    watched: Sequence[UsageWindow],
) -> str:
    whom = []
    if told.tells_client:
        email = visit.client.email
        whom.append(_("you (%(email)s)") % {"email": email} if email else _("you"))
    if told.tells_agency:
        whom.append(visit.agency.name)
    return _sentence(told.kind) % {
        "levels": _levels(visit, rows[told.rule_id]),
        "scope": _scope(visit, windows, watched),
        "told": visit.writing.listed(whom),
    }


def _sentence(kind: Kind) -> str:
    return {
        Kind.PERCENT: _(
            "At %(levels)s of what %(scope)s can use in a period, top-ups counted: %(told)s."
        ),
        Kind.UNITS: _("At %(levels)s units that %(scope)s used in a period: %(told)s."),
        Kind.MONEY: _(
            "At %(levels)s that %(scope)s spent beyond its fees in a period, before tax: %(told)s."
        ),
        Kind.FORECAST: _(
            "When %(scope)s will run out at least %(levels)s days before the period ends, at the "
            "pace so far (an estimate): %(told)s."
        ),
        Kind.SPIKE: _(
            "When 24 hours of %(scope)s come to %(levels)s of the usual or more: %(told)s."
        ),
        Kind.OVERAGE: _(
            "When %(scope)s went beyond the package in %(levels)s periods in a row: %(told)s."
        ),
    }[kind]


def _levels(visit: Visit, row: AlertRule) -> str:
    writing, kind = visit.writing, Kind(row.kind)
    levels = [Decimal(level) for level in row.levels]
    if kind in SHARES:
        return writing.listed([writing.percent(level) for level in levels])
    if kind is Kind.MONEY:
        return writing.listed([writing.money(level) for level in levels])
    return writing.listed([writing.quantity(level) for level in levels])


def _scope(visit: Visit, windows: Sequence[UsageWindow], watched: Sequence[UsageWindow]) -> str:
    """What of all that is watched: everything, a unit everywhere, workspaces, units of some."""
    if len(windows) == len(watched):
        return _("each workspace")
    units = {window.unit_id for window in windows}
    if len(windows) == sum(window.unit_id in units for window in watched):
        names = {window.unit_id: window.unit.plural for window in windows}
        return _("each workspace (%(units)s)") % {"units": visit.writing.listed([*names.values()])}
    return visit.writing.listed([*_workspaces(visit, windows, watched)])


def _workspaces(
    visit: Visit, windows: Sequence[UsageWindow], watched: Sequence[UsageWindow]
) -> Iterator[str]:
    parts: dict[int, list[UsageWindow]] = defaultdict(list)
    for window in windows:
        parts[window.workspace_id].append(window)
    for workspace_id, part in parts.items():
        name = part[0].workspace.name
        if len(part) == sum(window.workspace_id == workspace_id for window in watched):
            yield name
        else:
            units = visit.writing.listed([window.unit.plural for window in part])
            yield _("%(workspace)s (%(units)s)") % {"workspace": name, "units": units}
