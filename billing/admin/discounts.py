"""Discounts agreed with one client: added to a subscription, and ended."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import money, quantity, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.form_fields import PlainDecimalFormField, WholeNumberFormField
from agencyportal.core.periods import local_date
from agencyportal.core.powers import Power
from billing.discounts import DiscountDocument
from billing.models import BillingPeriod, DiscountScope, SubscriptionDiscount
from billing.services.discounts import add_discount, end_discount

from .columns import days
from .dialogs import BillingDialog


@told("Takes off")
def takes_off(row: SubscriptionDiscount) -> str:
    if row.percent is not None:
        return f"{quantity(row.percent)} %"
    return f"{money(row.amount, row.subscription.currency)} a period"


@told("For")
def lasts(row: SubscriptionDiscount) -> str:
    return "Ever" if row.periods is None else f"{row.periods} periods"


class DiscountForm(DialogForm):
    name = forms.CharField(max_length=200, help_text="Stands on the invoice.")
    on = forms.ChoiceField(label="Of", choices=DiscountScope.choices)
    percent = PlainDecimalFormField(
        max_digits=9,
        decimal_places=6,
        min_value=Decimal("0.000001"),
        max_value=Decimal(100),
        required=False,
        label="Percent",
    )
    amount = PlainDecimalFormField(
        max_digits=15,
        decimal_places=4,
        min_value=Decimal("0.0001"),
        required=False,
        label="Or an amount in each period",
        help_text="Prorated by days in a partial period.",
    )
    periods = WholeNumberFormField(
        min_value=1,
        max_value=1200,
        required=False,
        label="In how many periods",
        help_text="Empty: for ever.",
    )
    start = forms.ChoiceField(label="From")


class AddDiscount(BillingDialog):
    """A discount is agreed for a subscription."""

    slug = "add-discount"
    title = "Add a discount"
    icon = "percent"
    submit = "Add the discount"
    power = Power.ACT
    form_class: ClassVar[type[DialogForm]] = DiscountForm

    def _periods(self) -> list[BillingPeriod]:
        return list(self.row.periods.open().filter(end__gt=self.now).order_by("start"))

    def why_not(self) -> str:
        if self.request.method == "GET" and not self._periods():
            return f"{self.row} has no period that is running or to come."
        return ""

    def explanation(self) -> str:
        return (
            "Fees that were asked in advance are discounted at once: where they are invoiced "
            "already, on the next invoice. Top-ups and the minimum commitment are not discounted."
        )

    def form(self, data: Any = None) -> DialogForm:
        form = DiscountForm(data)
        choices = [(period.start.isoformat(), days(period)) for period in self._periods()]
        form.fields["start"] = forms.ChoiceField(
            label="From the period", choices=choices, widget=form.fields["start"].widget
        )
        return form

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        (period,) = [p for p in self._periods() if p.start.isoformat() == said["start"]]
        row = add_discount(
            subscription=self.row,
            discount=DiscountDocument(
                name=said["name"],
                on=said["on"],
                percent=said["percent"],
                amount=said["amount"],
                periods=said["periods"],
            ),
            effective_at=period.start,
            now=self.now,
            key=self.key(form),
            created_by=self.user,
        )
        return f"{row} takes off {takes_off(row)} from {days(period)} on."


class EndDiscount(BillingDialog):
    """A discount holds in no period that is to come."""

    slug = "end"
    title = "End"
    icon = "event_busy"
    submit = "End the discount"
    danger = True
    power = Power.ACT

    def is_offered(self) -> bool:
        return self.row.expires_at is None

    def why_not(self) -> str:
        if self.request.method == "GET" and self.row.expires_at is not None:
            day = local_date(self.row.expires_at, self.row.subscription.timezone)
            return f"It has ended on {day:%Y-%m-%d}."
        return ""

    def facts(self) -> list[tuple[str, str]]:
        return [("Workspace", str(self.row.workspace)), ("Takes off", takes_off(self.row))]

    def explanation(self) -> str:
        return (
            "The running period keeps it; those that start later do not. What was taken off their "
            "fees in advance is charged again."
        )

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        row = end_discount(discount=self.row, now=self.now, ended_by=self.user)
        return f"{row} is ended: periods that start from now on are charged in full."


class DiscountInline(ScopedInline):
    model = SubscriptionDiscount
    fields = ("name", "on", takes_off, lasts, "effective_at", "expires_at")
    verbose_name_plural = "discounts"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("subscription")


@admin.register(SubscriptionDiscount)
class SubscriptionDiscountAdmin(ReadOnlyAdmin):
    """What was agreed with clients beside their package, until when."""

    list_display = (
        "name",
        "workspace",
        "on",
        takes_off,
        lasts,
        "effective_at",
        "expires_at",
    )
    list_filter = ("on", "agency", "client")
    list_select_related = ("workspace", "subscription")
    search_fields = ("name", "workspace__slug", "client__name")
    ordering = ("-effective_at", "-pk")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (EndDiscount,)
    fields = (
        ("name", "on"),
        (takes_off, lasts),
        ("workspace", "subscription"),
        ("effective_at", "expires_at"),
        ("created_at", "created_by"),
        "ended_by",
    )
    readonly_fields = (takes_off, lasts)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ("workspace", "subscription__plan_version__plan", "created_by", "ended_by")
        return super().get_queryset(request).select_related(*related)
