"""Money on its way back: refunds that we make, and disputes that are made against us."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from billing.stripe_amounts import to_stripe

from .client import calling, once
from .reading import dispute_of, refund_of
from .values import Dispute, Refund


def refund(
    *, intent_id: str, amount: Decimal, currency: str, metadata: Mapping[str, str], key: str
) -> Refund:
    """Pay back all or part of a payment. It may be pending for days, and may fail then.

    Raises RejectedError where more than is left is asked back, with Stripe's code.
    """
    with calling() as client:
        found = client.v1.refunds.create(
            {
                "payment_intent": intent_id,
                "amount": to_stripe(amount, currency),
                "metadata": dict(metadata),
            },
            once(key),
        )
        return refund_of(found)


def read_refund(refund_id: str) -> Refund:
    """A refund as it stands now."""
    with calling() as client:
        return refund_of(client.v1.refunds.retrieve(refund_id))


def find_refunds(intent_id: str) -> list[Refund]:
    """Whatever went back of a payment, or is on its way; the newest hundred."""
    with calling() as client:
        found = client.v1.refunds.list({"payment_intent": intent_id, "limit": 100})
        return [refund_of(one) for one in found.data]


def read_dispute(dispute_id: str) -> Dispute:
    """A dispute as it stands now."""
    with calling() as client:
        return dispute_of(client.v1.disputes.retrieve(dispute_id))
