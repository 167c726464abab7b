"""The mail log: what went out, what waits, and what failed and why."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.powers import Power
from billing.models import Mail
from billing.services.mailing import try_mail_again

from .dialogs import BillingDialog

STATES = {"pending": "warning", "sending": "info", "sent": "success", "failed": "danger"}


@told("To")
def recipients(mail: Mail) -> str:
    return ", ".join(mail.recipients) or "–"


class RetryMail(BillingDialog):
    """A message that was given up is sent after all."""

    slug = "retry"
    title = "Send it after all"
    icon = "refresh"
    submit = "Try again"
    power = Power.MONEY

    def is_offered(self) -> bool:
        return self.row.state == Mail.State.FAILED and bool(self.row.recipients)

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return "It has not failed, or nobody has an address."
        return ""

    def facts(self) -> list[tuple[str, str]]:
        return [("To", ", ".join(self.row.recipients)), ("The last try", self.row.error or "–")]

    def explanation(self) -> str:
        return "The next run sends it as it is. See to the reason first."

    def act(self, form: DialogForm) -> str:  # noqa: ARG002 - the state makes it happen once
        try_mail_again(mail=self.row, now=self.now)
        return f"{self.row} goes out with the next run."


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    """Every message, once."""

    list_display = ("subject", recipients, "client", state("state", STATES), "sent_at", "error")
    list_filter = ("state", "agency", "client")
    list_select_related = ("client", "agency")
    search_fields = ("subject", "key", "client__name", "message_id")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (RetryMail,)
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
