"""Disputes as Stripe has them, into the books."""

from __future__ import annotations

import datetime as dt
from typing import Final

from billing import stripe_gateway as gateway
from billing.models import Dispute, Payment, PaymentReversal, TopUpOrder
from billing.refusals import RefusedError

from .disputes import record_dispute
from .stripe_payments import order_on_balance, payment_of, take_off_balance

STATES: Final = {
    "needs_response": Dispute.State.OPENED,
    "under_review": Dispute.State.OPENED,
    "won": Dispute.State.WON,
    "lost": Dispute.State.LOST,
}
"""What Stripe says, as ours. The rest are inquiries, which take no money."""


RETURNED: Final = {
    "bank_cannot_process": "The bank could not collect it.",
    "debit_not_authorized": "The account's holder had it returned.",
    "incorrect_account_details": "The account's details are not right.",
    "insufficient_funds": "There was not enough money in the account.",
}
"""Why banks return debits after they were paid. Stripe tells of it as a dispute that is lost from
the start: nobody can contest it."""


def take_in_dispute(*, dispute_id: str, closed_at: dt.datetime, now: dt.datetime) -> str:
    """Read a dispute from Stripe and bring ours to it; in words what it is, nothing where it is not
    about a payment of ours or takes nothing. ``closed_at``: when, if it is decided by now.

    Done twice, or after a later one, it changes nothing. Raises GatewayError; NotBookedError where
    the payment is not in the books; RefusedError in another currency than the payment's, and as
    `disputes.record_dispute` does.
    """
    found = gateway.read_dispute(dispute_id)
    state = STATES.get(found.status)
    if state is not None and (order := order_on_balance(found.intent_id)) is not None:
        return _take_in_of_order(order, found, now)
    payment = payment_of(found.intent_id) if state is not None else None
    if state is None or payment is None:
        return ""
    _refuse_other_currency(found, payment.currency)
    opened_at = min(found.opened_at, now)
    causes = PaymentReversal.Cause
    is_debit = payment.method == Payment.Method.DIRECT_DEBIT
    dispute = record_dispute(
        payment=payment,
        provider_id=found.id,
        state=state,
        amount=found.amount,
        happened_at=opened_at if state == Dispute.State.OPENED else min(closed_at, now),
        opened_at=opened_at,
        reason=RETURNED.get(found.reason, found.reason) if is_debit else found.reason,
        cause=causes.BOUNCED if is_debit else causes.DISPUTE,
        now=now,
    )
    return f"{dispute} is {dispute.get_state_display().lower()}."


def _take_in_of_order(order: TopUpOrder, found: gateway.Dispute, now: dt.datetime) -> str:
    """Of an order whose money is on the client's balance: nothing is held, and lost it goes."""
    _refuse_other_currency(found, order.currency)
    if STATES.get(found.status) != Dispute.State.LOST:
        return f"The money of {order} is on the client's balance; lost, it is taken from there."
    reason = f"dispute {found.id} was lost"
    return take_off_balance(order=order, amount=found.amount, reason=reason, key=found.id, now=now)


def _refuse_other_currency(found: gateway.Dispute, currency: str) -> None:
    """Banks may dispute in their own currency. How much of the payment that is, nobody says."""
    if found.currency != currency:
        raise RefusedError(
            f"The dispute {found.id} is in {found.currency}, and its payment in {currency}: what "
            "comes of it is recorded by hand."
        )
