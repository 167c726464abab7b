"""Payouts: a month's earnings, frozen, with the statement."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import money, state, told
from agencyportal.core.admin_dialogs import Dialog, link
from agencyportal.core.admin_documents import document_response, words_about
from agencyportal.core.rendered import RenderedDocument
from billing.services.document_files import DamagedDocumentError, read_document
from payouts.models import Payout, PayoutItem, PayoutTransition, StatementDocument

from .payout_dialogs import DIALOGS
from .payout_run import payout_run
from .statement_dialogs import DIALOGS as STATEMENT_DIALOGS
from .statement_dialogs import RetryStatement

STATES = {
    "draft": "info",
    "approved": "warning",
    "paid": "success",
    "failed": "danger",
    "cancelled": "default",
    "carried": "default",
}
CARRIED_ON = "Its amount opens the next payout that is made up."


@told("Month", ordering="month")
def month(payout: Payout) -> str:
    return f"{payout.month:%B %Y}"


@told("Statement")
def file(payout: Payout) -> str:
    return words_about(getattr(payout, "document", None))


@told("Carried on")
def carried_on(payout: Payout) -> str:
    """Where the amount of a cancelled payout is now."""
    if payout.state != Payout.State.CANCELLED:
        return "–"
    over = getattr(payout, "carried_over", None)
    return CARRIED_ON if over is None else f"It opens {over.into}."


@told("Earning")
def earning(item: PayoutItem) -> str:
    return item.earning.description


@told("Kind")
def kind(item: PayoutItem) -> str:
    return str(item.earning.get_kind_display())


@told("Amount")
def amount(item: PayoutItem) -> str:
    return money(item.earning.amount, item.earning.currency)


@told("On")
def occurred(item: PayoutItem) -> str:
    return f"{item.earning.occurred_at:%Y-%m-%d}"


class ItemInline(ScopedInline):
    model = PayoutItem
    fields = (occurred, earning, kind, amount)
    verbose_name_plural = "earnings"
    show_change_link = False
    per_page = 25

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("earning").order_by("pk")


class TransitionInline(ScopedInline):
    """Who decided what about it, and when."""

    model = PayoutTransition
    fields = ("recorded_at", "to_state", "by", "reason", "reference", "happened_at")
    verbose_name_plural = "decisions"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("by").order_by("number")


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin):
    """Built by the schedule when a month is over; every figure opens into its earnings."""

    list_display = (
        "number",
        month,
        "agency",
        "currency",
        "revenue",
        "routed_cost",
        "platform_fee",
        "amount",
        state("state", STATES),
    )
    list_filter = ("state", "agency", "currency")
    list_select_related = ("agency",)
    search_fields = ("number", "agency__name", "agency__slug")
    date_hierarchy = "month"
    inlines = (ItemInline, TransitionInline)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (*DIALOGS, *STATEMENT_DIALOGS)
    fieldsets = (
        (None, {"fields": (("agency", month), ("state", "built_at", "currency"), carried_on)}),
        (
            "How it comes about",
            {
                "fields": (
                    ("opening", "revenue"),
                    "refunds",
                    ("disputes", "reserve"),
                    "adjustments",
                    ("routed_cost", "platform_fee"),
                    ("amount", "closing"),
                )
            },
        ),
        ("Document", {"fields": (file,)}),
    )
    readonly_fields = (month, file, carried_on)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("agency").defer("snapshot")

    def more_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("run/", wrap(payout_run), name=self._url_name("run")),
            path(
                "<path:object_id>/statement/",
                wrap(self.reading(self.show_statement)),
                name=self._url_name("statement"),
            ),
        ]

    def links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        document = getattr(obj, "document", None)
        if document is None or document.state != RenderedDocument.State.RENDERED:
            return []
        return [link("Statement", "download", self.url("statement", obj))]

    def show_statement(self, request: HttpRequest, payout: Payout) -> HttpResponse:  # noqa: ARG002
        """The statement of record, proved by its hash."""
        document = StatementDocument.objects.filter(
            payout=payout, state=RenderedDocument.State.RENDERED
        ).first()
        return document_response(
            document, read_document, f"{payout}.pdf", damaged=DamagedDocumentError
        )


@admin.register(StatementDocument)
class StatementDocumentAdmin(ReadOnlyAdmin):
    """The PDFs of statements."""

    list_display = ("payout", "state", "size", "attempts", "rendered_at", "error")
    list_filter = ("state",)
    list_select_related = ("payout",)
    search_fields = ("payout__number",)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (RetryStatement,)
    fields = (
        ("payout", "state"),
        ("path", "size"),
        "sha256",
        ("attempts", "claimed_at"),
        "rendered_at",
        "error",
    )
