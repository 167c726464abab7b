"""The mail log: what went out, what waits, and what failed and why."""

from __future__ import annotations

from django.contrib import admin

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import state, told
from billing.models import Mail

STATES = {"pending": "warning", "sending": "info", "sent": "success", "failed": "danger"}


@told("To")
def recipients(mail: Mail) -> str:
    return ", ".join(mail.recipients) or "–"


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    """Every message, once."""

    list_display = ("subject", recipients, "client", state("state", STATES), "sent_at", "error")
    list_filter = ("state", "agency", "client")
    list_select_related = ("client", "agency")
    search_fields = ("subject", "key", "client__name", "message_id")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    fields = (
        ("client", "state"),
        recipients,
        "subject",
        "body_text",
        ("attachment_name", "message_id"),
        ("attempts", "not_before"),
        "sent_at",
        "error",
    )
    readonly_fields = (recipients,)
