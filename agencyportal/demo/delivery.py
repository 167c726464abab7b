"""Renders and mails what the story issued, each with the instant at which it was due."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from billing.models import InvoiceDocument, Mail
from billing.services.mailing import due_mail, send_due_mail
from billing.services.rendering import due_documents, render_due_documents
from payouts.models import StatementDocument
from payouts.services.rendering import render_due_statements

Progress = Callable[[int, int], None]
"""Told how many were done, and of how many."""

RENDERERS = ((InvoiceDocument, render_due_documents), (StatementDocument, render_due_statements))


def deliver(*, now: dt.datetime, progress: Progress = lambda _done, _all: None) -> None:
    """Render and mail what is due by ``now``, one by one.

    A message is recorded as sent when it was due, since that is when the story says it went out.
    """
    due = [due_documents(model, now=now).count() for model, _ in RENDERERS]
    done = 0
    for count, (_, render) in zip(due, RENDERERS, strict=True):
        for _ in range(count):
            render(now=now, limit=1)
            progress(done := done + 1, sum(due))
    for at in _due_times(now):
        send_due_mail(now=at)


def _due_times(now: dt.datetime) -> list[dt.datetime]:
    first_tried = due_mail(now=now).filter(state=Mail.State.PENDING, attempts=0)
    times = first_tried.order_by("not_before").values_list("not_before", flat=True)
    return [*times.distinct(), now]
