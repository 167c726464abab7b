"""Gives up on what is due of an invoice. The invoice stays; a late payment undoes it."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from agencyportal.core.locks import lock_row
from billing.models import Invoice, WriteOff
from billing.refusals import RefusedError, refuse_unfit_key
from clients.models import User

from .client_balance import refuse_unfit_reason

LONGEST_KEY = 150


@transaction.atomic
def write_off(
    *,
    invoice: Invoice,
    reason: str,
    written_off_by: User | None,
    now: dt.datetime,
    key: str,
) -> WriteOff:
    """Mark an issued invoice as uncollectible: what is due is not asked for any more.

    Nothing is credited, and no tax comes back: that takes a credit note. ``key`` makes it this
    one. Raises RefusedError for no reason, and for an invoice of which nothing is to be collected.
    Locks the invoice.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    refuse_unfit_reason(reason)
    locked = lock_row(Invoice.objects.filter(pk=invoice.pk))
    key = f"write-off:{locked.pk}:{key}"
    if earlier := WriteOff.objects.filter(key=key).first():
        return earlier
    if locked.state not in (Invoice.State.ISSUED, Invoice.State.PARTIALLY_PAID):
        raise RefusedError(
            f"{locked} is {locked.get_state_display().lower()}: nothing of it is to be collected."
        )
    row = WriteOff(
        invoice=locked,
        amount=locked.amount_due,
        currency=locked.currency,
        reason=reason.strip(),
        written_off_at=now,
        written_off_by=written_off_by,
        key=key,
    )
    row.save(force_insert=True)
    locked.state = Invoice.State.UNCOLLECTIBLE
    locked.save(update_fields=["state"])
    return row
