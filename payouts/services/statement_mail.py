"""The message that brings an agency's finance people their statement."""

from __future__ import annotations

import datetime as dt

from agencyportal.core.money import format_money
from billing.models import Mail
from billing.services.mailing import message, queue_mail
from clients.models import Agency, AgencyMember
from payouts.models import Payout

BODY = """\
Hello,

your payout statement {number} for {month} is attached.

{outcome}

The statement says how it came about: what your clients paid, what their routed usage cost, and
the platform's fee. Amounts depend on real usage and on what clients paid; none of it is guaranteed.

{platform}
"""


def queue_statement_mail(payout: Payout, *, path: str, now: dt.datetime) -> Mail:
    """Write the message down; it is sent once the statement is rendered at ``path``."""
    number = payout.number
    mail = message(
        agency=payout.agency,
        client=None,
        key=f"statement:{number}",
        recipients=finance_addresses(payout.agency),
        subject=f"Payout statement {number}, {payout.month:%B %Y}",
        body_text=_body(payout),
        attachment_path=path,
        attachment_name=f"{number}.pdf",
        now=now,
    )
    return queue_mail(mail)


def finance_addresses(agency: Agency) -> list[str]:
    """Whom money matters of an agency are written to: its finance people, else its owners, else
    the agency's own address."""
    members = agency.members.filter(user__is_active=True).order_by("user__email")
    for role in (AgencyMember.Role.FINANCE, AgencyMember.Role.OWNER):
        found = members.filter(role=role).values_list("user__email", flat=True)
        if addresses := list(found):
            return addresses
    return [agency.email] if agency.email else []


def _body(payout: Payout) -> str:
    if payout.amount:
        outcome = f"It comes to {format_money(payout.amount, payout.currency)}."
    else:
        closing = format_money(payout.closing, payout.currency)
        outcome = f"Nothing is paid out this month; {closing} is carried forward."
    return BODY.format(
        number=payout.number,
        month=f"{payout.month:%B %Y}",
        outcome=outcome,
        platform=payout.snapshot["payer"]["name"],
    )
