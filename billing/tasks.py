"""Small ticks of the schedule: each looks for work in the database, and may run twice or at once.

Nothing is passed in but the time: what is due is decided by rows, so a task that was lost with its
worker is made up for by the next tick. Batches keep a tick well below the worker's time limit.
"""

from __future__ import annotations

from typing import Final

from celery import shared_task
from django.apps import apps
from django.utils import timezone

from billing.services.alerts import check_alerts
from billing.services.attention import attend_all
from billing.services.automatic_buying import look_at_all
from billing.services.closing import close_due_periods
from billing.services.dunning import dun_due_invoices
from billing.services.invoice_checkouts import look_at_open_checkouts
from billing.services.invoicing import draft_invoices, issue_due_invoices
from billing.services.late_usage import settle_late_usage
from billing.services.mailing import send_due_mail
from billing.services.questions import time_out
from billing.services.rendering import render_due_documents
from billing.services.reservations import expire_reservations
from billing.services.stripe_customers import tell_changed_customers
from billing.services.stripe_inbox import process_due_events, process_event
from billing.services.stripe_refunds import look_at_pending_refunds, send_refunds
from billing.services.subscriptions import ensure_due_periods
from billing.services.top_up_orders import look_at_open_orders
from billing.services.trial_mail import announce_trial_ends
from billing.services.upgrades import work_on_all
from billing.services.webhook_delivery import deliver_due
from billing.services.webhooks import announce

AUTOMATIC_TOP_UPS: Final = 200
CLOSINGS: Final = 1000
DOCUMENTS: Final = 100
DUNNINGS: Final = 200
MESSAGES: Final = 200
RESERVATIONS: Final = 10_000
STRIPE_CHECKOUTS: Final = 100
STRIPE_CUSTOMERS: Final = 100
STRIPE_EVENTS: Final = 200
STRIPE_ORDERS: Final = 100
STRIPE_REFUNDS: Final = 100
UPGRADES: Final = 500
WEBHOOKS: Final = 100
WORKSPACES: Final = 1000


@shared_task
def ensure_next_periods() -> int:
    """Make the period after the current one of every subscription, before it starts."""
    return ensure_due_periods(now=timezone.now())


@shared_task
def tick_late_usage() -> int:
    """Settle late usage and corrections of closed periods in the open one."""
    settled, _failed = settle_late_usage(now=timezone.now(), limit=WORKSPACES)
    return settled


@shared_task
def tick_close() -> int:
    """Close the periods whose end and grace have passed."""
    return len(close_due_periods(now=timezone.now(), limit=CLOSINGS))


@shared_task
def tick_invoices() -> int:
    """Draft what became due, and issue every draft."""
    now = timezone.now()
    draft_invoices(now=now)
    issued, _failed = issue_due_invoices(now=now)
    return len(issued)


@shared_task
def tick_render() -> int:
    """Render issued invoices that are not on disk yet."""
    return render_due_documents(now=timezone.now(), limit=DOCUMENTS)


@shared_task
def tick_mail() -> int:
    """Send messages that are due."""
    return send_due_mail(now=timezone.now(), limit=MESSAGES)


@shared_task
def tick_alerts() -> int:
    """Tell people which thresholds their usage has reached."""
    return check_alerts(now=timezone.now(), limit=WORKSPACES)


@shared_task
def tick_trials() -> int:
    """Tell both sides of trials that end in a few days."""
    return announce_trial_ends(now=timezone.now(), limit=WORKSPACES)


@shared_task
def tick_upgrades() -> int:
    """Go on with moving subscriptions to other versions of their plans."""
    return work_on_all(now=timezone.now(), limit=UPGRADES)


@shared_task
def tick_policies() -> int:
    """Buy and ask what policies call for and nobody has looked at yet; and write down which
    questions nobody has answered in time."""
    now = timezone.now()
    time_out(now=now, limit=WORKSPACES)
    return attend_all(now=now, limit=WORKSPACES)


@shared_task
def tick_automatic_top_ups() -> int:
    """Buy what clients have bought automatically and usage calls for."""
    return look_at_all(now=timezone.now(), limit=AUTOMATIC_TOP_UPS)


@shared_task
def tick_expire_reservations() -> int:
    """Free the units of reservations that nobody settled in time."""
    return expire_reservations(now=timezone.now(), limit=RESERVATIONS)


@shared_task
def tick_webhooks() -> int:
    """Write down what endpoints are to be told of, and send what is due."""
    now = timezone.now()
    announce(now=now)
    return deliver_due(now=now, limit=WEBHOOKS)


@shared_task
def process_stripe_event(event_id: int) -> bool:
    """Do what one of Stripe's events calls for, as soon as it has come."""
    return process_event(event_id=event_id, now=timezone.now())


@shared_task
def tick_stripe_events() -> int:
    """Do the events that nobody has done yet: failed before, or whose worker died."""
    return process_due_events(now=timezone.now(), limit=STRIPE_EVENTS)


@shared_task
def tick_stripe_customers() -> int:
    """Tell Stripe of clients that are called or live differently now."""
    return tell_changed_customers(now=timezone.now(), limit=STRIPE_CUSTOMERS)


@shared_task
def tick_stripe_orders() -> int:
    """Look at orders that may have been paid without anybody hearing of it."""
    return look_at_open_orders(now=timezone.now(), limit=STRIPE_ORDERS)


@shared_task
def tick_stripe_invoices() -> int:
    """Look at invoices that may have been paid without anybody hearing of it."""
    return look_at_open_checkouts(now=timezone.now(), limit=STRIPE_CHECKOUTS)


@shared_task
def tick_dunning() -> int:
    """Remind of what is due, charge saved cards, and do what comes at the end."""
    return dun_due_invoices(now=timezone.now(), limit=DUNNINGS)


@shared_task
def tick_stripe_refunds() -> int:
    """Have Stripe pay back what was asked for."""
    return send_refunds(now=timezone.now(), limit=STRIPE_REFUNDS)


@shared_task
def tick_pending_refunds() -> int:
    """Look at refunds on their way that nobody has told the end of."""
    return look_at_pending_refunds(now=timezone.now())


@shared_task
def forget_stripe_calls() -> int:
    """Delete old calls of Stripe as dj-stripe keeps them, where it is there."""
    if not apps.is_installed("djstripe"):
        return 0
    from billing.services.stripe_endpoint import forget_old_calls

    return forget_old_calls(now=timezone.now())
