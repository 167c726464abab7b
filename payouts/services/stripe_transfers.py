"""Transfers through Stripe: asked for once, and brought to how they stand there.

The intent is a row, written as its payout is approved; Stripe is asked outside of any transaction,
with the row's key; its answer, its events and a tick all say how it stands, in any order. Dying
anywhere in between leaves a row that the next tick asks about with the same key.
"""

from __future__ import annotations

import datetime as dt
import logging
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from agencyportal.core.claims import claim
from agencyportal.core.locks import lock_row
from billing import stripe_gateway as gateway
from billing.refusals import RefusedError
from billing.stripe_amounts import UnchargeableError
from billing.stripe_gateway import GatewayError, RejectedError, SentTransfer
from clients.models import User
from payouts.models import Payout, Transfer

from .lifecycle import mark_failed, mark_paid

KEY_KNOWN_FOR: Final = dt.timedelta(hours=20)
"""Stripe knows keys for a day. Later it is asked first whether it has the transfer already."""

CLAIMED_FOR: Final = dt.timedelta(minutes=5)
"""A worker that has not come back for so long is thought dead."""

IN_USE: Final = "idempotency_key_in_use"

_logger = logging.getLogger(__name__)
_States = Transfer.State


def send_transfers(*, now: dt.datetime, limit: int) -> int:
    """Ask Stripe for the transfers that it was not asked for, or did not answer about; how many it
    has made or refused. What it cannot be asked just now waits, and holds up no other."""
    sent = 0
    for _ in range(limit):
        transfer = _claim(now)
        if transfer is None:
            break
        try:
            send_transfer(transfer=transfer, now=now)
        except GatewayError as error:
            _logger.warning("%s: %s", transfer, error)
        else:
            sent += 1
    return sent


def send_transfer(*, transfer: Transfer, now: dt.datetime) -> Transfer:
    """Have Stripe give an agency a payout's amount. Asked for twice, or at once, it is given once.

    One that Stripe refuses has failed, and its payout with it. Raises GatewayError where nobody
    knows, or the key may not: it stays to be sent.
    """
    account = transfer.stripe_account
    if account is None or transfer.state != _States.PENDING:
        return transfer
    payout = transfer.payout
    try:
        found = _made_before(transfer, now) or gateway.transfer(
            account_id=account.account_id,
            amount=transfer.amount,
            currency=transfer.currency,
            description=f"Payout {payout.number}",
            group=payout.number,
            metadata={"transfer": str(transfer.pk)},
            key=transfer.key,
        )
    except (RejectedError, UnchargeableError) as error:
        if getattr(error, "code", "") == IN_USE:
            raise  # another call with this key has not been answered yet
        made = _find(transfer)
        if made is None:
            return _refused(transfer, str(error), now)
        found = made
    return _take_in(transfer, found, now)


def take_in_transfer(*, transfer_id: str, now: dt.datetime) -> str:
    """Read a transfer from Stripe and bring ours to it; in words what it is, nothing where it is
    not about a payout. Raises GatewayError."""
    found = gateway.read_transfer(transfer_id)
    mine = _ours(found)
    if mine is None:
        return ""
    mine = _take_in(mine, found, now)
    return f"{mine} is {mine.get_state_display().lower()}."


def ask_back(
    *, transfer: Transfer, reason: str, asked_by: User | None, now: dt.datetime
) -> Transfer:
    """Write down that a paid transfer is to be taken back; a tick asks Stripe for it.

    Raises RefusedError for one that is not Stripe's, or not paid, and for no reason. Locks it.
    """
    if not reason.strip():
        raise RefusedError("Say why; the agency is told.", field="reason")
    with transaction.atomic():
        locked = lock_row(Transfer.objects.filter(pk=transfer.pk))
        if locked.method != Transfer.Method.STRIPE or locked.state != _States.PAID:
            raise RefusedError("Only what was paid through Stripe can be taken back there.")
        if locked.return_asked_at is None:
            locked.return_asked_at, locked.return_asked_by = now, asked_by
            locked.return_reason = reason.strip()[:500]
            fields = ["return_asked_at", "return_asked_by", "return_reason"]
            locked.save(update_fields=fields)
        return locked


