"""Stripe, at arm's length: the only place that calls it (DESIGN 4.9).

Thin functions with our own values in and out. Amounts are Decimals in the currency's own units,
currencies are capital ISO codes, ids are strings. Whatever creates something at Stripe takes the
``key`` that makes it once. Nothing here writes to the database, and none of it may be called
inside a transaction. What goes wrong is a `GatewayError`, in words for people.
"""

from .checkout import (
    close_checkout,
    open_card_page,
    open_checkout,
    read_card_page,
    read_checkout,
)
from .client import close_connections, is_on, refuse_off
from .connect import (
    create_connected,
    find_transfers,
    onboarding_url,
    read_connected,
    read_transfer,
    reverse_transfer,
    transfer,
)
from .customers import (
    create_customer,
    forget_card,
    read_default_card,
    update_customer,
    use_card,
)
from .endpoints import change_endpoint, create_endpoint, read_account
from .errors import (
    AskedDifferentlyError,
    AuthenticationNeededError,
    DeclinedError,
    GatewayError,
    MisconfiguredError,
    NotThereError,
    OffError,
    RejectedError,
    UnreachableError,
    decline_words,
    is_final_decline,
)
from .intents import cancel_intent, charge, confirm_intent, find_intent, read_intent
from .refunds import find_refunds, read_dispute, read_refund, refund
from .values import (
    Account,
    Card,
    CardPage,
    Checkout,
    CheckoutLine,
    ConnectedAccount,
    CustomerDetails,
    Dispute,
    Endpoint,
    Failure,
    Intent,
    Refund,
    SentTransfer,
)

__all__ = [
    "Account",
    "AskedDifferentlyError",
    "AuthenticationNeededError",
    "Card",
    "CardPage",
    "Checkout",
    "CheckoutLine",
    "ConnectedAccount",
    "CustomerDetails",
    "DeclinedError",
    "Dispute",
    "Endpoint",
    "Failure",
    "GatewayError",
    "Intent",
    "MisconfiguredError",
    "NotThereError",
    "OffError",
    "Refund",
    "RejectedError",
    "SentTransfer",
    "UnreachableError",
    "cancel_intent",
    "change_endpoint",
    "charge",
    "close_checkout",
    "close_connections",
    "confirm_intent",
    "create_connected",
    "create_customer",
    "create_endpoint",
    "decline_words",
    "find_intent",
    "find_refunds",
    "find_transfers",
    "forget_card",
    "is_final_decline",
    "is_on",
    "onboarding_url",
    "open_card_page",
    "open_checkout",
    "read_account",
    "read_card_page",
    "read_checkout",
    "read_connected",
    "read_default_card",
    "read_dispute",
    "read_intent",
    "read_refund",
    "read_transfer",
    "refund",
    "refuse_off",
    "reverse_transfer",
    "transfer",
    "update_customer",
    "use_card",
]
