"""What dj-stripe hands a verified event to (``DJSTRIPE_WEBHOOK_EVENT_CALLBACK``).

It calls this inside a transaction, while Stripe waits: the event is written down, and done by a
worker after the commit. Should no worker hear of it, the next tick of the schedule finds it.
"""

from __future__ import annotations

from typing import Any, Protocol

from django.db import transaction
from django.utils import timezone

from billing.services.stripe_inbox import keep_event
from billing.tasks import process_stripe_event


class Delivery(Protocol):
    """A call by Stripe as dj-stripe keeps it."""

    @property
    def json_body(self) -> dict[str, Any]: ...


def receive(delivery: Delivery, api_key: str) -> None:  # noqa: ARG001  dj-stripe's signature
    """Keep the event of a call that was verified, and have it done."""
    event = keep_event(delivery.json_body, now=timezone.now())
    transaction.on_commit(lambda: process_stripe_event.delay(event.pk), robust=True)
