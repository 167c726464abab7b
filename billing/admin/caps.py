"""Caps: what is limited, by whom, since when; and how one is set."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.timezone import now

from agencyportal.core.admin import ReadOnlyAdmin, extend
from agencyportal.core.admin_columns import money, quantity, told
from agencyportal.core.admin_dialogs import DialogForm
from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.core.powers import Power
from billing.models import Cap
from billing.selectors.caps import CapUse, caps_of_client, caps_over
from billing.services.caps import set_cap
from clients.models import CapKind, Client, UsageUnit, Workspace

from .dialogs import BillingDialog


class CapForm(DialogForm):
    what = forms.ChoiceField(label="What")
    limit = PlainDecimalFormField(
        max_digits=19,
        decimal_places=6,
        min_value=Decimal(0),
        required=False,
        help_text="In units, or in the client's currency. Empty: the cap is lifted.",
    )


class SetCap(BillingDialog):
    """A limit from now on, of a client or a workspace."""

    slug = "set-cap"
    title = "Set a cap"
    icon = "speed"
    submit = "Set the cap"
    power = Power.ACT
    form_class: ClassVar[type[DialogForm]] = CapForm

    def explanation(self) -> str:
        return (
            "Calls that reserve and purchases are refused once it is reached; usage that is "
            "reported all the same is recorded and uses it up. It counts the periods that begin "
            "in a calendar month."
        )

    def facts(self) -> list[tuple[str, str]]:
        if isinstance(self.row, Workspace):
            uses = caps_over(workspace=self.row, now=self.now)
        else:
            uses = caps_of_client(client=self.row, now=self.now)
        return [(_whose(use), _state(use)) for use in uses]

    def form(self, data: Any = None) -> DialogForm:
        form = CapForm(data)
        units = UsageUnit.objects.for_agency(self.row.agency_id).order_by("name")
        choices = [(f"units:{unit.pk}", str(unit.plural)) for unit in units]
        choices += [("cost", "Routed cost"), ("spend", "Overage and top-ups")]
        form.fields["what"] = forms.ChoiceField(
            label="What", choices=choices, widget=form.fields["what"].widget
        )
        return form

    def act(self, form: DialogForm) -> str:
        kind, _, unit_id = form.cleaned_data["what"].partition(":")
        is_workspace = isinstance(self.row, Workspace)
        cap = set_cap(
            agency=self.row.agency,
            client=None if is_workspace else self.row,
            workspace=self.row if is_workspace else None,
            kind=kind,
            unit=UsageUnit.objects.get(pk=unit_id) if unit_id else None,
            limit=form.cleaned_data["limit"],
            now=self.now,
            set_by=self.user,
        )
        return f"{cap}: {limit(cap)} from now on."


def caps_panel(request: HttpRequest, row: Any) -> str:
    """The caps over a workspace, or those of a client and its workspaces, and how far each is
    used; nothing where there are none."""
    moment = now()
    if isinstance(row, Workspace):
        uses = caps_over(workspace=row, now=moment)
    else:
        uses = caps_of_client(client=row, now=moment)
    context = {"caps": [ShownCap(use) for use in uses]}
    return render_to_string("admin/caps.html", context, request=request) if uses else ""


class ShownCap:
    """A cap as the panel draws it."""

    def __init__(self, use: CapUse) -> None:
        self.whose = _whose(use)
        self.state = _state(use)
        self.left = _shown(use, use.left)
        self.month = f"{use.month:%B %Y}"
        self.percent = int(use.share * FULL)
        self.width = min(self.percent, FULL)
        self.level = "over" if self.percent >= FULL else "near" if self.percent >= NEAR else "fine"


FULL: Final = 100
NEAR: Final = 80


def _whose(use: CapUse) -> str:
    what = use.unit.plural if use.unit else CapKind(use.kind).label
    return f"{use.workspace or use.client or 'All clients'} · {what}"


def _state(use: CapUse) -> str:
    held = f", {_shown(use, use.held)} held" if use.held else ""
    who = " (the client's own)" if use.set_by == Cap.SetBy.CLIENT else ""
    return f"{_shown(use, use.used)} of {_shown(use, use.limit)} used{held}{who}"


def _shown(use: CapUse, amount: Decimal) -> str:
    return quantity(amount) if use.kind == CapKind.UNITS else money(amount, use.currency)


@told("Limit")
def limit(cap: Cap) -> str:
    if cap.quantity is not None:
        return quantity(cap.quantity)
    return "none" if cap.amount is None else money(cap.amount, cap.currency)


@told("Of")
def scope(cap: Cap) -> str:
    return str(cap.workspace or cap.client or "All clients")


@admin.register(Cap)
class CapAdmin(ReadOnlyAdmin):
    """Every cap that was ever set; the latest of a scope and setter holds."""

    list_display = (scope, "kind", "unit", limit, "set_by", "effective_from", "created_by")
    list_filter = ("kind", "set_by", "client")
    list_select_related = ("agency", "client", "workspace", "unit", "created_by")
    search_fields = ("client__name", "workspace__slug", "unit__slug")
    fields = (
        ("client", "workspace"),
        ("kind", "unit"),
        limit,
        ("set_by", "effective_from"),
        ("created_by", "created_at"),
    )
    readonly_fields = (limit,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)


extend(Workspace, dialogs=(SetCap,))
extend(Client, dialogs=(SetCap,))
