"""Which of our payments Stripe speaks of."""

from __future__ import annotations

from billing.models import InvoiceCheckout, Payment, TopUpOrder
from billing.refusals import RefusedError


class NotBookedError(RefusedError):
    """Stripe speaks of money that is ours and in the books as no payment, or not yet."""


def payment_of(intent_id: str) -> Payment | None:
    """The payment that Stripe collected with an intent; None for one that is not the portal's.

    Raises NotBookedError for an intent that something of ours waits for: events overtake each
    other, so that it may be there when it is asked for again.
    """
    if not intent_id:
        return None
    found = Payment.objects.select_related("client").filter(provider_id=intent_id).first()
    ours = (TopUpOrder, InvoiceCheckout)
    if found is None and any(m.objects.filter(intent_id=intent_id).exists() for m in ours):
        raise NotBookedError(
            f"No payment {intent_id} is in the books. If its order's money is on the client's "
            "balance, correct the balance by hand."
        )
    return found
