"""Subscriptions of earlier versions are moved to one version: chosen, previewed, followed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, cast

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Count, Q
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import money, quantity, state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.powers import Power
from billing.models import PlanVersion, Subscription, UpgradeItem, VersionUpgrade
from billing.services.plan_changes import When
from billing.services.upgrades import (
    UpgradePreview,
    begin_upgrade,
    preview_upgrade,
    try_again,
    upgradable,
    work_on,
)

from .dialogs import BillingDialog
from .lifecycle import reason_field

MOST_CHOICES: Final = 100
MOST_PREVIEWED: Final = 50
DONE_AT_ONCE: Final = 25
ITEM_STATES: Final = {
    "waiting": "info",
    "moved": "success",
    "refused": "warning",
    "failed": "danger",
}


class UpgradeForm(DialogForm):
    subscriptions = forms.MultipleChoiceField(
        required=False,
        label="Which",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None ticked: all of them.",
    )
    when = forms.ChoiceField(choices=VersionUpgrade.When.choices, label="From")
    reason = reason_field()


class UpgradeSubscriptions(BillingDialog):
    """Those on earlier versions of the plan are moved to this one."""

    slug = "upgrade"
    title = "Move subscriptions here"
    icon = "upgrade"
    submit = "Move them"
    power = Power.ACT
    row: PlanVersion
    form_class: ClassVar[type[DialogForm]] = UpgradeForm

    def is_offered(self) -> bool:
        return self.row.published_at is not None and self._upgradable().exists()

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return f"Nobody is on an earlier version of {self.row.plan}."
        return ""

    def explanation(self) -> str:
        return (
            "Today: the days from today on are credited and charged anew, and the allowance is "
            "shared by days. With the next period: nothing of the running one changes. One for "
            "which something else is planned is left as it is."
        )

    def facts(self) -> list[tuple[str, str]]:
        return [("To", str(self.row)), ("On earlier versions", str(self._upgradable().count()))]

    def form(self, data: Any = None) -> DialogForm:
        form = UpgradeForm(data)
        offered = self._upgradable()[:MOST_CHOICES]
        field = cast(forms.MultipleChoiceField, form.fields["subscriptions"])
        field.choices = [(str(row.pk), named(row)) for row in offered]
        return form

    def preview(self, form: DialogForm) -> list[tuple[str, str]]:
        chosen = self._chosen(form)
        looked_at = preview_upgrade(
            version=self.row,
            subscriptions=chosen[:MOST_PREVIEWED],
            when=cast(When, form.cleaned_data["when"]),
            now=self.now,
        )
        currency = self.row.plan.currency
        rows = [(named(each.subscription), said(each, currency)) for each in looked_at]
        more = len(chosen) - len(looked_at)
        rows += [("And", f"{more} more, which are looked at as they are moved")] if more else []
        refused = sum(1 for each in looked_at if each.refusal)
        together = money(sum((each.total for each in looked_at), Decimal(0)), currency)
        return [
            *rows,
            ("Together", f"{together} for {len(looked_at) - refused} to be moved"),
            *([("Left as they are", str(refused))] if refused else []),
        ]

    def act(self, form: DialogForm) -> str:
        answers = form.cleaned_data
        upgrade = begin_upgrade(
            version=self.row,
            when=cast(When, answers["when"]),
            now=self.now,
            key=self.key(form),
            subscription_ids={int(pk) for pk in answers["subscriptions"]} or None,
            made_by=self.user,
            reason=answers["reason"],
        )
        work_on(upgrade=upgrade, now=self.now, limit=DONE_AT_ONCE)
        return outcome(upgrade)

    def _upgradable(self) -> models.QuerySet[Subscription]:
        return upgradable(self.row, now=self.now)

    def _chosen(self, form: DialogForm) -> Sequence[Subscription]:
        ids = form.cleaned_data["subscriptions"]
        found = self._upgradable()
        return list(found.filter(pk__in=ids) if ids else found)


def named(subscription: Subscription) -> str:
    workspace = subscription.workspace
    return f"{workspace.client.name} · {workspace.name} (v{subscription.plan_version.number})"


def said(each: UpgradePreview, currency: str) -> str:
    """What moving one comes to, or why it is left as it is."""
    if each.change is None:
        return f"Left as it is: {each.refusal}"
    left = ", ".join(f"{quantity(rest)} {unit.plural} left" for unit, rest in each.change.left)
    return f"{money(each.total, currency)}; {left}" if left else money(each.total, currency)


def outcome(upgrade: VersionUpgrade) -> str:
    """How far an upgrade has come, in words."""
    rows = upgrade.items.values_list("state").annotate(n=Count("pk")).order_by()
    counts = dict(rows)
    parts = [f"{counts.get('moved', 0)} moved to {upgrade.plan_version}"]
    left = counts.get("refused", 0) + counts.get("failed", 0)
    parts += [f"{left} left as they are"] if left else []
    waiting = counts.get("waiting", 0)
    parts += [f"{waiting} to go, within minutes"] if waiting else []
    return ", ".join(parts) + "."


class TryAgain(BillingDialog):
    """What was left as it is may be moved by now."""

    slug = "try-again"
    title = "Try the rest again"
    icon = "refresh"
    submit = "Try again"
    power = Power.ACT
    row: VersionUpgrade

    def is_offered(self) -> bool:
        return self.row.items.filter(state__in=("refused", "failed")).exists()

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return "Nothing of it was left as it is."
        return ""

    def explanation(self) -> str:
        return "Those that were refused or failed are tried once more; what is moved stays moved."

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        try_again(upgrade=self.row)
        work_on(upgrade=self.row, now=self.now, limit=DONE_AT_ONCE)
        return outcome(self.row)


class NotMovedInline(ScopedInline):
    """Those that need a look; the list of all has its own page."""

    model = UpgradeItem
    fk_name = "upgrade"
    fields = ("subscription", "from_version", state("state", ITEM_STATES), "words")
    verbose_name_plural = "not moved"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ("subscription__workspace", "subscription__plan_version__plan")
        rows = super().get_queryset(request).exclude(state=UpgradeItem.State.MOVED)
        return rows.select_related(*related, "from_version__plan")


@told("Moved")
def progress(upgrade: VersionUpgrade) -> str:
    counted: Any = upgrade
    return f"{counted.moved} of {counted.chosen}"


@told("Left as they are")
def left_out(upgrade: VersionUpgrade) -> str:
    counted: Any = upgrade
    return str(counted.left_out) if counted.left_out else ""


@admin.register(VersionUpgrade)
class VersionUpgradeAdmin(ReadOnlyAdmin):
    """Which subscriptions were moved to which version, and how far that has come."""

    list_display = (
        "plan_version",
        "agency",
        "when",
        progress,
        left_out,
        "made_at",
        "made_by",
        "finished_at",
    )
    list_filter = ("agency", "plan_version__plan")
    list_select_related = ("plan_version__plan", "agency", "made_by")
    search_fields = ("plan_version__plan__name",)
    date_hierarchy = "made_at"
    ordering = ("-pk",)
    inlines = (NotMovedInline,)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (TryAgain,)
    fields = (
        ("plan_version", "when"),
        (progress, left_out),
        "reason",
        ("made_at", "made_by"),
        "finished_at",
    )
    readonly_fields = (progress, left_out)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        left = Q(items__state__in=("refused", "failed"))
        rows = super().get_queryset(request).select_related("plan_version__plan", "made_by")
        counted: models.QuerySet[Any] = rows.annotate(
            chosen=Count("items"),
            moved=Count("items", filter=Q(items__state="moved")),
            left_out=Count("items", filter=left),
        )
        return counted


@admin.register(UpgradeItem)
class UpgradeItemAdmin(ReadOnlyAdmin):
    """Every subscription of an upgrade, with what came of it."""

    list_display = ("subscription", "from_version", state("state", ITEM_STATES), "settled_at")
    list_filter = ("state", "upgrade")
    list_select_related = (
        "subscription__workspace",
        "subscription__plan_version__plan",
        "from_version__plan",
    )
    search_fields = ("subscription__workspace__slug", "subscription__client__name")
    ordering = ("-upgrade", "pk")
    fields = (
        ("upgrade", "subscription"),
        ("from_version", "following"),
        ("state", "settled_at"),
        "words",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = (
            "upgrade__plan_version__plan",
            "subscription__workspace",
            "subscription__plan_version__plan",
            "from_version__plan",
            "following__workspace",
            "following__plan_version__plan",
        )
        return super().get_queryset(request).select_related(*related)