def take_back_transfers(*, now: dt.datetime) -> int:
    """Ask Stripe for what is to be taken back; how many it has given back. What is not there any
    more stays asked for, and says why in the log."""
    if not gateway.is_on():
        return 0
    done = 0
    rows = Transfer.objects.to_take_back().select_related(*RELATED).order_by("pk")
    for transfer in rows:
        try:
            found = gateway.reverse_transfer(transfer.provider_id, key=f"reverse:{transfer.key}")
        except GatewayError as error:
            _logger.warning("%s: %s", transfer, error)
            continue
        done += _take_in(transfer, found, now).state == _States.FAILED
    return done


RELATED: Final = ("payout__agency", "stripe_account")


def _claim(now: dt.datetime) -> Transfer | None:
    if not gateway.is_on():
        return None
    free = Q(claimed_at=None) | Q(claimed_at__lte=now - CLAIMED_FOR)
    mine = Transfer.objects.to_send().filter(
        free, stripe_account__is_live=settings.STRIPE_LIVE_MODE
    )
    claimed = claim(mine.order_by("pk"), set={"claimed_at": now}, limit=1)
    return Transfer.objects.select_related(*RELATED).get(pk=claimed[0]) if claimed else None


def _made_before(transfer: Transfer, now: dt.datetime) -> SentTransfer | None:
    """What Stripe has of a transfer whose key it may have forgotten."""
    return None if now - transfer.requested_at < KEY_KNOWN_FOR else _find(transfer)


def _find(transfer: Transfer) -> SentTransfer | None:
    made = gateway.find_transfers(transfer.payout.number)
    return next((one for one in made if one.metadata.get("transfer") == str(transfer.pk)), None)


def _ours(found: SentTransfer) -> Transfer | None:
    """By its id, or, where Stripe was quicker than its own answer, by what we noted on it."""
    rows = Transfer.objects.filter(stripe_account__account_id=found.account_id)
    rows = rows.select_related(*RELATED)
    known = rows.filter(provider_id=found.id).first()
    number = found.metadata.get("transfer", "")
    if known is None and number.isdigit():
        known = rows.filter(pk=number, provider_id="").first()
    return known


def _take_in(transfer: Transfer, found: SentTransfer, now: dt.datetime) -> Transfer:
    """Bring a transfer and its payout to what Stripe says: given, or taken back wholly."""
    with transaction.atomic():
        _note(transfer, found)
        if transfer.state == _States.PENDING:
            mark_paid(
                payout=transfer.payout,
                reference=f"Stripe {found.id}",
                paid_at=now,
                by=None,
                now=now,
                key=f"{transfer.key}:paid",
                through_stripe=True,
            )
            transfer.refresh_from_db()
        if found.reversed >= transfer.amount and transfer.state == _States.PAID:
            why = transfer.return_reason or "It was taken back at Stripe."
            _fail(transfer, why, f"{transfer.key}:returned", now)
    transfer.refresh_from_db()
    return transfer


def _note(transfer: Transfer, found: SentTransfer) -> None:
    """Stripe's id, and what was taken back. Takes the payout's lock first, as every step does."""
    lock_payout(transfer)
    locked = lock_row(Transfer.objects.filter(pk=transfer.pk))
    locked.provider_id = found.id
    locked.returned = min(max(found.reversed, Decimal(0)), locked.amount)
    locked.save(update_fields=["provider_id", "returned"])
    transfer.state = locked.state
    transfer.return_reason = locked.return_reason


def lock_payout(transfer: Transfer) -> None:
    """Agency, then payout: the order of every step."""
    lock_row(type(transfer.payout.agency).objects.filter(pk=transfer.agency_id))
    lock_row(Payout.objects.filter(pk=transfer.payout_id))


def _refused(transfer: Transfer, why: str, now: dt.datetime) -> Transfer:
    """Stripe does not make it. Only where nobody has heard otherwise meanwhile."""
    with transaction.atomic():
        lock_payout(transfer)
        transfer.refresh_from_db()
        if transfer.state == _States.PENDING:
            _fail(transfer, why, f"{transfer.key}:refused", now)
    transfer.refresh_from_db()
    return transfer


def _fail(transfer: Transfer, why: str, key: str, now: dt.datetime) -> None:
    mark_failed(payout=transfer.payout, reason=why, by=None, now=now, key=key, through_stripe=True)
