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
from payouts.services.stripe_accounts import look_at_accounts
from payouts.services.stripe_transfers import send_transfers, take_back_transfers

TRANSFERS: Final = 100

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
def tick_transfers() -> int:
    """Have Stripe pay what is approved, and take back what is to be taken back."""
    now = timezone.now()
    return send_transfers(now=now, limit=TRANSFERS) + take_back_transfers(now=now)


@shared_task
def tick_stripe_accounts() -> int:
    """Look at agencies' accounts at Stripe of which nobody has told us."""
    return look_at_accounts(now=timezone.now())


@shared_task
def tick_statements() -> int:
    """Render statements that are not on disk yet."""
    return render_due_statements(now=timezone.now(), limit=BATCH)
