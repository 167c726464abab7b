"""The connection: which key, where to, how long to wait, and what its errors mean."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import stripe
from django.conf import settings

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
)

SECONDS: Final = (4.0, 20.0)
"""How long to wait for a connection, and for an answer."""

RETRIES: Final = 1
"""How often the SDK asks again when nothing came back; the key makes that harmless."""

AUTHENTICATE: Final = "authentication_required"
HOW_TO_SWITCH_ON: Final = (
    "Stripe is not switched on. Set STRIPE_SECRET_KEY, as docs/stripe.md says, and start again."
)

_logger = logging.getLogger(__name__)


def is_on() -> bool:
    """Whether there is a key. Without one top-ups are bought on account, and nothing else is."""
    return bool(settings.STRIPE_SECRET_KEY)


def refuse_off() -> None:
    """Raise OffError where there is no key."""
    if not is_on():
        raise OffError(HOW_TO_SWITCH_ON)


def close_connections() -> None:
    """Forget the connections of this process; the next call makes new ones."""
    _client.cache_clear()


@lru_cache(maxsize=2)
def _client(key: str, base: str) -> stripe.StripeClient:
    """One for each key and address: it keeps connections, one for each thread."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": base},
        http_client=stripe.RequestsClient(timeout=SECONDS),
        max_network_retries=RETRIES,
    )


@contextmanager
def calling() -> Iterator[stripe.StripeClient]:
    """The client, for one call. Whatever goes wrong in the block leaves it as a GatewayError."""
    refuse_off()
    try:
        yield _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)
    except stripe.StripeError as error:
        raise _meaning(error) from error


def once(key: str) -> Any:
    """The options of a call that creates something: ``key`` makes it once."""
    return {"idempotency_key": key}


def _meaning(error: stripe.StripeError) -> GatewayError:
    code = error.code or ""
    if isinstance(error, stripe.CardError):
        return _declined(error, code)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        _logger.error("Stripe does not take our key: %s", error)
        return MisconfiguredError(
            "Stripe cannot be used just now. Whoever runs the portal has to look at it.",
            detail="Stripe does not accept STRIPE_SECRET_KEY for this. Look at the key in Stripe's "
            f"dashboard: {error.user_message}",
        )
    if isinstance(error, stripe.InvalidRequestError | stripe.IdempotencyError):
        _logger.warning("Stripe refused a call: %s", error)
        words = f"Stripe refused it: {error.user_message or error}"
        kind = NotThereError if code == "resource_missing" else RejectedError
        if isinstance(error, stripe.IdempotencyError):
            kind = AskedDifferentlyError
        return kind(words, code=code)
    _logger.warning("Stripe could not be reached: %s", error)
    return UnreachableError("Stripe does not answer just now. Please try again in a minute.")


def _declined(error: stripe.CardError, code: str) -> DeclinedError:
    said = error.error
    intent = said.payment_intent.id if said is not None and said.payment_intent else ""
    because = (said.decline_code if said is not None else None) or code
    if AUTHENTICATE in (code, because):
        return AuthenticationNeededError(code=AUTHENTICATE, intent_id=intent)
    return DeclinedError(code=because, intent_id=intent)
