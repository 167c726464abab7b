"""What Stripe told of, what came of each event, and doing one again. The operator's."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.powers import Power
from billing import stripe_gateway as gateway
from billing.models import StripeCustomer, StripeEvent
from billing.services.stripe_inbox import replay_event
from billing.stripe_gateway.client import HOW_TO_SWITCH_ON

from .dialogs import BillingDialog

EVENT_STATES = {
    "pending": "warning",
    "working": "info",
    "done": "success",
    "ignored": "default",
    "failed": "danger",
}


class ReplayEvent(BillingDialog):
    """An event is done again, from the start."""

    slug = "replay"
    title = "Do it again"
    icon = "replay"
    submit = "Do it again"
    power = Power.OPERATE

    def is_offered(self) -> bool:
        states = StripeEvent.State
        return self.row.state in (states.DONE, states.IGNORED, states.FAILED)

    def facts(self) -> list[tuple[str, str]]:
        return [
            ("Event", f"{self.row.type} {self.row.event_id}"),
            ("About", self.row.object_id or "–"),
            ("What came of it", self.row.said or "–"),
        ]

    def explanation(self) -> str:
        return (
            "How its object stands is read from Stripe again, and our rows are brought to it. What "
            "is right already stays as it is: nothing is charged, paid or granted twice."
        )

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        replay_event(event=self.row, now=self.now)
        return "It is done again within a minute."


@told("Body")
def body(event: StripeEvent) -> SafeString:
    text = json.dumps(event.body, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html("<pre class='whitespace-pre-wrap break-words'>{}</pre>", text)


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    """Everything that Stripe told of, each event once."""

    list_display = (
        "occurred_at",
        "type",
        "object_id",
        state("state", EVENT_STATES),
        "said",
        "attempts",
        "deliveries",
    )
    list_filter = ("state", "type", "is_live")
    search_fields = ("event_id", "object_id", "type", "account")
    date_hierarchy = "occurred_at"
    ordering = ("-occurred_at", "-pk")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (ReplayEvent,)
    fields = (
        ("event_id", "type"),
        ("object_id", "account"),
        ("state", "said"),
        ("occurred_at", "received_at", "done_at"),
        ("attempts", "deliveries", "not_before"),
        body,
    )
    readonly_fields = (body,)
    list_before_template = "admin/stripe_off.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        off = "" if gateway.is_on() else HOW_TO_SWITCH_ON
        return super().changelist_view(request, {**(extra_context or {}), "stripe_off": off})


@told("Card")
def card(customer: StripeCustomer) -> str:
    if not customer.has_card:
        return "none saved"
    words = f"{customer.card_brand or customer.card_kind} •••• {customer.card_last4}"
    if customer.card_exp_month:
        words += f", to {customer.card_exp_month:02d}/{customer.card_exp_year}"
    return words


@admin.register(StripeCustomer)
class StripeCustomerAdmin(ReadOnlyAdmin):
    """Clients as Stripe knows them, and the method that each is charged on."""

    list_display = ("client", "agency", "customer_id", card, "is_live", "told_at", "error")
    list_filter = ("agency", "client", "is_live")
    list_select_related = ("client", "agency")
    search_fields = ("customer_id", "client__name")
    fields = (
        ("client", "customer_id"),
        (card, "card_read_at"),
        ("told_at", "is_live"),
        "error",
    )
    readonly_fields = (card,)
