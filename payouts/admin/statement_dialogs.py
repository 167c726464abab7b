"""What can be done about a payout's statement: its file made again, its message sent again."""

from __future__ import annotations

from typing import Any

from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.powers import Power
from billing.admin.dialogs import BillingDialog
from billing.admin.documents import RetryFiles
from payouts.services.payout_mail import finance_addresses
from payouts.services.statement_mail import resend_statement


class RetryStatement(RetryFiles):
    """The PDF of a statement that failed is made again, with all attempts."""

    title = "Make the statement again"

    def explanation(self) -> str:
        return "The next run makes the PDF from what the statement says. See to the reason first."


class RetryStatementOf(RetryStatement):
    """The same, from the payout's page."""

    slug = "retry-statement"

    def document(self) -> Any:
        return getattr(self.row, "document", None)


class ResendStatement(BillingDialog):
    """The agency's finance people get the message with the PDF once more."""

    slug = "resend-statement"
    title = "Send the statement again"
    icon = "forward_to_inbox"
    submit = "Send it again"
    power = Power.MONEY

    def is_offered(self) -> bool:
        return getattr(self.row, "document", None) is not None

    def why_not(self) -> str:
        return "" if self.is_offered() else "This payout has no statement yet."

    def facts(self) -> list[tuple[str, str]]:
        to = ", ".join(finance_addresses(self.row.agency))
        return [("To", to or "Nobody has an address")]

    def explanation(self) -> str:
        return "The same statement, to who deals with the agency's money now."

    def act(self, form: DialogForm) -> str:
        mail = resend_statement(payout=self.row, now=self.now, key=self.key(form))
        return f"The statement goes out again, to {', '.join(mail.recipients)}."


DIALOGS: tuple[type[Dialog], ...] = (ResendStatement, RetryStatementOf)
