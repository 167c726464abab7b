"""Pays approved payouts, each once: the try is a row first, then money moves, then it is recorded.

At most one transfer of a payout is on its way or paid (a partial unique constraint). Whatever is
done here holds the payout's row; lock order: agency, payout, transfer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from django.db import transaction

from agencyportal.core.locks import lock_row
from agencyportal.core.money import round_money
from billing.refusals import RefusedError, refuse_unfit_key
from billing.table_files import Cell, csv_lines
from clients.models import Agency, User
from payouts.models import (
    BankAccount,
    BankFile,
    Payout,
    PayoutTransition,
    StripeAccount,
    Transfer,
)

from .bank_accounts import account_of

LONGEST_KEY: Final = 200

COLUMNS: Final = (
    "payout",
    "agency",
    "holder",
    "iban",
    "bic",
    "account_number",
    "routing_number",
    "country",
    "amount",
    "currency",
    "reference",
)
"""Of a bank file. Every bank's own upload takes such columns, in some order."""

_States = Transfer.State


def make_bank_file(
    *, month: dt.date, currency: str, created_by: User | None, now: dt.datetime, key: str
) -> BankFile:
    """Put the approved payouts of a month in one currency into a file for the bank.

    Each gets a transfer that is on its way. One that is in a file already, or is paid otherwise,
    is left out. ``key`` makes it this file. Raises RefusedError where there is nothing to put in
    it, and for a payout whose account is another than when it was approved. All or nothing.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    key = f"bank-file:{key}"
    with transaction.atomic():
        if earlier := BankFile.objects.filter(key=key).first():
            return earlier
        payouts = Payout.objects.filter(
            month=month, currency=currency, state=Payout.State.APPROVED
        ).exclude(transfers__state__in=Transfer.LIVE)
        ids = list(payouts.order_by("agency_id", "pk").values_list("pk", "agency_id"))
        if not ids:
            raise RefusedError(
                f"No approved payout of {month:%B %Y} waits to be paid in {currency}."
            )
        file = BankFile.objects.create(
            month=month, currency=currency, created_by=created_by, created_at=now, key=key
        )
        added = [_into_file(file, pk, agency_id, created_by, now) for pk, agency_id in ids]
        if not any(added):
            raise RefusedError("Somebody else has just put them into a file.")
        return file


def _into_file(
    file: BankFile, payout_id: int, agency_id: int, by: User | None, now: dt.datetime
) -> bool:
    lock_row(Agency.objects.filter(pk=agency_id))
    payout = lock_row(Payout.objects.select_related("agency").filter(pk=payout_id))
    if payout.state != Payout.State.APPROVED or payout.transfers.live().exists():
        return False
    begin_transfer(
        payout,
        method=Transfer.Method.BANK_FILE,
        bank_account=reviewed_account(payout, now=now),
        bank_file=file,
        by=by,
        now=now,
    )
    return True


def begin_transfer(
    payout: Payout,
    *,
    method: str,
    by: User | None,
    now: dt.datetime,
    bank_account: BankAccount | None = None,
    bank_file: BankFile | None = None,
    stripe_account: StripeAccount | None = None,
) -> Transfer:
    """Write down that a payout is being paid. The caller holds it, and nothing pays it yet."""
    return Transfer.objects.create(
        agency_id=payout.agency_id,
        payout=payout,
        method=method,
        amount=payout.amount,
        currency=payout.currency,
        bank_account=bank_account,
        bank_file=bank_file,
        stripe_account=stripe_account,
        requested_by=by,
        requested_at=now,
        key=f"transfer:{payout.pk}:{payout.transfers.count() + 1}",
    )


def reviewed_account(payout: Payout, *, now: dt.datetime) -> BankAccount:
    """The account that whoever approved a payout saw. Raises RefusedError where it is another now:
    the approval is to be withdrawn, and given again by somebody who looks at it."""
    account = account_of(agency=payout.agency, at=now)
    approved = (
        PayoutTransition.objects.filter(payout=payout, to_state=Payout.State.APPROVED)
        .order_by("-number")
        .first()
    )
    seen = None
    if approved is not None:
        seen = account_of(agency=payout.agency, at=approved.recorded_at)
    if account is None or account != seen:
        raise RefusedError(
            f"{payout}: {payout.agency} has another bank account than when it was approved. "
            "Withdraw the approval, and let somebody approve it again."
        )
    return account


def settle_transfer(
    payout: Payout,
    state: str,
    *,
    at: dt.datetime,
    by: User | None,
    now: dt.datetime,
    reference: str = "",
    failure: str = "",
) -> None:
    """Bring the transfer of a payout along with it; one paid by hand is written down now. The
    caller holds the payout."""
    live = payout.transfers.live().first()
    if live is None:
        if state == _States.FAILED:
            return
        live = begin_transfer(payout, method=Transfer.Method.BY_HAND, by=by, now=now)
    locked = lock_row(Transfer.objects.filter(pk=live.pk))
    locked.state, locked.settled_at = state, at
    locked.reference = reference[:200] or locked.reference
    locked.failure = failure[:500]
    locked.save(update_fields=["state", "settled_at", "reference", "failure"])


def bank_file_lines(file: BankFile) -> Iterator[str]:
    """The file as CSV: the same whenever it is asked for."""
    return csv_lines(COLUMNS, _rows(file))


def _rows(file: BankFile) -> Iterator[tuple[Cell, ...]]:
    rows = file.transfers.select_related("payout", "agency", "bank_account").order_by("pk")
    for transfer in rows:
        account = transfer.bank_account
        if account is None:
            continue
        yield (
            transfer.payout.number,
            transfer.agency.printed_name,
            account.holder,
            account.iban,
            account.bic,
            account.account_number,
            account.routing_number,
            account.country,
            round_money(transfer.amount, transfer.currency),
            transfer.currency,
            transfer.payout.number,
        )


def total_of(file: BankFile) -> Decimal:
    """What all transfers of a file come to."""
    return sum((transfer.amount for transfer in file.transfers.all()), Decimal(0))
