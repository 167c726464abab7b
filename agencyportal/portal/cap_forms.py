"""The form in which a client's admin limits what the client itself uses and spends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.core.money import minor_digits
from agencyportal.portal import selectors
from agencyportal.portal.visits import Visit
from clients.models import CapKind, UsageUnit, Workspace

SPEND = "spend"
EVERYWHERE = "all"


class CapForm(forms.Form):
    """Where, of what, and how much; ``lift`` instead takes the client's own limit away."""

    where = forms.ChoiceField(label=_("Where"))
    what = forms.ChoiceField(label=_("Of what"))
    limit = PlainDecimalFormField(
        label=_("Stops at"),
        max_digits=15,
        decimal_places=6,
        min_value=Decimal(0),
        error_messages={"required": _("Say where it stops.")},
        help_text=_("Units, or money before tax."),
    )
    lift = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, visit: Visit, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.visit = visit
        self.fields["limit"].required = not self.data.get("lift")
        self._spaces = {str(row.pk): row for row in selectors.workspaces(visit.client)}
        self._units = {str(row.pk): row for row in selectors.units(visit.client, visit.now)}
        everywhere: list[tuple[str, Any]] = [(EVERYWHERE, _("All workspaces together"))]
        self.fields["where"] = forms.ChoiceField(
            label=_("Where"),
            choices=[*everywhere, *((key, row.name) for key, row in self._spaces.items())],
        )
        money = _("Money: top-ups and usage beyond the package")
        self.fields["what"] = forms.ChoiceField(
            label=_("Of what"),
            choices=[
                (SPEND, money),
                *((key, row.plural.capitalize()) for key, row in self._units.items()),
            ],
        )

    @property
    def lifts(self) -> bool:
        return bool(self.cleaned_data.get("lift"))

    @property
    def workspace(self) -> Workspace | None:
        return self._spaces.get(self.cleaned_data["where"])

    @property
    def unit(self) -> UsageUnit | None:
        return self._units.get(self.cleaned_data["what"])

    @property
    def kind(self) -> str:
        return (CapKind.SPEND if self.unit is None else CapKind.UNITS).value

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or self.cleaned_data
        limit = said.get("limit")
        if not said.get("lift") and limit is not None and said.get("what") == SPEND:
            digits = minor_digits(self.visit.client.currency)
            if limit != round(limit, digits):
                self.add_error("limit", _("Finer than the currency has."))
        return said
