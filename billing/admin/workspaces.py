"""What billing adds to the pages of clients and workspaces: balances, top-ups, credit."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar, Final

from django import forms
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.timezone import now

from agencyportal.core.admin import ScopedInline, extend
from agencyportal.core.admin_columns import money, quantity
from agencyportal.core.admin_dialogs import DayField, DialogForm, change_url
from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.core.money import whole_percent
from agencyportal.core.periods import local_date, local_day_start
from agencyportal.core.powers import Power
from billing.models import (
    BillingPeriod,
    CreditGrant,
    Invoice,
    Subscription,
    TopUpBand,
    TopUpPurchase,
    TopUpRequest,
)
from billing.selectors.usage import UnitBalance, unit_balances
from billing.services.grants import adjust
from billing.services.purchases import buy_on_account
from billing.waterfall import GrantKind
from clients.models import Client, UsageUnit, Workspace

from .caps import caps_panel
from .columns import days
from .dialogs import BillingDialog

ONE_DAY: Final = dt.timedelta(days=1)

# --- Dialogs -----------------------------------------------------------------------------------


class AtWorkspace(BillingDialog):
    """Something for a workspace, from its own page or from its client's."""

    power = Power.ACT

    def workspaces(self) -> list[Workspace]:
        if isinstance(self.row, Workspace):
            return [self.row]
        return list(Workspace.objects.filter(client=self.row).order_by("name"))

    def periods(self) -> list[BillingPeriod]:
        """The running period of each workspace that has one."""
        return list(
            BillingPeriod.objects.filter(
                workspace__in=self.workspaces(), start__lte=self.now, end__gt=self.now
            )
            .open()
            .select_related("workspace", "plan_version")
            .order_by("workspace__name")
        )

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.periods():
            return f"{self.row} is on no package now. Put it on a plan first."
        return ""

    def named(self, workspace: Workspace, what: str) -> str:
        return what if isinstance(self.row, Workspace) else f"{workspace.name} · {what}"


class TopUpForm(DialogForm):
    band = forms.ChoiceField(label="Band")
    starts = forms.ChoiceField(
        label="Usable",
        choices=(("now", "At once"), ("next_period", "From the next period on")),
        required=False,
        help_text="From the next period on: it is paid with this one all the same.",
    )


class TopUp(AtWorkspace):
    """A band is bought on account for the client."""

    slug = "top-up"
    title = "Top up"
    icon = "add_shopping_cart"
    submit = "Buy on account"
    form_class: ClassVar[type[DialogForm]] = TopUpForm

    def explanation(self) -> str:
        return (
            "The client uses the credit and pays it with the next invoice: the platform is paid, "
            "and the agency earns what its margin leaves."
        )

    def form(self, data: Any = None) -> DialogForm:
        form = TopUpForm(data)
        choices = [
            (f"{period.workspace_id}:{band.pk}", self.named(period.workspace, self._offer(band)))
            for period, band in self._offers()
        ]
        form.fields["band"] = forms.ChoiceField(
            label="Band", choices=choices, widget=form.fields["band"].widget
        )
        return form

    def why_not(self) -> str:
        refusal = super().why_not()
        if refusal or self.request.method != "GET" or self._offers():
            return refusal
        return f"The package of {self.row} has no top-up bands."

    def _offers(self) -> list[tuple[BillingPeriod, TopUpBand]]:
        periods = self.periods()
        bands = (
            TopUpBand.objects.filter(version__in={period.plan_version_id for period in periods})
            .select_related("unit", "version__plan")
            .order_by("position", "pk")
        )
        found = list(bands)
        return [
            (period, band)
            for period in periods
            for band in found
            if band.version_id == period.plan_version_id
        ]

    def _offer(self, band: TopUpBand) -> str:
        price = money(band.price, band.version.plan.currency)
        return f"{band.name}: {quantity(band.quantity)} {band.unit.plural} for {price}"

    def act(self, form: DialogForm) -> str:
        workspace_id, _, band_id = form.cleaned_data["band"].partition(":")
        (workspace,) = [row for row in self.workspaces() if row.pk == int(workspace_id)]
        purchase = buy_on_account(
            workspace=workspace,
            band=TopUpBand.objects.get(pk=band_id),
            now=self.now,
            key=self.key(form),
            purchased_by=self.user,
            starts=form.cleaned_data["starts"] or "now",
        )
        price = money(purchase.price, purchase.currency)
        starts = purchase.starts_at
        day = local_date(starts, workspace.client.timezone) if starts else None
        usable = f", usable from {day:%-d %b %Y} on" if day else ""
        return f"Bought {purchase.band} for {workspace}{usable}: {price} goes on its next invoice."


class AdjustmentForm(DialogForm):
    unit = forms.ChoiceField(label="Unit")
    kind = forms.ChoiceField(
        label="As",
        choices=(
            (GrantKind.ADJUSTMENT.value, "Adjustment: counts as included, burns first"),
            (GrantKind.PROMOTIONAL.value, "Promotion: shown apart, burns after it"),
        ),
    )
    quantity = PlainDecimalFormField(
        max_digits=19, decimal_places=6, min_value=Decimal("0.000001"), label="Units to give"
    )
    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="Kept with the credit."
    )
    expires_at = DayField(label="Last day", required=False, help_text="Empty: it never expires.")


