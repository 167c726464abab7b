"""Usage of the periods in progress, against what they entitle to."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.timezone import now
from unfold.views import ChangeList

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import display, quantity, state, told
from agencyportal.core.admin_filters import ChoiceFilter
from agencyportal.core.money import whole_percent
from billing.models import BillingPeriod, Reservation
from billing.selectors.explaining import Explanation, explain
from billing.selectors.limits import NEAR, entitlements, near_limit, running_windows
from clients.models import UsageWindow

from .explaining import ExplainedAdmin, one


class LimitFilter(ChoiceFilter):
    title = "limit"
    parameter_name = "limit"
    questions = {
        "near": ("At 80 % or beyond, now", "near"),
        "running": ("In progress now", "running"),
    }

    def near(self, windows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return windows.filter(pk__in=near_limit(windows, now=now()))

    def running(self, windows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return running_windows(windows, now=now())


class WithEntitlements(ChangeList):  # type: ignore[misc]  # untyped base
    """Works out what a page of windows entitles to, all at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        moment = now()
        entitled = entitlements(row for row in self.result_list if row.end > moment)
        for window in self.result_list:
            window.entitled = entitled.get(window.pk)


@told("Entitled to")
def entitled(window: Any) -> str:
    """What its grants have left says nothing of a period that is over: its page of figures does."""
    if window.end <= now():
        return "–"
    known = getattr(window, "entitled", None)
    return quantity(entitlements([window])[window.pk] if known is None else known)


@display(description="Share", label={"over": "danger", "near": "warning", "fine": "success"})
def share(window: Any) -> tuple[str, str]:
    whole = getattr(window, "entitled", None)
    if whole is None:
        return "", "–"
    if not whole:
        return ("over", "no credit") if window.used else ("fine", "–")
    part = window.used / whole
    level = "over" if part > 1 else "near" if part >= NEAR else "fine"
    return level, f"{whole_percent(window.used, whole)} %"


@admin.register(UsageWindow)
class UsageWindowAdmin(ExplainedAdmin):
    """One unit of a workspace in one period."""

    list_display = ("workspace", "unit", "used", entitled, share, "reserved", "start", "end")
    list_filter = (LimitFilter, "workspace", "unit")
    list_select_related = ("workspace", "unit")
    search_fields = ("workspace__slug", "workspace__client__name", "unit__slug")
    ordering = ("-end", "workspace__slug", "pk")
    fields = (
        ("workspace", "unit"),
        ("start", "end"),
        ("used", "events"),
        entitled,
        ("reserved", "available"),
        "available_until",
    )
    readonly_fields = (entitled,)

    def get_changelist(
        self,
        request: HttpRequest,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> type[ChangeList]:
        return WithEntitlements

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("workspace", "unit")

    def is_explained(self, row: UsageWindow) -> bool:
        return row.start <= now()

    def explanations(self, row: UsageWindow) -> list[Explanation]:
        periods = BillingPeriod.objects.filter(workspace=row.workspace_id, start=row.start)
        period = periods.select_related("workspace__client", "plan_version__plan").first()
        found = None if period is None else explain(period=period, unit=row.unit, now=now())
        return one(found)


STATES = {"open": "info", "committed": "success", "released": "default", "expired": "warning"}


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    """Units held before a call, and what became of them."""

    list_display = (
        "workspace",
        "unit",
        "quantity",
        state("state", STATES),
        "reserved_at",
        "expires_at",
        "overshoot",
    )
    list_filter = ("state", "workspace", "unit")
    list_select_related = ("workspace", "unit")
    search_fields = ("key", "workspace__slug", "event__external_id")
    ordering = ("-reserved_at", "-pk")
    fields = (
        ("public_id", "key"),
        ("workspace", "unit"),
        ("quantity", "overshoot"),
        "state",
        ("reserved_at", "expires_at"),
        "settled_at",
        "event",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("workspace", "unit", "event")
