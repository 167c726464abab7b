"""What runs by itself, and how often.

Each entry is a small tick that looks for work in the database and is safe to run twice, late, or
at once with itself: the schedule decides how soon something is noticed, never whether it is due.

The scheduler remembers nothing over a restart. Use intervals up to some minutes, and `crontab` for
anything rarer: an interval of an hour would never end in a process restarted every half hour.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery.schedules import crontab


def _every(seconds: int, task: str) -> dict[str, Any]:
    """A tick. Without a worker ticks must not pile up: one that is late is replaced by the next."""
    return {
        "task": task,
        "schedule": timedelta(seconds=seconds),
        "options": {"expires": seconds},
    }


SCHEDULE: dict[str, dict[str, Any]] = {
    "tidy-embedded-broker": {
        "task": "agencyportal.core.tasks.tidy_embedded_broker",
        "schedule": crontab(minute="7"),
        "options": {"expires": 3600},
    },
    "forget-stripe-calls": {
        "task": "billing.tasks.forget_stripe_calls",
        "schedule": crontab(hour="3", minute="17"),
        "options": {"expires": 3600},
    },
    "expire-reservations": _every(15, "billing.tasks.tick_expire_reservations"),
    "follow-policies": _every(15, "billing.tasks.tick_policies"),
    "buy-automatically": _every(15, "billing.tasks.tick_automatic_top_ups"),
    "move-to-versions": _every(60, "billing.tasks.tick_upgrades"),
    "announce-trial-ends": _every(900, "billing.tasks.tick_trials"),
    "raise-alerts": _every(60, "billing.tasks.tick_alerts"),
    "send-webhooks": _every(10, "billing.tasks.tick_webhooks"),
    "do-stripe-events": _every(30, "billing.tasks.tick_stripe_events"),
    "look-at-orders": _every(60, "billing.tasks.tick_stripe_orders"),
    "look-at-paid-invoices": _every(60, "billing.tasks.tick_stripe_invoices"),
    "pay-back": _every(60, "billing.tasks.tick_stripe_refunds"),
    "look-at-refunds": _every(21_600, "billing.tasks.tick_pending_refunds"),
    "tell-stripe-of-clients": _every(300, "billing.tasks.tick_stripe_customers"),
    # What a period goes through, in order. Each step finds what the one before it left.
    "make-next-periods": _every(300, "billing.tasks.ensure_next_periods"),
    "settle-late-usage": _every(300, "billing.tasks.tick_late_usage"),
    "close-due-periods": _every(60, "billing.tasks.tick_close"),
    "issue-invoices": _every(60, "billing.tasks.tick_invoices"),
    "ask-for-what-is-due": _every(300, "billing.tasks.tick_dunning"),
    "render-invoices": _every(30, "billing.tasks.tick_render"),
    "post-earnings": _every(60, "payouts.tasks.tick_earnings"),
    "make-up-payouts": _every(300, "payouts.tasks.tick_payouts"),
    "pay-agencies": _every(60, "payouts.tasks.tick_transfers"),
    "look-at-agencies-accounts": _every(1_800, "payouts.tasks.tick_stripe_accounts"),
    "render-statements": _every(30, "payouts.tasks.tick_statements"),
    "send-mail": _every(30, "billing.tasks.tick_mail"),
}
