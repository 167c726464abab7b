"""What every try to be paid through Stripe goes through, whatever it is for.

The intent is committed first; Stripe is asked outside of any transaction, with the row's key; what
came of it is read from Stripe by the page that the payer comes back to, by Stripe's events and by a
tick. What the money brings is for `order_fulfilment` and `invoice_checkouts` to say.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import models, transaction

from agencyportal.core.claims import claim
from agencyportal.core.locks import lock_row
from billing import stripe_gateway as gateway
from billing.models import InvoiceCheckout, TopUpOrder
from billing.models.attempts import AttemptQuerySet
from billing.refusals import RefusedError
from billing.stripe_gateway import (
    AskedDifferentlyError,
    CheckoutLine,
    DeclinedError,
    GatewayError,
    RejectedError,
    UnreachableError,
)

from .stripe_customers import customer_of, ensure_customer
from .stripe_standing import Standing, declined, refused, standing_of

Attempt = TypeVar("Attempt", TopUpOrder, InvoiceCheckout)

PAGE_OPEN_FOR: Final = dt.timedelta(hours=1)
"""How long Stripe's page can be paid on. Half an hour is Stripe's least."""

ASKED_AGAIN_FOR: Final = dt.timedelta(hours=20)
"""Stripe knows keys for a day. Until then a charge whose answer was lost is asked for again."""

ON_ITS_WAY_FOR: Final = dt.timedelta(minutes=2)
"""Longer than a call to Stripe takes with everything that it waits for."""

LOST: Final = (
    "Nobody knows whether it was charged: Stripe gave no answer for a day. Look for its number in "
    "Stripe's dashboard."
)

CLAIMED_FOR: Final = dt.timedelta(minutes=5)
LONGEST_TROUBLE: Final = 500
NOTHING: Final = ("session_id", "intent_id")
"""What is nothing rather than empty where Stripe says none: these are unique."""

_logger = logging.getLogger(__name__)


def open_page(
    attempt: Attempt,
    *,
    lines: Sequence[CheckoutLine],
    description: str,
    metadata: Mapping[str, str],
    key: str,
    address: str,
    now: dt.datetime,
    saves_card: bool = False,
) -> Attempt:
    """Open the page that an attempt is paid on, and write down where it is; once, by ``key``.

    ``address``: the portal's page of the attempt, where the payer comes back to. Raises
    GatewayError where Stripe did not open it, or nobody knows.
    """
    customer = ensure_customer(client=attempt.client, now=now)
    page = gateway.open_checkout(
        customer_id=customer.customer_id,
        currency=attempt.currency,
        lines=lines,
        description=description,
        success_url=f"{address}?back=paid",
        cancel_url=f"{address}?back=left",
        expires_at=attempt.begun_at + PAGE_OPEN_FOR,
        language=attempt.client.language,
        metadata=metadata,
        key=key,
        save_card=saves_card,
    )
    return record(attempt, attempt.State.PENDING, session_id=page.id, pay_url=page.url)


def charge_card(
    attempt: Attempt,
    *,
    amount: Decimal,
    description: str,
    metadata: Mapping[str, str],
    key: str,
    now: dt.datetime,
    address: str = "",
) -> Standing:
    """Charge the card that an attempt names, once, by ``key``; how the payment stands then.

    With ``address`` its holder is here and may be sent to confirm it; without, nobody is. A
    decline is an outcome (`Standing.failure_code`), not an error, and so is what Stripe does not
    charge at all. Raises GatewayError where nobody knows: the same key asks again, and charges
    once.
    """
    customer = ensure_customer(client=attempt.client, now=now)
    try:
        intent = gateway.charge(
            customer_id=customer.customer_id,
            card_id=attempt.card_id,
            amount=amount,
            currency=attempt.currency,
            description=description,
            metadata=metadata,
            key=key,
            return_url=f"{address}?back=paid" if address else "",
        )
    except DeclinedError as error:
        return declined(error)
    except AskedDifferentlyError:
        raise
    except RejectedError as error:
        return refused(error)
    return standing_of(intent)


def find_lost(attempt: Attempt, *, named: str, now: dt.datetime) -> Standing | None:
    """How the charge of an attempt stands whose answer was lost; None where Stripe has none.
    ``named``: what its metadata calls the attempt.

    Raises GatewayError, also while the call may still be on its way.
    """
    gateway.refuse_off()
    if now - attempt.begun_at < ON_ITS_WAY_FOR:
        raise UnreachableError(
            "Stripe has not said yet whether the card was charged. Please try again in a minute."
        )
    customer = customer_of(attempt.client)
    if customer is None:  # nothing is charged before there is one
        return None
    found = gateway.find_intent(
        customer_id=customer.customer_id,
        metadata={named: str(attempt.pk)},
        since=attempt.begun_at - ON_ITS_WAY_FOR,  # clocks differ
    )
    return None if found is None else standing_of(found)


def look_at_each(
    rows: AttemptQuerySet[Attempt],
    follow_up: Callable[[Attempt, dt.datetime], None],
    *,
    now: dt.datetime,
    limit: int,
) -> int:
    """Follow up attempts that may have been paid without anybody hearing of it; how many.

    Each is claimed, so that no two workers ask at once, and is looked at again after half of its
    age. What Stripe cannot say just now holds up no other.
    """
    looked = 0
    while looked < limit and (attempt := _claim(rows, now)) is not None:
        looked += 1
        try:
            follow_up(attempt, now)
        except GatewayError as error:
            _logger.warning("%s: %s", attempt, error)
        else:
            _look_again(rows, attempt, now)
    return looked


@transaction.atomic
def record(attempt: Attempt, state: str, **facts: Any) -> Attempt:
    """Write down how an attempt stands, unless it has ended for good. Locks the attempt."""
    locked = locked_attempt(type(attempt), attempt.pk)
    if locked.state not in locked.FINAL:
        locked.state = state
        for name, value in facts.items():
            setattr(locked, name, value or (None if name in NOTHING else ""))
        locked.save(update_fields=["state", *facts])
    return locked


@transaction.atomic
def note_trouble(model: type[Attempt], attempt_id: int, said: str, now: dt.datetime) -> Attempt:
    """The money has come and could not be put where it belongs: the attempt says so. Locks it."""
    locked = locked_attempt(model, attempt_id)
    if locked.state != locked.State.PAID or locked.trouble:
        locked.state, locked.paid_at = locked.State.PAID, locked.paid_at or now
        locked.trouble = said[:LONGEST_TROUBLE]
        locked.save(update_fields=["state", "paid_at", "trouble"])
    return locked


@transaction.atomic
def close_without_payment(attempt: Attempt) -> None:
    """End the trouble of an attempt that nobody was charged for. Raises RefusedError for one that
    is paid, or in no trouble. Locks the attempt."""
    locked = locked_attempt(type(attempt), attempt.pk)
    if locked.state != locked.State.FAILED or not locked.trouble:
        raise RefusedError("There is no such trouble with it any more.")
    locked.trouble = ""
    locked.save(update_fields=["trouble"])


def payment_found(attempt: Attempt, intent_id: str, *, named: str) -> Standing:
    """How a payment stands that somebody found for an attempt at Stripe. ``named``: what its
    metadata calls the attempt. Raises RefusedError where the attempt has another one, or the
    payment is another's; GatewayError."""
    if attempt.intent_id not in (None, intent_id):
        raise RefusedError(f"It has the payment {attempt.intent_id}.", field="payment")
    intent = gateway.read_intent(intent_id)
    if intent.metadata.get(named) != str(attempt.pk):
        raise RefusedError(f"The payment {intent_id} is not of this one.", field="payment")
    return standing_of(intent)


def locked_attempt(model: type[Attempt], attempt_id: int) -> Attempt:
    """An attempt, locked, with what is read with it."""
    rows: models.QuerySet[Attempt] = model._default_manager.select_related(*model.RELATED)
    return lock_row(rows.filter(pk=attempt_id))


def _claim(rows: AttemptQuerySet[Attempt], now: dt.datetime) -> Attempt | None:
    if not gateway.is_on():
        return None
    due = rows.unsettled().filter(look_at__lte=now, is_live=settings.STRIPE_LIVE_MODE)
    claimed = claim(due.order_by("look_at", "pk"), set={"look_at": now + CLAIMED_FOR}, limit=1)
    return rows.select_related(*rows.model.RELATED).get(pk=claimed[0]) if claimed else None


def _look_again(rows: AttemptQuerySet[Attempt], attempt: Attempt, now: dt.datetime) -> None:
    wait = min(max((now - attempt.begun_at) / 2, dt.timedelta(minutes=2)), dt.timedelta(hours=6))
    rows.unsettled().filter(pk=attempt.pk).update(look_at=now + wait)
