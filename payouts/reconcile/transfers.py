"""Transfers: a paid payout has one that is paid, of its amount; no other has any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import Prefetch

from payouts.models import Payout, Transfer

from .findings import Checked, Finding, compare, missing, unexpected
from .payouts import name_of
from .scope import CHUNK, Scope

SUBJECT: Final = "Transfers"

_States = Payout.State

ALLOWED: Final = {
    _States.APPROVED: Transfer.State.PENDING,
    _States.PAID: Transfer.State.PAID,
}
"""What the live transfer of a payout is, where it may have one."""


def check_transfers(scope: Scope) -> Iterator[Finding]:
    """Every payout's transfers against its state, amount and agency."""
    transfers = Transfer.objects.select_related("bank_account").order_by("pk")
    payouts = (
        scope.of(Payout.objects.defer("snapshot"))
        .prefetch_related(Prefetch("transfers", transfers))
        .order_by("pk")
    )
    for payout in payouts.iterator(chunk_size=CHUNK // 20):
        yield from _check_payout(payout)


def _check_payout(payout: Payout) -> Iterator[Finding]:
    rows = list(payout.transfers.all())
    for row in rows:
        name = f"transfer {row.pk} of {name_of(payout)}"
        fields: dict[str, tuple[Any, Any]] = {
            "amount": (row.amount, payout.amount),
            "currency": (row.currency, payout.currency),
            "agency": (row.agency_id, payout.agency_id),
        }
        if row.bank_account is not None:
            fields["bank_account.agency"] = (row.bank_account.agency_id, payout.agency_id)
        yield from compare(SUBJECT, row, name, fields)
    live = [row for row in rows if row.state in Transfer.LIVE]
    state = ALLOWED.get(_States(payout.state))
    for row in live:
        if row.state != state:
            name = f"transfer {row.pk} of {name_of(payout)}, {payout.state}"
            yield unexpected(SUBJECT, row, name, row.state)
    if payout.state == _States.PAID and not live:
        yield missing(SUBJECT, Transfer, name_of(payout), payout.amount)
    yield Checked(SUBJECT, len(rows))