class Adjust(AtWorkspace):
    """Credit is given, with a reason; nothing is charged."""

    slug = "adjust"
    title = "Give credit"
    icon = "redeem"
    submit = "Give the credit"
    form_class: ClassVar[type[DialogForm]] = AdjustmentForm

    def explanation(self) -> str:
        return "Free units for the client, burned before bought ones. Nothing is charged for them."

    def form(self, data: Any = None) -> DialogForm:
        form = AdjustmentForm(data)
        choices = [
            (f"{space.pk}:{unit.pk}", self.named(space, str(unit.plural)))
            for space, unit in self._units()
        ]
        form.fields["unit"] = forms.ChoiceField(
            label="Unit", choices=choices, widget=form.fields["unit"].widget
        )
        return form

    def _units(self) -> list[tuple[Workspace, UsageUnit]]:
        spaces = {space.pk: space for space in self.workspaces()}
        running = Q(windows__start__lte=self.now, windows__end__gt=self.now)
        units = UsageUnit.objects.filter(running, windows__workspace__in=spaces).annotate(
            space_id=models.F("windows__workspace_id")
        )
        found: list[Any] = list(units.order_by("space_id", "name"))
        return [(spaces[unit.space_id], unit) for unit in found]

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        workspace_id, _, unit_id = said["unit"].partition(":")
        (workspace,) = [row for row in self.workspaces() if row.pk == int(workspace_id)]
        last = said["expires_at"]
        grant = adjust(
            workspace=workspace,
            unit=UsageUnit.objects.get(pk=unit_id),
            quantity=said["quantity"],
            kind=GrantKind(said["kind"]),
            reason=said["reason"],
            created_by=self.user,
            now=self.now,
            key=self.key(form),
            expires_at=local_day_start(last + ONE_DAY, workspace.client.timezone) if last else None,
        )
        return f"Gave {workspace} {quantity(grant.quantity)} {grant.unit.plural}: {grant.reason}"


# --- Tabs --------------------------------------------------------------------------------------


class SubscriptionInline(ScopedInline):
    model = Subscription
    fields = ("plan_version", "start", "trial_until", "end", "currency")
    verbose_name_plural = "package"
    ordering = ("-start",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("plan_version__plan", "workspace")


class PeriodInline(ScopedInline):
    model = BillingPeriod
    fields = (days, "state", "due_at", "closed_at")
    verbose_name_plural = "periods"
    ordering = ("-start",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("workspace")


class GrantInline(ScopedInline):
    model = CreditGrant
    fields = ("unit", "kind", "quantity", "effective_at", "expires_at", "reason")
    verbose_name_plural = "credit"
    ordering = ("-effective_at", "-pk")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("unit")


class PurchaseInline(ScopedInline):
    model = TopUpPurchase
    fields = ("band", "quantity", "price", "purchased_at", "purchased_by")
    verbose_name_plural = "top-ups"
    ordering = ("-purchased_at", "-pk")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("band", "purchased_by")


class RequestInline(ScopedInline):
    model = TopUpRequest
    fields = ("band", "state", "requested_by", "requested_at", "note")
    verbose_name_plural = "requests"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("band", "requested_by", "workspace")


class InvoiceInline(ScopedInline):
    model = Invoice
    fields = ("number", "state", "issue_date", "due_date", "total", "amount_paid")
    verbose_name_plural = "invoices"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("client").defer("snapshot")


# --- Panels ------------------------------------------------------------------------------------


def balances_panel(request: HttpRequest, row: Any) -> str:
    """What is used and left now, by workspace and unit."""
    spaces = [row] if isinstance(row, Workspace) else list(row.workspaces.order_by("name"))
    moment = now()
    shown = [
        {
            "workspace": space,
            "url": change_url(space),
            "units": [Shown(b) for b in unit_balances(workspace=space, now=moment)],
        }
        for space in spaces[:MOST_WORKSPACES]
    ]
    context = {"spaces": shown, "more": len(spaces) - MOST_WORKSPACES, "is_one": spaces == [row]}
    return render_to_string("admin/balances.html", context, request=request)


MOST_WORKSPACES: Final = 12
FULL: Final = 100


class Shown:
    """A balance as the panel draws it."""

    def __init__(self, balance: UnitBalance) -> None:
        self.balance = balance
        self.used = quantity(balance.used)
        self.granted = quantity(balance.granted)
        self.remaining = quantity(balance.remaining)
        self.overage = quantity(balance.overage) if balance.overage else ""
        self.promotional = quantity(balance.promotional) if balance.promotional else ""
        self.reserved = quantity(balance.reserved) if balance.reserved else ""
        self.percent = whole_percent(balance.used, balance.granted)
        self.width = min(self.percent, FULL)
        self.level = "over" if self.percent >= FULL else "near" if self.percent >= NEAR else "fine"


NEAR: Final = 80

extend(
    Workspace,
    inlines=(SubscriptionInline, PeriodInline, GrantInline, PurchaseInline, RequestInline),
    dialogs=(TopUp, Adjust),
    panels=(balances_panel, caps_panel),
)
extend(
    Client, inlines=(InvoiceInline,), dialogs=(TopUp, Adjust), panels=(balances_panel, caps_panel)
)
