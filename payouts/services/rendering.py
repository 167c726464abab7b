"""Makes the files of payout statements, the way all documents of record are made."""

from __future__ import annotations

import datetime as dt

from billing.services.rendering import render_due
from payouts.documents.statement import render_statement_pdf
from payouts.models import StatementDocument


def render_due_statements(*, now: dt.datetime, limit: int | None = None) -> int:
    """Render the statements of payouts, at most ``limit``; returns how many were made.

    No transaction is open while one is rendered; what fails is recorded and tried again.
    """
    return render_due(model=StatementDocument, render=_render, now=now, limit=limit)


def _render(document: StatementDocument) -> bytes:
    return render_statement_pdf(document.payout.snapshot)
