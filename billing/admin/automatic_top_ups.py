"""Top-ups that clients have bought automatically: looked at, and switched off with a reason."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import money, quantity, state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.powers import Power
from billing.models import AutomaticPurchase, AutomaticTopUp, TopUpConsent
from billing.services.automatic_consent import switch_off_for_agency
from billing.services.automatic_words import why

from .dialogs import BillingDialog, ReasonForm

STATES = {"off": "default", "on": "success", "stopped": "danger"}
PURCHASE_STATES = {"open": "info", "bought": "success", "failed": "danger", "kept": "warning"}
NOTHING = "–"


class SwitchOff(BillingDialog):
    """Nothing is bought automatically any more; the client is told why."""

    slug = "switch-off"
    title = "Switch off"
    icon = "power_settings_new"
    submit = "Switch it off"
    danger = True
    power = Power.ACT
    form_class: ClassVar[type[DialogForm]] = ReasonForm

    def is_offered(self) -> bool:
        return bool(self.row.state != AutomaticTopUp.State.OFF)

    def facts(self) -> list[tuple[str, str]]:
        consent = self.row.consent
        if consent is None:
            return []
        return [
            ("For", f"{self.row.client} · {self.row.workspace}"),
            ("Buys", str(consent.band)),
            ("Accepted by", str(consent.given_by)),
        ]

    def explanation(self) -> str:
        return (
            "Only an admin of the client can switch it on again. The client's admins get a "
            "message with your reason."
        )

    def act(self, form: DialogForm) -> str:
        switch_off_for_agency(
            automatic=self.row,
            ended_by=self.user,
            reason=form.cleaned_data["reason"],
            now=self.now,
        )
        return f"{self.row} are not bought automatically any more."


@told("Buys")
def buys(row: AutomaticTopUp) -> str:
    return NOTHING if row.consent is None else str(row.consent.band)


@told("When left")
def when_left(row: AutomaticTopUp) -> str:
    return NOTHING if row.consent is None else quantity(row.consent.threshold)


@told("At most a month")
def at_most(row: AutomaticTopUp) -> str:
    consent = row.consent
    if consent is None:
        return NOTHING
    return f"{consent.max_count}, {money(consent.max_amount, consent.currency)} with tax"


@told("Paid")
def paid(row: AutomaticTopUp) -> str:
    return NOTHING if row.consent is None else row.consent.get_pay_display()


@told("Accepted by")
def accepted_by(row: AutomaticTopUp) -> str:
    return NOTHING if row.consent is None else str(row.consent.given_by)


@told("Accepted at")
def accepted_at(row: AutomaticTopUp) -> str:
    return NOTHING if row.consent is None else _moment(row.consent.given_at)


def _moment(at: dt.datetime) -> str:
    return f"{at:%-d %b %Y, %H:%M} UTC"


@told("Why nothing is bought now")
def because(row: AutomaticTopUp) -> str:
    return why(row) or NOTHING


@told("The terms")
def terms(row: AutomaticTopUp) -> str:
    return NOTHING if row.consent is None else row.consent.terms


@told("What happened")
def happened(row: AutomaticTopUp) -> str:
    events = row.events.select_related("done_by")[:50]
    return "\n".join(_event(event) for event in events) or NOTHING


def _event(event: Any) -> str:
    by = f" by {event.done_by}" if event.done_by else ""
    because = ". ".join(part for part in (event.get_reason_display(), event.detail) if part)
    at = _moment(event.happened_at)
    return f"{at}: {event.get_kind_display()}{by}{'. ' + because if because else ''}"


@told("Asked for", ordering="gross")
def asked_for(purchase: AutomaticPurchase) -> str:
    return money(purchase.gross, purchase.currency)


@told("Most", ordering="max_amount")
def most(consent: TopUpConsent) -> str:
    return f"{consent.max_count}, {money(consent.max_amount, consent.currency)}"


@admin.register(AutomaticTopUp)
class AutomaticTopUpAdmin(ReadOnlyAdmin):
    """What clients have bought automatically: a unit of a workspace each. Theirs to switch on."""

    list_display = (
        "workspace",
        "unit",
        "client",
        "agency",
        state("state", STATES),
        buys,
        when_left,
        at_most,
        because,
    )
    list_filter = ("state", "reason", "agency", "client")
    list_select_related = (
        "workspace",
        "unit",
        "client",
        "agency",
        "consent__band",
        "consent__given_by",
    )
    search_fields = ("workspace__slug", "client__name", "unit__slug")
    ordering = ("workspace", "unit")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (SwitchOff,)
    fields = (
        ("client", "workspace"),
        ("unit", "state"),
        because,
        (buys, when_left),
        (at_most, paid),
        (accepted_by, accepted_at),
        ("declines", "number"),
        terms,
        happened,
    )
    readonly_fields = (
        because,
        buys,
        when_left,
        at_most,
        paid,
        accepted_by,
        accepted_at,
        terms,
        happened,
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)


@admin.register(AutomaticPurchase)
class AutomaticPurchaseAdmin(ReadOnlyAdmin):
    """Every purchase that was set off, and what came of it."""

    list_display = (
        "made_at",
        "automatic",
        "client",
        "agency",
        "band",
        asked_for,
        state("state", PURCHASE_STATES),
        "failure",
    )
    list_filter = ("state", "agency", "client")
    list_select_related = (
        "automatic__workspace",
        "automatic__unit",
        "client",
        "agency",
        "band",
        "consent__band",
        "consent__workspace",
        "order__band",
        "purchase__band",
    )
    search_fields = ("client__name", "band__name", "automatic__workspace__slug")
    date_hierarchy = "made_at"
    ordering = ("-made_at", "-pk")
    fields = (
        ("client", "automatic"),
        ("band", "left"),
        ("gross", "currency"),
        ("state", "number"),
        ("failure", "failure_code"),
        ("consent", "is_counted"),
        ("order", "purchase"),
        ("made_at", "ended_at"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)


@admin.register(TopUpConsent)
class TopUpConsentAdmin(ReadOnlyAdmin):
    """What clients agreed to, who did, when, and in which words. Kept for ever."""

    list_display = (
        "given_at",
        "client",
        "agency",
        "workspace",
        "band",
        "threshold",
        most,
        "pay",
        "given_by",
    )
    list_filter = ("pay", "agency", "client")
    list_select_related = ("client", "agency", "workspace", "band", "given_by", "unit")
    search_fields = ("client__name", "workspace__slug", "band__name", "given_by__email")
    date_hierarchy = "given_at"
    ordering = ("-given_at", "-pk")
    fields = (
        ("client", "workspace"),
        ("unit", "band"),
        ("threshold", "pay"),
        ("max_count", "max_amount"),
        ("given_by", "given_at"),
        ("terms_version", "currency"),
        "terms",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)
