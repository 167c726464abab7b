"""Stripe's objects as our values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, cast

import stripe

from billing.stripe_amounts import from_stripe

from .errors import decline_words
from .values import Card, Checkout, Dispute, Failure, Intent, IntentStatus, PageStatus, Refund


def id_of(found: Any) -> str:
    """The id of what may be an id, the object itself, or nothing."""
    if found is None:
        return ""
    return found if isinstance(found, str) else str(found.id)


def moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def notes(found: Any) -> Mapping[str, str]:
    """An object's metadata."""
    return {} if found is None else dict(found.to_dict())


def card_of(method: stripe.PaymentMethod) -> Card:
    details: Any = getattr(method, method.type, None)
    return Card(
        id=method.id,
        kind=method.type,
        brand=getattr(details, "brand", None) or "",
        last4=getattr(details, "last4", None) or "",
        exp_month=getattr(details, "exp_month", None),
        exp_year=getattr(details, "exp_year", None),
        created_at=moment(method.created),
    )


def intent_of(found: stripe.PaymentIntent) -> Intent:
    currency = found.currency.upper()
    return Intent(
        id=found.id,
        status=cast(IntentStatus, found.status),
        amount=from_stripe(found.amount, currency),
        received=from_stripe(found.amount_received or 0, currency),
        currency=currency,
        customer_id=id_of(found.customer),
        card_id=id_of(found.payment_method),
        charge_id=id_of(found.latest_charge),
        method=_method_of(found),
        created_at=moment(found.created),
        next_url=_next_url(found),
        failure=_failure_of(found),
        metadata=notes(found.metadata),
    )


def checkout_of(found: stripe.checkout.Session) -> Checkout:
    return Checkout(
        id=found.id,
        url=found.url or "",
        status=cast(PageStatus, found.status or "open"),
        is_paid=found.payment_status == "paid",
        intent_id=id_of(found.payment_intent),
        expires_at=moment(found.expires_at),
        metadata=notes(found.metadata),
    )


def refund_of(found: stripe.Refund) -> Refund:
    currency = found.currency.upper()
    return Refund(
        id=found.id,
        status=found.status or "pending",
        amount=from_stripe(found.amount, currency),
        currency=currency,
        intent_id=id_of(found.payment_intent),
        failure=getattr(found, "failure_reason", None) or "",
        metadata=notes(found.metadata),
    )


def dispute_of(found: stripe.Dispute) -> Dispute:
    currency = found.currency.upper()
    due = getattr(found.evidence_details, "due_by", None)
    return Dispute(
        id=found.id,
        status=found.status,
        reason=found.reason,
        amount=from_stripe(found.amount, currency),
        currency=currency,
        intent_id=id_of(found.payment_intent),
        charge_id=id_of(found.charge),
        opened_at=moment(found.created),
        respond_by=moment(due) if due else None,
    )


def _method_of(found: stripe.PaymentIntent) -> str:
    """What was paid with: as the charge says it, where that came along."""
    charge = found.latest_charge
    if charge is None or isinstance(charge, str) or charge.payment_method_details is None:
        return ""
    return charge.payment_method_details.type


def _next_url(found: stripe.PaymentIntent) -> str:
    """Where its payer goes on: to their bank, or to Stripe's page that confirms a bank account by
    the small amounts that it got."""
    action = found.next_action
    if action is None:
        return ""
    redirect = getattr(action, "redirect_to_url", None)
    if redirect is not None:
        return redirect.url or ""
    verify = getattr(action, "verify_with_microdeposits", None)
    return (verify.hosted_verification_url or "") if verify is not None else ""


def _failure_of(found: stripe.PaymentIntent) -> Failure | None:
    error = found.last_payment_error
    if error is None:
        return None
    code = getattr(error, "decline_code", None) or getattr(error, "code", None) or "declined"
    return Failure(code=code, words=decline_words(code))
