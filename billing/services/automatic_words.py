"""Why an automatic top-up buys nothing now, in words for the client."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from billing.models import AutomaticTopUp

_Reason = AutomaticTopUp.Reason

WORDS: Final[dict[str, str]] = {
    _Reason.DECLINED: gettext_noop("The payment was declined."),
    _Reason.UNCONFIRMED: gettext_noop("The payment was not confirmed with the bank."),
    _Reason.NO_CARD: gettext_noop("There is no saved card to charge."),
    _Reason.BURST: gettext_noop("Several were bought within an hour, which looks like a mistake."),
    _Reason.PACE: gettext_noop("Usage is far above what is usual, which looks like a mistake."),
    _Reason.OFFER: gettext_noop("The package does not offer this top-up like this any more."),
    _Reason.TERMS: gettext_noop("The terms have changed; please read and accept them."),
    _Reason.ON_ACCOUNT: gettext_noop("Buying on account automatically is not allowed any more."),
    _Reason.NOT_GRANTED: gettext_noop(
        "A payment arrived whose units could not be added; the money is on your balance."
    ),
    _Reason.REFUSED: gettext_noop("It could not be bought."),
    _Reason.MAXIMUM: gettext_noop("The monthly maximum is reached."),
    _Reason.CAP: gettext_noop("A limit on spending leaves no room for it."),
    _Reason.SUSPENDED: gettext_noop("Your usage is suspended until an invoice is paid."),
    _Reason.NO_STRIPE: gettext_noop("Cards cannot be charged here just now."),
}

NEEDS_CONSENT: Final = frozenset({_Reason.OFFER, _Reason.TERMS, _Reason.ON_ACCOUNT})
"""Stopped for these, it goes on with another consent only: what was agreed to is no more."""


def why(automatic: AutomaticTopUp) -> str:
    """The reason and its detail; empty where there is none."""
    if not automatic.reason:
        return ""
    return f"{_(WORDS[automatic.reason])} {automatic.detail}".strip()
