"""What the gateway takes and gives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

IntentStatus = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "canceled",
    "succeeded",
]


PageStatus = Literal["open", "complete", "expired"]


@dataclass(frozen=True, slots=True)
class CustomerDetails:
    """A client as Stripe is told of it."""

    name: str
    email: str
    line1: str
    line2: str
    postal_code: str
    city: str
    state: str
    country: str
    tax_id: str
    language: str
    reference: str
    """Whose it is, for people who look at Stripe's pages: ``northwind/acme``."""


@dataclass(frozen=True, slots=True)
class Card:
    """A payment method as people may see it. ``brand`` is empty for a bank account."""

    id: str
    kind: str
    brand: str
    last4: str
    exp_month: int | None = None
    exp_year: int | None = None
    created_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class CheckoutLine:
    """A line of what is paid, as Stripe's page shows it."""

    name: str
    amount: Decimal
    description: str = ""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A hosted page on which something is paid.

    ``status``: open, complete or expired. ``is_paid`` is not the same as complete: some methods
    take days. ``url`` is empty once nobody can pay there any more.
    """

    id: str
    url: str
    status: PageStatus
    is_paid: bool
    intent_id: str
    expires_at: dt.datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CardPage:
    """A hosted page on which a card is saved. ``card`` is none until it is."""

    id: str
    url: str
    status: PageStatus
    customer_id: str
    card: Card | None

    @property
    def card_id(self) -> str:
        return self.card.id if self.card is not None else ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last try to pay an intent failed: Stripe's code, and words for people."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Intent:
    """One payment: what is asked, and how far it is. ``next_url``: where the card's holder has to
    confirm it, while it ``requires_action``. ``method``: card, sepa_debit, us_bank_account..."""

    id: str
    status: IntentStatus
    amount: Decimal
    received: Decimal
    currency: str
    customer_id: str
    card_id: str
    charge_id: str
    method: str
    created_at: dt.datetime
    next_url: str = ""
    failure: Failure | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_paid(self) -> bool:
        return self.status == "succeeded"

    @property
    def is_on_its_way(self) -> bool:
        return self.status == "processing"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back. ``status``: pending, requires_action, succeeded, failed, canceled."""

    id: str
    status: str
    amount: Decimal
    currency: str
    intent_id: str
    failure: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dispute:
    """A payment that its payer's bank takes back. ``status``: needs_response, under_review, won,
    lost, and the warning_* ones, which take nothing."""

    id: str
    status: str
    reason: str
    amount: Decimal
    currency: str
    intent_id: str
    charge_id: str
    opened_at: dt.datetime
    respond_by: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The account that the key belongs to."""

    id: str
    name: str
    country: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook endpoint as Stripe made it. ``secret`` is said this once."""

    id: str
    url: str
    secret: str
    api_version: str
    events: tuple[str, ...]
    is_live: bool


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """An account that money can be given to. ``takes_transfers``: whether it may be given any;
    ``is_paid_out``: whether Stripe pays it on to a bank. ``due``: what Stripe still asks for."""

    id: str
    is_submitted: bool
    takes_transfers: bool
    is_paid_out: bool
    disabled_reason: str
    due: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SentTransfer:
    """Money given to a connected account. ``reversed``: what of it was taken back."""

    id: str
    amount: Decimal
    reversed: Decimal
    currency: str
    account_id: str
    metadata: Mapping[str, str] = field(default_factory=dict)
