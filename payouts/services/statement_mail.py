"""The message that brings an agency's finance people their statement."""

from __future__ import annotations

import datetime as dt

from agencyportal.core.money import format_money
from billing.models import Mail
from billing.services.mailing import message, queue_mail
from payouts.models import Payout

from .payout_mail import finance_addresses

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
