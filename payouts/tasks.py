"""Small ticks of the schedule: each looks for work in the database, and may run twice or at once.

Nothing is passed in but the time: what is due is decided by rows, so a task that was lost with its
worker is made up for by the next tick.
"""

from __future__ import annotations

from typing import Final

from celery import shared_task
from django.utils import timezone

from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import build_payouts
from payouts.services.rendering import render_due_statements

BATCH: Final = 20
"""Statements rendered in one tick: some seconds of work, and the next tick goes on."""


@shared_task
def tick_earnings() -> int:
    """Post earnings of payments received and periods closed since the last tick."""
    return post_due_earnings(now=timezone.now())


@shared_task
def tick_payouts() -> int:
    """Make up the payouts whose day has come."""
    return len(build_payouts(now=timezone.now()))


@shared_task
def tick_statements() -> int:
    """Render statements that are not on disk yet."""
    return render_due_statements(now=timezone.now(), limit=BATCH)
