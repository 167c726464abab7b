"""A payout statement on paper: its frozen snapshot as HTML and as PDF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agencyportal.core.pdf import render_pdf
from agencyportal.core.printing import in_language_of, render_document
from payouts.documents.statement_snapshot import StatementSnapshot
from payouts.documents.statement_view import StatementView

StoredStatement = StatementSnapshot | Mapping[str, Any]


def render_statement_html(snapshot: StoredStatement) -> str:
    """The statement as one HTML page, in the snapshot's language. No database, no clock.

    Takes the snapshot or its stored form. Raises `SnapshotError` when that cannot be printed.
    """
    statement = _read(snapshot)
    view = StatementView(statement)
    with in_language_of(view.formats):
        return render_document(
            "payouts/statement.html",
            formats=view.formats,
            brand=statement.brand,
            issuer=statement.payer,
            context=view.context(),
        )


def render_statement_pdf(snapshot: StoredStatement) -> bytes:
    """The statement as PDF: the same bytes for the same snapshot, dated with its day of issue.

    Takes a second for a page, so never inside a transaction. Raises `SnapshotError`, and `PdfError`
    when this machine cannot render.
    """
    statement = _read(snapshot)
    return render_pdf(render_statement_html(statement), dated=statement.issue_date)


def _read(snapshot: StoredStatement) -> StatementSnapshot:
    if isinstance(snapshot, StatementSnapshot):
        return snapshot
    return StatementSnapshot.from_dict(snapshot)
