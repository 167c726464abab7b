"""Refunds through Stripe: asked for once, and brought to how they stand there.

The intent is a row (`refunds.request_refund`); Stripe is asked outside of any transaction, with the
refund's key; its answer, its events and a tick all say how it stands, in any order.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Final

from billing import stripe_gateway as gateway
from billing.models import PaymentReversal, Refund, TopUpOrder
from billing.refusals import RefusedError
from billing.stripe_amounts import UnchargeableError
from billing.stripe_gateway import AskedDifferentlyError, GatewayError, RejectedError

from .refunds import record_refund_result
from .reversals import reverse_payment
from .stripe_payments import order_on_balance, payment_of, take_off_balance

KEY_KNOWN_FOR: Final = dt.timedelta(hours=20)
"""Stripe knows keys for a day. Later it is asked first whether it has the refund already."""

STATES: Final = {
    "succeeded": Refund.State.SUCCEEDED,
    "failed": Refund.State.FAILED,
    "canceled": Refund.State.FAILED,
}
"""What Stripe says, as ours; the rest is on its way."""

_logger = logging.getLogger(__name__)


def send_refunds(*, now: dt.datetime, limit: int) -> int:
    """Ask Stripe for the refunds that it was not asked for, or did not answer about; how many it
    has taken or refused. What it cannot be asked just now waits, and holds up no other."""
    if not gateway.is_on():
        return 0
    sent = 0
    due = Refund.objects.to_send().select_related("payment", "client").order_by("pk")
    for refund in due[:limit]:
        try:
            send_refund(refund=refund, now=now)
        except GatewayError as error:
            _logger.warning("%s: %s", refund, error)
        else:
            sent += 1
    return sent


def send_refund(*, refund: Refund, now: dt.datetime) -> Refund:
    """Ask Stripe to pay a refund back. One that it does not make has failed, and its amount is on
    the balance again. Asked for twice, or at once, it is made once.

    Raises GatewayError where nobody knows, or the key may not: it stays to be sent.
    """
    payment = refund.payment
    if payment is None:
        return refund
    try:
        found = _made_before(refund, payment.provider_id, now) or gateway.refund(
            intent_id=payment.provider_id,
            amount=refund.amount,
            currency=refund.currency,
            metadata={"refund": str(refund.pk)},
            key=refund.key,
        )
    except AskedDifferentlyError:
        raise
    except (RejectedError, UnchargeableError) as error:
        return record_refund_result(
            refund=refund, state=Refund.State.FAILED, failure=str(error), now=now
        )
    return _take_in(refund, found, now)


def take_in_refund(*, refund_id: str, now: dt.datetime) -> str:
    """Read a refund from Stripe and bring ours to it; in words what it is, nothing where it is not
    about a payment of ours.

    One that somebody made in Stripe's dashboard is a reversal of its payment, once it has
    succeeded. Raises GatewayError; NotBookedError where the payment is not in the books;
    RefusedError for such a one that failed after it had succeeded: that is corrected by hand.
    """
    found = gateway.read_refund(refund_id)
    mine = _ours(found)
    if mine is not None:
        mine = _take_in(mine, found, now)
        return f"{mine} is {mine.get_state_display().lower()}."
    return _take_in_foreign(found, now)


def look_at_pending_refunds(*, now: dt.datetime) -> int:
    """Read from Stripe how the refunds on their way stand; how many have ended."""
    if not gateway.is_on():
        return 0
    ended = 0
    for refund in Refund.objects.on_their_way().select_related("payment").order_by("pk"):
        try:
            found = gateway.read_refund(refund.provider_id)
        except GatewayError as error:
            _logger.warning("%s: %s", refund, error)
            continue
        ended += _take_in(refund, found, now).state != Refund.State.PENDING
    return ended


def _made_before(refund: Refund, intent_id: str, now: dt.datetime) -> gateway.Refund | None:
    """What Stripe has of a refund whose key it may have forgotten."""
    if now - refund.requested_at < KEY_KNOWN_FOR:
        return None
    made = gateway.find_refunds(intent_id)
    return next((one for one in made if one.metadata.get("refund") == str(refund.pk)), None)


def _ours(found: gateway.Refund) -> Refund | None:
    """By its id, or, where Stripe was quicker than its own answer, by what we noted on it."""
    rows = Refund.objects.filter(payment__provider_id=found.intent_id).select_related("payment")
    known = rows.filter(provider_id=found.id).first()
    number = found.metadata.get("refund", "")
    if known is None and number.isdigit():
        known = rows.filter(pk=number, provider_id="").first()
    return known


def _take_in(refund: Refund, found: gateway.Refund, now: dt.datetime) -> Refund:
    return record_refund_result(
        refund=refund,
        state=STATES.get(found.status, Refund.State.PENDING),
        provider_id=found.id,
        reference=f"Stripe {found.id}",
        failure=found.failure.replace("_", " ") or f"Stripe says: {found.status}",
        now=now,
    )


def _take_in_foreign(found: gateway.Refund, now: dt.datetime) -> str:
    if (order := order_on_balance(found.intent_id)) is not None:
        return _take_in_of_order(order, found, now)
    payment = payment_of(found.intent_id)
    if payment is None:
        return ""
    state = STATES.get(found.status)
    key = f"stripe:{found.id}"
    if state == Refund.State.FAILED:
        if PaymentReversal.objects.filter(payment=payment, key__endswith=f":{key}").exists():
            raise RefusedError(
                f"The refund {found.id}, made at Stripe, has failed after all. The money is there "
                f"again: record it by hand, as a payment of {payment.invoice}."
            )
        return ""
    if state is None:
        return ""
    reversal = reverse_payment(
        payment=payment,
        amount=found.amount,
        reason=f"Refunded at Stripe ({found.id})",
        reversed_at=now,
        now=now,
        key=key,
        cause=PaymentReversal.Cause.REFUND,
    )
    return f"Recorded {reversal}: somebody refunded it at Stripe."


def _take_in_of_order(order: TopUpOrder, found: gateway.Refund, now: dt.datetime) -> str:
    """Of an order whose money is on the client's balance."""
    if STATES.get(found.status) != Refund.State.SUCCEEDED:
        return ""
    reason = f"refunded at Stripe ({found.id})"
    return take_off_balance(order=order, amount=found.amount, reason=reason, key=found.id, now=now)
