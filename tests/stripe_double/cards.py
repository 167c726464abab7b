"""How people pay in tests: the ways, and what each of them does when it is charged."""

from __future__ import annotations

from typing import Any

WAYS: dict[str, dict[str, Any]] = {
    "card": {"brand": "visa", "last4": "4242", "does": "pays"},
    "other card": {"brand": "mastercard", "last4": "4444", "does": "pays"},
    "declined": {
        "brand": "visa",
        "last4": "0002",
        "does": "declines",
        "because": "generic_decline",
    },
    "no funds": {
        "brand": "visa",
        "last4": "9995",
        "does": "declines",
        "because": "insufficient_funds",
    },
    "stolen": {"brand": "visa", "last4": "9979", "does": "declines", "because": "stolen_card"},
    # Pays when its holder is there, and is refused later.
    "fails later": {"brand": "visa", "last4": "0341", "does": "fails later"},
    "3ds": {"brand": "visa", "last4": "3220", "does": "asks"},
    # Asks each time, also when its holder is away.
    "3ds always": {"brand": "visa", "last4": "3184", "does": "asks"},
    # From a bank account, as the currency has it: SEPA in EUR, ACH in USD.
    "debit": {"last4": "3000", "does": "waits", "type": "sepa_debit"},
    "ach": {"last4": "6789", "does": "waits", "type": "us_bank_account"},
    # The account is confirmed later, by the small amounts that it got.
    "ach by hand": {"last4": "2227", "does": "verifies", "type": "us_bank_account"},
}

DEBITS = {"eur": "debit", "usd": "ach"}
"""The debit that a page offers by itself, by currency: Stripe's choice, as its account says."""

DECLINES = {
    "generic_decline": ("card_declined", "Your card was declined."),
    "insufficient_funds": ("card_declined", "Your card has insufficient funds."),
    "stolen_card": ("card_declined", "Your card was declined."),
    "expired_card": ("expired_card", "Your card has expired."),
}

TOKENS = {
    "pm_card_visa": "card",
    "pm_card_mastercard": "other card",
    "pm_card_visa_chargeDeclined": "declined",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "no funds",
    "pm_card_visa_chargeDeclinedStolenCard": "stolen",
    "pm_card_chargeCustomerFail": "fails later",
    "pm_card_authenticationRequired": "3ds always",
    "pm_sepaDebit": "debit",
}
"""Stripe's own names for methods in test mode."""


def method_shape(way: str) -> dict[str, Any]:
    """A payment method. ``_way`` is the double's own note and is never sent."""
    facts = WAYS[way]
    kind = facts.get("type", "card")
    details: dict[str, Any] = {"last4": facts["last4"], "country": "US", "fingerprint": f"fp{way}"}
    if kind == "card":
        details |= {
            "brand": facts["brand"],
            "display_brand": facts["brand"],
            "exp_month": 12,
            "exp_year": 2034,
            "funding": "credit",
            "checks": {"cvc_check": "pass"},
        }
    else:
        details |= {"bank_code": "37040044", "branch_code": ""}
    return {
        "type": kind,
        kind: details,
        "billing_details": {"email": None, "name": None, "phone": None, "address": {}},
        "customer": None,
        "allow_redisplay": "unspecified",
        "_way": way,
    }
