"""The form in which a client's admin says what the client itself wants to be told."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from agencyportal.portal.visits import Visit
from billing.models import AlertKind, AlertRule
from billing.services.alert_rules import CLIENTS_KINDS, set_own_rule
from billing.thresholds import Kind, as_text, read_levels

AS_AGENCY: Final = "agency"
OWN: Final = "own"
OFF: Final = "off"
AT_ALL: Final = ("0",)
"""The levels of a forecast: whenever something runs out before its period ends."""

_MODES: Final = (
    (AS_AGENCY, _("As set up for you")),
    (OWN, _("As you say here")),
    (OFF, _("Do not tell us")),
)
_LABELS: Final = {
    Kind.PERCENT: _("Share of the package used"),
    Kind.FORECAST: _("Something will run out early, at the pace so far"),
    Kind.MONEY: _("Money spent beyond the fees"),
}
_LEVELS: Final = {
    Kind.PERCENT: (_("At which percents"), _("With commas between, such as 50, 80, 100.")),
    Kind.MONEY: (_("At which amounts"), _("Before tax, with commas between, such as 250, 500.")),
}


class OwnAlertsForm(forms.Form):
    """For each kind: as the agency has it, as the client says, or not at all."""

    def __init__(self, *args: Any, visit: Visit, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.visit = visit
        rules = AlertRule.objects.for_client(visit.client).filter(is_clients=True, is_active=True)
        known = {Kind(rule.kind): rule for rule in rules}
        for kind in CLIENTS_KINDS:
            rule = known.get(kind)
            mode = AS_AGENCY if rule is None else (OWN if rule.levels else OFF)
            self.fields[f"{kind}_mode"] = forms.ChoiceField(
                label=_LABELS[kind], choices=_MODES, initial=mode
            )
            if kind in _LEVELS:
                label, hint = _LEVELS[kind]
                self.fields[f"{kind}_levels"] = forms.CharField(
                    label=label,
                    help_text=hint,
                    required=False,
                    max_length=200,
                    initial=", ".join(rule.levels) if rule is not None else "",
                )

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or self.cleaned_data
        for kind in _LEVELS:
            if said.get(f"{kind}_mode") != OWN:
                continue
            name = f"{kind}_levels"
            parts = said.get(name, "").replace("%", " ").replace(",", " ").split()
            try:
                said[name] = as_text(read_levels(kind, parts))
            except ValueError as error:
                self.add_error(name, str(error))
            else:
                if not parts:
                    self.add_error(name, _("Name at least one."))
        return said

    def save(self) -> None:
        """Set what changed; what stayed as it was is not told anew."""
        for kind in CLIENTS_KINDS:
            set_own_rule(
                client=self.visit.client,
                kind=AlertKind(kind),
                levels=self._levels(kind),
                by=self.visit.user,
                now=self.visit.now,
            )

    def _levels(self, kind: Kind) -> list[str] | None:
        mode = self.cleaned_data[f"{kind}_mode"]
        if mode == AS_AGENCY:
            return None
        if mode == OFF:
            return []
        return list(self.cleaned_data.get(f"{kind}_levels", AT_ALL))
