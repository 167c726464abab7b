"""What can go wrong at Stripe, in our words."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

DECLINES: Final = {
    "insufficient_funds": gettext_noop("There is not enough money on the card."),
    "expired_card": gettext_noop("The card has expired."),
    "incorrect_cvc": gettext_noop("The card's security code is not right."),
    "authentication_required": gettext_noop(
        "The bank wants to know that it is you, so the payment has to be confirmed."
    ),
    "currency_not_supported": gettext_noop("The card cannot be charged in this currency."),
    "card_velocity_exceeded": gettext_noop("The card's limit is reached."),
    "withdrawal_count_limit_exceeded": gettext_noop("The card's limit is reached."),
    "processing_error": gettext_noop("The bank could not process the payment just now."),
    "payment_intent_authentication_failure": gettext_noop(
        "The payment was not confirmed with the bank."
    ),
}
"""What banks say that the card's holder can do something about. The rest, stolen cards above all,
is `DECLINED` and nothing more, as card schemes ask."""

DECLINED: Final = gettext_noop("The bank declined the payment.")

NOT_CHARGED: Final = "not_charged"
"""Our word for a charge that Stripe does not make, where nobody can do anything about why."""

REFUSALS: Final = {
    "amount_too_large": gettext_noop("The amount is too large to be charged."),
    "amount_too_small": gettext_noop("The amount is too small to be charged."),
    "resource_missing": gettext_noop("The card is not saved any more."),
    NOT_CHARGED: gettext_noop("The card cannot be charged."),
}
"""Why Stripe does not make a charge, before any bank is asked."""

NEVER_AGAIN: Final = frozenset(
    {
        "authentication_required",
        "card_not_supported",
        "currency_not_supported",
        "expired_card",
        "invalid_account",
        "lost_card",
        "pickup_card",
        "restricted_card",
        "stolen_card",
    }
)
"""After these the same card will not do without its holder: trying again only annoys its bank."""


def decline_words(code: str) -> str:
    """What to tell who holds the card, in the language in use."""
    return _(DECLINES.get(code) or REFUSALS.get(code, DECLINED))


def is_final_decline(code: str) -> bool:
    """Whether trying the same card again is pointless."""
    return code in NEVER_AGAIN


class GatewayError(Exception):
    """Something at Stripe did not work. The message says what, and what to do.

    ``is_passing``: the same may well work later, without anybody doing anything.
    """

    is_passing = False


class OffError(GatewayError):
    """There is no key."""


class UnreachableError(GatewayError):
    """Stripe did not answer, or not with sense. What was asked may have been done all the same:
    ask again with the same key."""

    is_passing = True


class MisconfiguredError(GatewayError):
    """The key is wrong or may not do it. The message is for anybody; ``detail`` is for the operator
    alone: it names the key, in part, and the account."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class RejectedError(GatewayError):
    """Stripe does not do what was asked. ``code`` is Stripe's word for why."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AskedDifferentlyError(RejectedError):
    """The key has asked for something else before. Whether that was done, this does not say."""


class NotThereError(RejectedError):
    """Stripe knows no such thing: it was deleted, or belongs to another account or mode."""


class DeclinedError(GatewayError):
    """The payment was refused by whoever issued the card. The message is for its holder.

    ``code`` is the bank's word. ``intent_id``: the intent that stands there refused, empty where
    none was made. ``is_final``: trying the same card again is pointless.
    """

    def __init__(self, *, code: str, intent_id: str = "") -> None:
        super().__init__(decline_words(code))
        self.code = code
        self.intent_id = intent_id
        self.is_final = is_final_decline(code)


class AuthenticationNeededError(DeclinedError):
    """The holder has to confirm it, and is not here."""
