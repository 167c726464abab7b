"""A double of Stripe that speaks HTTP, for tests.

The real SDK calls it (``STRIPE_API_BASE``). It keeps customers, sessions, intents and the rest in
memory, has pages on which people pay, and writes down the events that Stripe would send; tests
decide when those arrive, how often, and in which order.

    double.pay(session_id)                     somebody pays on the hosted page
    double.pay(session_id, with_="declined")   and is refused
    double.settle(intent_id)                   a bank debit arrives days later
    double.events                              what Stripe would tell of, oldest first
    signed(event, secret)                      an event as it is posted: body and headers
"""

from .double import StripeDouble
from .webhooks import signed

__all__ = ["StripeDouble", "signed"]
