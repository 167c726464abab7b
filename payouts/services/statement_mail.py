"""The message that brings an agency's finance people their statement."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.template.loader import render_to_string

from agencyportal.core.documents import DEFAULT_COLOUR
from agencyportal.core.formats import Formats
from agencyportal.core.printing import in_language_of
from billing.models import Mail
from billing.services.mailing import message, queue_mail
from payouts.documents.statement_snapshot import StatementSnapshot
from payouts.models import Payout

from .payout_mail import finance_addresses


def queue_statement_mail(payout: Payout, *, path: str, now: dt.datetime) -> Mail:
    """Write the message down, in the agency's language.

    It is sent once the statement is rendered at ``path``.
    """
    number, snapshot = payout.number, StatementSnapshot.from_dict(payout.snapshot)
    formats = Formats(snapshot.locale, snapshot.currency)
    with in_language_of(formats):
        told = _context(snapshot, formats)
        mail = message(
            agency=payout.agency,
            client=None,
            key=f"statement:{number}",
            recipients=finance_addresses(payout.agency),
            subject=render_to_string("mail/statement_subject.txt", told),
            body_text=render_to_string("mail/statement.txt", told),
            body_html=render_to_string("mail/statement.html", told),
            attachment_path=path,
            attachment_name=f"{number}.pdf",
            now=now,
        )
    return queue_mail(mail)


def _context(snapshot: StatementSnapshot, formats: Formats) -> dict[str, Any]:
    """It comes from the platform: the agency is who reads it."""
    totals, payer = snapshot.totals, snapshot.payer
    return {
        "number": snapshot.number,
        "month": formats.month(snapshot.month),
        "paid_out": formats.money(totals.paid_out) if totals.paid_out else "",
        "closing": formats.money(totals.closing),
        "reader": snapshot.agency.name,
        "agency": payer.name,
        "colour": DEFAULT_COLOUR,
        "contact": payer.email,
        "language": formats.bcp47,
    }
