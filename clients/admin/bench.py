"""The test bench of a unit: a sample event in, what it would count and cost out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timezone import now

from agencyportal.core.admin_columns import quantity
from agencyportal.core.admin_dialogs import change_url, dress
from agencyportal.core.admin_filters import visible
from clients.costing import Cost
from clients.models import UsageEvent, UsageUnit, Workspace
from clients.services.bench import Bench, try_event

SAMPLE = """{
  "quantity": "1",
  "subject": "conversation-1",
  "label": "support",
  "model": "gpt-4.1-mini",
  "usage": {"input_tokens": 1200, "output_tokens": 150},
  "properties": {}
}"""
LONGEST = 8_000
"""What fits into an address, which keeps a sample to come back to."""


class BenchForm(forms.Form):
    event = forms.CharField(
        label="Sample event",
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
        help_text="As a program sends it; id, unit and time may be left out.",
    )
    workspace = forms.ModelChoiceField(
        queryset=Workspace.objects.none(),
        required=False,
        help_text="Whose prices to look at for its cost.",
    )

    def __init__(self, data: Any, *, workspaces: Any) -> None:
        super().__init__(data)
        chosen: Any = self.fields["workspace"]
        chosen.queryset = workspaces
        for field in self.fields.values():
            dress(field.widget)


def bench_view(model_admin: Any) -> Any:
    """The view at ``…/<unit>/bench/``. It only reads, so the sample travels in the address."""

    def show(request: HttpRequest, unit: UsageUnit) -> HttpResponse:
        workspaces = visible(request, Workspace).filter(agency=unit.agency_id).order_by("slug")
        asked = "event" in request.GET
        form = BenchForm(request.GET if asked else None, workspaces=workspaces)
        form.fields["event"].initial = SAMPLE
        found = None
        if asked and form.is_valid():
            found = try_event(
                unit=unit,
                text=form.cleaned_data["event"],
                workspace=form.cleaned_data["workspace"],
                now=now(),
            )
        context = {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.opts,
            "title": "Test bench",
            "unit": unit,
            "form": form,
            "back": change_url(unit),
            "bench": None if found is None else _shown(found, unit),
        }
        return TemplateResponse(request, "admin/bench.html", context)

    return model_admin.reading(show)


def _shown(bench: Bench, unit: UsageUnit) -> dict[str, Any]:
    return {
        "problems": bench.problems,
        "rows": [
            {
                "version": tried.meter.version,
                "since": tried.meter.effective_from,
                "is_in_force": tried.is_in_force,
                "counts": "–"
                if tried.quantity is None
                else f"{quantity(tried.quantity)} "
                + (unit.name if tried.quantity == 1 else unit.plural),
                "words": tried.words,
            }
            for tried in bench.tried
        ],
        "cost": "" if bench.cost is None else _cost(bench.cost),
    }


def _cost(cost: Cost) -> str:
    if cost.amount is None:
        flag = UsageEvent.CostFlag(cost.flag)
        return f"Its cost is not known: {flag.label.lower()}."
    source = f", by {cost.source}" if cost.source else ""
    return f"It would cost {quantity(cost.amount)} {cost.currency}{source}."
