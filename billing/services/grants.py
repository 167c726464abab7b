"""Gives credit outside the plan: adjustments, with a reason and an author."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db import transaction

from agencyportal.core.money import plain
from agencyportal.core.periods import quarter_ceil, quarter_floor
from billing.models import CreditGrant
from billing.refusals import RefusedError, refuse_unfit_key, sent_before
from billing.waterfall import DEFAULT_PRIORITY, GrantKind
from clients.metering import MAX_QUANTITY
from clients.models import UsageUnit, User, Workspace
from clients.services import windows

from . import spend

LONGEST_KEY = 150
LONGEST_REASON = 500
GIVEN_KINDS = (GrantKind.ADJUSTMENT, GrantKind.PROMOTIONAL)


@transaction.atomic
def adjust(
    *,
    workspace: Workspace,
    unit: UsageUnit,
    quantity: Decimal,
    reason: str,
    created_by: User | None,
    now: dt.datetime,
    key: str,
    effective_at: dt.datetime | None = None,
    expires_at: dt.datetime | None = None,
    kind: GrantKind = GrantKind.ADJUSTMENT,
    priority: int | None = None,
) -> CreditGrant:
    """Give ``quantity`` of a unit to a workspace: to put something right (an adjustment, which
    counts as included), or as a promotional top-up, which burns after it and is shown apart.

    Usable from ``effective_at`` (default: now; moved back to the quarter hour) until
    ``expires_at`` (default: never; moved forward). It covers usage of open periods only: what is
    closed stays as it is. ``key`` makes it this one: asked for again, it answers with the grant
    that is there. ``priority``: by default its kind's.

    Raises RefusedError without a reason, for nothing, for more than MAX_QUANTITY, for a unit
    outside the workspace's package, for times in which it could never be used, and for a key that
    gave something else. Locks the workspace's row.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    locked = windows.lock_workspace(workspace.pk)
    effective = quarter_floor(now if effective_at is None else effective_at)
    expires = None if expires_at is None else quarter_ceil(expires_at)
    grant = CreditGrant(
        agency_id=locked.agency_id,
        workspace=locked,
        unit=unit,
        kind=kind.value,
        quantity=quantity,
        priority=DEFAULT_PRIORITY[kind] if priority is None else priority,
        effective_at=effective,
        expires_at=expires,
        reason=reason.strip(),
        key=f"adjustment:{locked.pk}:{key}",
        created_at=now,
        created_by=created_by,
    )
    earlier = CreditGrant.objects.filter(key=grant.key).first()
    if earlier is not None:
        # Its time is not compared: by default it is the moment of asking, and that differs.
        if (earlier.unit_id, earlier.quantity, earlier.kind) != (unit.pk, quantity, kind.value):
            raise sent_before(f"gave {plain(earlier.quantity)}")
        return earlier
    _refuse_unfit(grant, kind, now)
    grant.save(force_insert=True)
    spend.look_everywhere(workspace=locked)  # credit of an earlier time may cover overage
    return grant


def _refuse_unfit(grant: CreditGrant, kind: GrantKind, now: dt.datetime) -> None:
    if kind not in GIVEN_KINDS:
        raise RefusedError(
            f"{kind.value} grants come from plans and purchases; give an adjustment or a "
            "promotional top-up."
        )
    if not grant.reason:
        raise RefusedError(
            "Say why the credit is given; the reason is kept with it.", field="reason"
        )
    if len(grant.reason) > LONGEST_REASON:
        raise RefusedError(f"Say why in at most {LONGEST_REASON} characters.", field="reason")
    if grant.quantity <= 0:
        raise RefusedError(f"Give more than nothing, not {grant.quantity}.", field="quantity")
    if grant.quantity > MAX_QUANTITY:
        # A period's sums of what expires have to fit, or it could never be closed.
        raise RefusedError(f"Give at most {MAX_QUANTITY:,} at once.", field="quantity")
    if not grant.workspace.windows.filter(unit_id=grant.unit_id).exists():
        raise RefusedError(
            f"{grant.unit.plural} are not in the package of {grant.workspace}.", field="unit"
        )
    expires = grant.expires_at
    if expires is not None and (expires <= grant.effective_at or expires <= now):
        raise RefusedError(
            f"It would have expired before it can be used: {expires:%Y-%m-%d %H:%M} UTC.",
            field="expires_at",
        )
