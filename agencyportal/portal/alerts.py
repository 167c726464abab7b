"""Which alert rule watches what of a client's, in words.

The rules themselves overlap, and the most specific one takes the place of wider ones. A client is
told what comes of that: each unit of each workspace stands in one sentence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from django.utils.translation import gettext as _

from agencyportal.portal import selectors
from agencyportal.portal.visits import Visit
from billing.models import AlertRule
from billing.services.alerts import as_rule
from billing.thresholds import rule_for
from clients.models import UsageWindow


def rules_in_words(visit: Visit) -> list[str]:
    """One sentence for each rule that watches something now, that of the most first; and one for
    what none watches, if any is watched. Empty: nobody is told of anything."""
    watched = selectors.running_units(visit.client, visit.now)
    rules = {rule.pk: rule for rule in selectors.alert_rules(visit.agency)}
    by_rule: dict[int | None, list[UsageWindow]] = defaultdict(list)
    for window in watched:
        by_rule[_rule_of(window, rules.values(), visit)].append(window)
    unwatched = by_rule.pop(None, [])
    by_size = sorted(by_rule.items(), key=lambda item: -len(item[1]))
    said = [_rule(visit, rules[pk], windows, watched) for pk, windows in by_size if pk is not None]
    if said and unwatched:
        said.append(
            _("About %(scope)s nobody is told.") % {"scope": _scope(visit, unwatched, watched)}
        )
    return said


def _rule_of(window: UsageWindow, rules: Iterable[AlertRule], visit: Visit) -> int | None:
    """The rule that watches a unit of a workspace; None where none does, or a silent one."""
    found = rule_for(
        map(as_rule, rules),
        client_id=visit.client.pk,
        workspace_id=window.workspace_id,
        unit_id=window.unit_id,
    )
    return found.id if found is not None and found.percents else None


def _rule(
    visit: Visit, rule: AlertRule, windows: Sequence[UsageWindow], watched: Sequence[UsageWindow]
) -> str:
    told = []
    if rule.tells_client:
        told.append(
            _("you (%(email)s)") % {"email": visit.client.email} if visit.client.email else _("you")
        )
    if rule.tells_agency:
        told.append(visit.agency.name)
    if not told:
        told.append(_("nobody by e-mail; it is shown here"))
    return _(
        "At %(percents)s of what %(scope)s can use in a period, top-ups counted: %(told)s."
    ) % {
        "percents": visit.writing.percents(rule.percents),
        "scope": _scope(visit, windows, watched),
        "told": visit.writing.listed(told),
    }


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
