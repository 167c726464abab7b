"""The alert rules that hold for a client, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _

from agencyportal.portal import selectors
from agencyportal.portal.visits import Visit
from billing.models import AlertRule


def rules_in_words(visit: Visit) -> list[str]:
    """One sentence for each rule, the widest first."""
    return [_rule(visit, rule) for rule in selectors.alert_rules(visit.client) if rule.percents]


def _rule(visit: Visit, rule: AlertRule) -> str:
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
        "scope": _scope(rule),
        "told": visit.writing.listed(told),
    }


def _scope(rule: AlertRule) -> str:
    if rule.workspace is not None and rule.unit is not None:
        return _("%(workspace)s (%(units)s)") % {
            "workspace": rule.workspace.name,
            "units": rule.unit.plural,
        }
    if rule.workspace is not None:
        return rule.workspace.name
    if rule.unit is not None:
        return _("each workspace (%(units)s)") % {"units": rule.unit.plural}
    return _("each workspace")
