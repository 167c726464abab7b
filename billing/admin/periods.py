"""Subscriptions, and the periods they are billed in."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.timezone import now

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import state
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.admin_filters import ChoiceFilter
from agencyportal.core.powers import Power, powers_in
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    GrantUse,
    PeriodUsage,
    Subscription,
)
from billing.selectors.explaining import Explanation, explain
from billing.services.closing import close_period

from .columns import days
from .dialogs import OPEN_STATES, BillingDialog
from .discounts import AddDiscount, DiscountInline
from .explaining import ExplainedAdmin, one
from .lifecycle import OF_SUBSCRIPTIONS, ChangeInline
from .trials import OF_TRIALS, OnTrialFilter

SOON = dt.timedelta(days=3)


class DueFilter(ChoiceFilter):
    title = "closing"
    parameter_name = "closing"
    questions = {
        "soon": ("Ends or closes within three days", "soon"),
        "due": ("Due now", "due"),
        "failed": ("Closing failed", "failed"),
        "running": ("In progress now", "running"),
    }

    def soon(self, periods: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return about_to_close(periods, now())

    def due(self, periods: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return still_open(periods).filter(due_at__lte=now())

    def failed(self, periods: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return still_open(periods).exclude(close_error="")

    def running(self, periods: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return still_open(periods).filter(start__lte=now(), end__gt=now())


def still_open(periods: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """Those that are neither closed nor withdrawn."""
    return periods.filter(state__in=(BillingPeriod.State.OPEN, BillingPeriod.State.CLOSING))


def about_to_close(
    periods: models.QuerySet[BillingPeriod], now: dt.datetime
) -> models.QuerySet[BillingPeriod]:
    """Open periods that end, or are to be closed, within `SOON`; due ones too."""
    return still_open(periods).filter(end__lte=now + SOON)


class ClosePeriod(BillingDialog):
    """A period that is due is closed without waiting for the schedule."""

    slug = "close"
    title = "Close now"
    icon = "event_available"
    submit = "Close the period"
    power = Power.ACT

    def is_offered(self) -> bool:
        return self.row.state in (BillingPeriod.State.OPEN, BillingPeriod.State.CLOSING)

    def why_not(self) -> str:
        period: BillingPeriod = self.row
        if period.state == BillingPeriod.State.WITHDRAWN:
            return f"{period} was withdrawn; there is nothing to close."
        if period.state == BillingPeriod.State.CLOSED:
            return f"{period} is closed since {period.closed_at:%Y-%m-%d %H:%M} UTC."
        if period.end > self.now:
            return (
                f"The period runs until {period.end:%Y-%m-%d %H:%M} UTC, and late usage counts "
                f"until {period.due_at:%Y-%m-%d %H:%M} UTC. It can be closed from then on, and "
                "is closed by itself."
            )
        if period.due_at > self.now:
            return (
                f"The period has ended; late usage counts until {period.due_at:%Y-%m-%d %H:%M} "
                "UTC. It can be closed from then on, and is closed by itself."
            )
        return ""

    def explanation(self) -> str:
        return (
            "Usage and credit are frozen and what they come to is charged. What still arrives for "
            "the period is late. The invoice follows on its own. This cannot be taken back."
        )

    def facts(self) -> list[tuple[str, str]]:
        return [("Workspace", str(self.row.workspace)), ("Period", days(self.row))]

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        closed = close_period(period_id=self.row.pk, now=self.now)
        return f"{closed} is closed. Its invoice is drafted and issued by the schedule."


class PeriodUsageInline(ScopedInline):
    model = PeriodUsage
    fields = ("unit", "used", "included", "top_up", "overage", "overage_amount", "expired_unused")
    verbose_name_plural = "usage when closed"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("unit")


class PeriodGrantInline(ScopedInline):
    model = CreditGrant
    fields = ("unit", "kind", "quantity", "effective_at", "expires_at", "reason")
    verbose_name_plural = "credit given"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("unit")


class PeriodChargeInline(ScopedInline):
    model = Charge
    fields = ("description", "kind", "quantity", "amount", "bill_at")
    verbose_name_plural = "charges"


@admin.register(BillingPeriod)
class BillingPeriodAdmin(ReadOnlyAdmin):
    """Every period, running and closed."""

    list_display = (
        "workspace",
        days,
        "client",
        "agency",
        state("state", OPEN_STATES),
        "due_at",
        "closed_at",
    )
    list_filter = ("state", DueFilter, "agency", "client")
    list_select_related = ("workspace", "client", "agency")
    search_fields = ("workspace__slug", "workspace__name", "client__name")
    date_hierarchy = "end"
    ordering = ("-end", "workspace__slug")
    inlines = (PeriodUsageInline, PeriodChargeInline, PeriodGrantInline)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (ClosePeriod,)
    fields = (
        ("workspace", "client"),
        ("subscription", "plan_version"),
        (days, "timezone"),
        ("start", "end"),
        ("state", "due_at"),
        ("closed_at", "close_error"),
    )
    readonly_fields = (days,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Withdrawn ones too: their charges lead here."""
        related = ("workspace", "client", "agency", "subscription", "plan_version__plan")
        everything = BillingPeriod.with_withdrawn.for_access(powers_in(request).access)
        return everything.select_related(*related).order_by(*self.ordering)


class PeriodInline(ScopedInline):
    model = BillingPeriod
    fields = (days, state("state", OPEN_STATES), "due_at", "closed_at")
    verbose_name_plural = "periods"
    ordering = ("-start",)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """Which workspace is on which version of which package, since when."""

    list_display = (
        "workspace",
        "client",
        "agency",
        "plan_version",
        "currency",
        "start",
        "trial_until",
        "end",
    )
    list_filter = (OnTrialFilter, "agency", "client", "plan_version__plan")
    list_select_related = ("workspace", "client", "agency", "plan_version__plan")
    search_fields = ("workspace__slug", "client__name", "plan_version__plan__name")
    inlines = (PeriodInline, ChangeInline, DiscountInline)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (*OF_TRIALS, *OF_SUBSCRIPTIONS, AddDiscount)
    fields = (
        ("workspace", "client"),
        ("plan_version", "continues"),
        ("currency", "timezone"),
        "anchor_date",
        ("start", "trial_until"),
        ("end", "end_reason"),
        ("created_at", "created_by"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ("workspace", "client", "agency", "plan_version__plan")
        return super().get_queryset(request).select_related(*related)


class GrantUseInline(ScopedInline):
    model = GrantUse
    fields = (
        "grant",
        "opening",
        "consumed",
        "expired",
        "rolled_over",
        "revoked",
        "remaining",
    )
    verbose_name_plural = "credit burned"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("grant")


@admin.register(PeriodUsage)
class PeriodUsageAdmin(ExplainedAdmin):
    """The frozen waterfall of one unit in one closed period, down to the grants it burned."""

    list_display = ("period", "unit", "used", "included", "top_up", "overage", "overage_amount")
    list_filter = ("period__client", "unit", "policy")
    list_select_related = ("period__workspace", "unit")
    search_fields = ("period__workspace__slug", "period__client__name", "unit__slug")
    ordering = ("-period__end", "pk")
    inlines = (GrantUseInline,)
    fields = (
        ("period", "unit"),
        "policy",
        ("used", "included"),
        ("top_up", "overage"),
        ("expired_unused", "rolled_over"),
        ("overage_amount", "currency"),
        ("platform_cost", "agency_cost"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("period__workspace__client", "unit")

    def explanations(self, row: PeriodUsage) -> list[Explanation]:
        return one(explain(period=row.period, unit=row.unit, now=now()))
