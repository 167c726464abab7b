"""Top-ups that somebody asked for who may not buy."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import money, quantity, state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.powers import Power
from billing.models import TopUpRequest
from billing.services.requests import approve_request, decline_request

from .dialogs import BillingDialog

STATES = {"pending": "warning", "approved": "success", "declined": "danger"}


class Decision(BillingDialog):
    """What the two decisions share."""

    power = Power.ACT

    def is_offered(self) -> bool:
        return bool(self.row.state == TopUpRequest.State.PENDING)

    def facts(self) -> list[tuple[str, str]]:
        band = self.row.band
        return [
            ("For", f"{self.row.workspace.client} · {self.row.workspace}"),
            ("Asked by", str(self.row.requested_by)),
            ("Band", f"{band}: {quantity(band.quantity)} {band.unit.plural}"),
            ("Price", money(band.price, band.version.plan.currency)),
            ("Their note", self.row.note or "–"),
        ]


class ApproveRequest(Decision):
    """The band is bought on account."""

    slug = "approve"
    title = "Approve"
    icon = "check"
    submit = "Approve and buy"

    def explanation(self) -> str:
        return "The credit can be used at once; the price goes on the next invoice."

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        purchase = approve_request(request=self.row, decided_by=self.user, now=self.now)
        return f"Approved: {purchase.band} is bought for {self.row.workspace}."


class DeclineRequest(Decision):
    """Nothing is bought; who asked sees that it was declined."""

    slug = "decline"
    title = "Decline"
    icon = "close"
    submit = "Decline the request"
    danger = True

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        decline_request(request=self.row, decided_by=self.user, now=self.now)
        return f"Declined: {self.row.band} is not bought for {self.row.workspace}."


@told("Price", ordering="band__price")
def price(request: TopUpRequest) -> str:
    return money(request.band.price, request.band.version.plan.currency)


@admin.register(TopUpRequest)
class TopUpRequestAdmin(ReadOnlyAdmin):
    """What waits for a decision, and what was decided."""

    list_display = (
        "workspace",
        "band",
        price,
        state("state", STATES),
        "requested_by",
        "requested_at",
        "decided_by",
    )
    list_filter = ("state", "workspace")
    list_select_related = (
        "workspace__client",
        "band__version__plan",
        "band__unit",
        "requested_by",
        "decided_by",
    )
    search_fields = ("workspace__slug", "workspace__client__name", "band__name", "note")
    ordering = ("-requested_at", "-pk")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (ApproveRequest, DeclineRequest)
    fields = (
        ("workspace", "band"),
        price,
        ("requested_by", "requested_at"),
        "note",
        ("state", "decided_by"),
        "decided_at",
        "purchase",
    )
    readonly_fields = (price,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)
