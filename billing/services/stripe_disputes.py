"""Disputes as Stripe has them, into the books."""

from __future__ import annotations

import datetime as dt
from typing import Final

from billing import stripe_gateway as gateway
from billing.models import Dispute

from .disputes import record_dispute
from .stripe_payments import payment_of

STATES: Final = {
    "needs_response": Dispute.State.OPENED,
    "under_review": Dispute.State.OPENED,
    "won": Dispute.State.WON,
    "lost": Dispute.State.LOST,
}
"""What Stripe says, as ours. The rest are inquiries, which take no money."""


def take_in_dispute(*, dispute_id: str, closed_at: dt.datetime, now: dt.datetime) -> str:
    """Read a dispute from Stripe and bring ours to it; in words what it is, nothing where it is not
    about a payment of ours or takes nothing. ``closed_at``: when, if it is decided by now.

    Done twice, or after a later one, it changes nothing. Raises GatewayError; NotBookedError where
    the payment is not in the books; RefusedError as `disputes.record_dispute` does.
    """
    found = gateway.read_dispute(dispute_id)
    state = STATES.get(found.status)
    payment = payment_of(found.intent_id) if state is not None else None
    if state is None or payment is None:
        return ""
    opened_at = min(found.opened_at, now)
    dispute = record_dispute(
        payment=payment,
        provider_id=found.id,
        state=state,
        amount=found.amount,
        happened_at=opened_at if state == Dispute.State.OPENED else min(closed_at, now),
        opened_at=opened_at,
        reason=found.reason,
        now=now,
    )
    return f"{dispute} is {dispute.get_state_display().lower()}."
