"""Dunning of one invoice by hand: paused with a reason, gone on with, begun for an older one."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from agencyportal.core.locks import lock_row
from billing.models import Dunning, DunningEntry, Invoice
from billing.refusals import RefusedError
from clients.models import User

from .client_balance import refuse_unfit_reason
from .dunning import UNPAID, begin_dunning, zone_of_platform
from .suspensions import lift


@transaction.atomic
def pause_dunning(
    *, invoice: Invoice, reason: str, paused_by: User | None, now: dt.datetime
) -> Dunning:
    """Do nothing more about what is due of an invoice until `resume_dunning`; a suspension for it
    ends. Paused already, it stays so. Raises RefusedError for no reason, and for an invoice that
    is not dunned. Locks the invoice."""
    refuse_unfit_reason(reason)
    row = _locked(invoice)
    if row.paused_at is None:
        row.paused_at = now
        row.save(update_fields=["paused_at"])
        _enter(row, DunningEntry.Kind.PAUSED, now, said=reason.strip(), by=paused_by)
        lift(row.invoice, now=now, said="Dunning is paused.")
    return row


@transaction.atomic
def resume_dunning(*, invoice: Invoice, resumed_by: User | None, now: dt.datetime) -> Dunning:
    """Go on with it: what was missed by more than a week is passed over. Locks the invoice."""
    row = _locked(invoice)
    if row.paused_at is not None:
        row.paused_at, row.next_at = None, now
        row.save(update_fields=["paused_at", "next_at"])
        _enter(row, DunningEntry.Kind.RESUMED, now, by=resumed_by)
    return row


@transaction.atomic
def start_dunning(*, invoice: Invoice, now: dt.datetime) -> Dunning:
    """Have an invoice dunned that was issued before there was dunning; it begins where its due
    date says. Raises RefusedError where nothing is due. Locks the invoice."""
    locked = lock_row(Invoice.objects.select_related("client").filter(pk=invoice.pk))
    if locked.state not in UNPAID or locked.due_date is None:
        raise RefusedError(f"Nothing of {locked} is due.")
    begin_dunning([locked], zone=zone_of_platform(), now=now)
    return Dunning.objects.get(invoice=locked)


def _locked(invoice: Invoice) -> Dunning:
    locked = lock_row(Invoice.objects.select_related("client").filter(pk=invoice.pk))
    row = Dunning.objects.filter(invoice=locked).first()
    if row is None:
        raise RefusedError(f"{locked} is not dunned.")
    row.invoice = locked
    return row


def _enter(
    row: Dunning,
    kind: DunningEntry.Kind,
    now: dt.datetime,
    *,
    by: User | None,
    said: str = "",
) -> None:
    DunningEntry(invoice=row.invoice, kind=kind, done_at=now, said=said, by=by).save(
        force_insert=True
    )
