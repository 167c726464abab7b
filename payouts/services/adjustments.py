"""Adjustments of what an agency earns: two people, one earning.

The request is a row; another person's approval posts the earning with it, in one transaction. Lock
order: agency (as building payouts does), then the request.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

from django.db import transaction

from agencyportal.core.locks import lock_row
from agencyportal.core.money import format_money, is_currency, round_money
from billing.refusals import RefusedError, refuse_unfit_key
from clients.models import Agency, Client, User
from payouts.models import AdjustmentRequest, Earning

LONGEST_KEY: Final = 150

_States = AdjustmentRequest.State


def request_adjustment(
    *,
    agency: Agency,
    amount: Decimal,
    currency: str,
    reason: str,
    requested_by: User,
    now: dt.datetime,
    key: str,
    client: Client | None = None,
) -> AdjustmentRequest:
    """Ask for an amount to be given to an agency (positive) or taken from it.

    Nothing moves until somebody else approves. ``key`` makes it this request. Raises RefusedError
    for no amount of the currency, no reason, and a client of somebody else.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    if not is_currency(currency):
        raise RefusedError(f"{currency} is no currency.", field="currency")
    if not amount or amount != round_money(amount, currency):
        raise RefusedError(f"{amount} is no amount of {currency}.", field="amount")
    if not reason.strip():
        raise RefusedError("Say why; it is printed on the statement.", field="reason")
    if client is not None and client.agency_id != agency.pk:
        raise RefusedError(f"{client} is no client of {agency}.", field="client")
    key = f"adjustment:{agency.pk}:{key}"
    with transaction.atomic():
        lock_row(Agency.objects.filter(pk=agency.pk))
        earlier = AdjustmentRequest.objects.filter(key=key).first()
        if earlier is not None:
            if (earlier.amount, earlier.currency) != (amount, currency):
                raise RefusedError("This adjustment was asked for already, with another amount.")
            return earlier
        return AdjustmentRequest.objects.create(
            agency=agency,
            client=client,
            amount=amount,
            currency=currency,
            reason=reason.strip()[:250],
            requested_by=requested_by,
            requested_at=now,
            key=key,
        )


def approve_adjustment(
    *, request: AdjustmentRequest, approved_by: User, now: dt.datetime, note: str = ""
) -> AdjustmentRequest:
    """Post what was asked for as an earning of now. Approved already, it stays as it was.

    Raises RefusedError for whoever asked for it, and for one that is refused.
    """
    with transaction.atomic():
        locked = _locked(request)
        if locked.state == _States.APPROVED:
            return locked
        _refuse_decided(locked, approved_by)
        locked.earning = Earning.objects.create(
            agency_id=locked.agency_id,
            client_id=locked.client_id,
            kind=Earning.Kind.ADJUSTMENT,
            amount=locked.amount,
            currency=locked.currency,
            occurred_at=now,
            description=locked.reason,
            key=key_of(locked),
            created_at=now,
        )
        return _decide(locked, _States.APPROVED, approved_by, note, now)


def refuse_adjustment(
    *, request: AdjustmentRequest, refused_by: User, note: str, now: dt.datetime
) -> AdjustmentRequest:
    """Say no, and why; the request stays to be read. Raises RefusedError as approving does."""
    if not note.strip():
        raise RefusedError("Say why; whoever asked reads it.", field="note")
    with transaction.atomic():
        locked = _locked(request)
        if locked.state == _States.REFUSED:
            return locked
        _refuse_decided(locked, refused_by)
        return _decide(locked, _States.REFUSED, refused_by, note, now)


def key_of(request: AdjustmentRequest) -> str:
    """The key of the earning that a request brings."""
    return f"adjustment:{request.pk}"


def _locked(request: AdjustmentRequest) -> AdjustmentRequest:
    lock_row(Agency.objects.filter(pk=request.agency_id))
    return lock_row(
        AdjustmentRequest.objects.select_related("agency", "requested_by").filter(pk=request.pk)
    )


def _refuse_decided(request: AdjustmentRequest, who: User) -> None:
    if request.state != _States.PENDING:
        raise RefusedError(f"It is {request.get_state_display().lower()} already.")
    if request.requested_by_id == who.pk:
        amount = format_money(request.amount, request.currency)
        raise RefusedError(f"Somebody else has to decide about it: you asked for {amount}.")


def _decide(
    request: AdjustmentRequest, state: str, who: User, note: str, now: dt.datetime
) -> AdjustmentRequest:
    request.state, request.decided_by, request.decided_at = state, who, now
    request.note = note.strip()[:500]
    request.save(update_fields=["state", "decided_by", "decided_at", "note", "earning"])
    return request
