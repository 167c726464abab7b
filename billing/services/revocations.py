"""Takes back credit that nobody has used."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db import transaction

from agencyportal.core.money import plain
from billing.models import CreditGrant, GrantRevocation
from billing.refusals import RefusedError, refuse_unfit_key, sent_before
from billing.selectors.balances import left_of
from clients.models import User
from clients.services import windows

from .grants import LONGEST_KEY, LONGEST_REASON


@transaction.atomic
def revoke(
    *,
    grant: CreditGrant,
    reason: str,
    revoked_by: User | None,
    now: dt.datetime,
    key: str,
    quantity: Decimal | None = None,
) -> GrantRevocation:
    """Take back ``quantity`` of a grant (default: all that is unused) as of ``now``.

    Only what nobody has used and no open reservation holds can be taken. From then on it is usable
    by nothing, usage that is reported late included. Nothing is paid back. ``key`` makes it this
    one: asked for again, it answers with the revocation that is there.

    Raises RefusedError without a reason, for more than is unused, for a grant of which nothing is,
    and for a key that took something else. Locks the workspace's row.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    locked = windows.lock_workspace(grant.workspace_id)
    earlier = GrantRevocation.objects.filter(key=f"revocation:{grant.pk}:{key}").first()
    if earlier is not None:
        if quantity is not None and earlier.quantity != quantity:
            raise sent_before(f"took back {plain(earlier.quantity)}")
        return earlier
    unused = left_of(grant, now=now)
    _refuse_unfit(quantity, reason.strip(), unused)
    revocation = GrantRevocation(
        agency_id=locked.agency_id,
        workspace=locked,
        grant=grant,
        quantity=unused if quantity is None else quantity,
        revoked_at=now,
        reason=reason.strip(),
        key=f"revocation:{grant.pk}:{key}",
        revoked_by=revoked_by,
    )
    revocation.save(force_insert=True)
    return revocation


def _refuse_unfit(quantity: Decimal | None, reason: str, unused: Decimal) -> None:
    if not reason:
        raise RefusedError("Say why it is taken back; the reason is kept with it.", field="reason")
    if len(reason) > LONGEST_REASON:
        raise RefusedError(f"Say why in at most {LONGEST_REASON} characters.", field="reason")
    if unused <= 0:
        raise RefusedError("Nothing of it can be taken back: it is used, held, or has expired.")
    if quantity is None:
        return
    if quantity <= 0:
        raise RefusedError(f"Take back more than nothing, not {plain(quantity)}.", field="quantity")
    if quantity > unused:
        raise RefusedError(
            f"Only {plain(unused)} of it are unused; {plain(quantity)} cannot be taken back.",
            field="quantity",
        )
