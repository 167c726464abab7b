"""How a payment stands at Stripe, in the states of our own rows: top-up orders and invoices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from billing import stripe_gateway as gateway
from billing.models.attempts import AUTHENTICATE, PaymentAttempt
from billing.stripe_gateway import Checkout, DeclinedError, Intent, RejectedError
from billing.stripe_gateway.errors import NOT_CHARGED, REFUSALS, decline_words

_States: Final = PaymentAttempt.State


@dataclass(frozen=True, slots=True)
class Standing:
    """The state, the intent if it is paid, and what else changes of a row, by field.

    ``failure_code``: Stripe's word for why the last try failed. A card that was charged while its
    holder was away, and whose bank asks for them, is pending: they can still confirm it
    (`stripe_gateway.confirm_intent`).
    """

    state: str
    paid: Intent | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    failure_code: str = ""

    @property
    def asks_for_holder(self) -> bool:
        return self.state == _States.PENDING and self.failure_code == AUTHENTICATE


def read_standing(session_id: str | None, intent_id: str | None) -> Standing | None:
    """Read from Stripe how a payment stands; None where nothing has happened yet.

    Raises GatewayError.
    """
    page = gateway.read_checkout(session_id) if session_id else None
    intent_id = intent_id or (page.intent_id if page is not None else "")
    if intent_id:
        return standing_of(gateway.read_intent(intent_id), page)
    is_over = page is not None and page.status == "expired"
    return Standing(_States.EXPIRED) if is_over else None


def standing_of(intent: Intent, page: Checkout | None = None) -> Standing:
    """How an intent stands, with the page that it is paid on, if it is paid on one."""
    if intent.is_paid:
        return Standing(_States.PAID, paid=intent)
    known = {"intent_id": intent.id}
    failure = intent.failure.words if intent.failure else ""
    if intent.is_on_its_way:
        return Standing(_States.PROCESSING, facts={**known, "pay_url": ""})
    code = intent.failure.code if intent.failure else ""
    ended = {**known, "failure": failure, "pay_url": ""}
    if intent.status == "canceled" or (page is not None and page.status == "expired"):
        return Standing(
            _States.EXPIRED if page is not None else _States.CANCELLED,
            facts=ended,
            failure_code=code,
        )
    if intent.status == "requires_action":
        # On an open page that is done; one that is over has left something for its payer to do.
        is_done_there = page is not None and page.status == "open"
        more = {} if is_done_there else {"pay_url": intent.next_url}
        return Standing(_States.PENDING, facts={**known, **more})
    if page is not None and page.status == "open":
        return Standing(_States.PENDING, facts={**known, "failure": failure})
    if code == AUTHENTICATE and page is None:
        return Standing(_States.PENDING, facts=ended, failure_code=code)
    return Standing(_States.FAILED, facts=ended, failure_code=code)


def declined(error: DeclinedError) -> Standing:
    """A charge that the bank refused just now, or for which it wants the card's holder."""
    facts = {"intent_id": error.intent_id, "failure": str(error)}
    state = _States.PENDING if error.code == AUTHENTICATE else _States.FAILED
    return Standing(state, facts=facts, failure_code=error.code)


def refused(error: RejectedError) -> Standing:
    """A charge that Stripe does not make: its card was taken off there, it is too small."""
    code = error.code if error.code in REFUSALS else NOT_CHARGED
    facts = {"intent_id": "", "failure": decline_words(code)}
    return Standing(_States.FAILED, facts=facts, failure_code=code)
