"""The message that brings an agency's finance people their statement."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.template.loader import render_to_string

from agencyportal.core.documents import DEFAULT_COLOUR
from agencyportal.core.formats import Formats
from agencyportal.core.printing import in_language_of
from billing.models import Mail
from billing.refusals import RefusedError, refuse_unfit_key
from billing.services.mailing import message, queue_mail
from payouts.documents.statement_snapshot import StatementSnapshot
from payouts.models import Payout, StatementDocument

from .payout_mail import finance_addresses

LONGEST_KEY: Final = 120


def resend_statement(*, payout: Payout, now: dt.datetime, key: str) -> Mail:
    """Queue the message of a statement again, to who deals with the agency's money now.

    ``key`` makes it this sending: asked for again, it answers with the message that is there.
    Raises RefusedError where there is no statement, or nobody has an address.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    document = StatementDocument.objects.filter(payout=payout).first()
    if document is None:
        raise RefusedError(f"{payout} has no statement yet.")
    if not finance_addresses(payout.agency):
        raise RefusedError(f"Nobody at {payout.agency} has an address: give it one, or invite one.")
    return queue_statement_mail(payout, path=document.path, now=now, key=key)


def queue_statement_mail(payout: Payout, *, path: str, now: dt.datetime, key: str = "") -> Mail:
    """Write the message down, in the agency's language; with ``key`` once more.

    It is sent once the statement is rendered at ``path``.
    """
    number, snapshot = payout.number, StatementSnapshot.from_dict(payout.snapshot)
    formats = Formats(snapshot.locale, snapshot.currency)
    with in_language_of(formats):
        told = _context(snapshot, formats)
        mail = message(
            agency=payout.agency,
            client=None,
            key=f"statement:{number}:{key}" if key else f"statement:{number}",
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
