"""Sets caps: by the agency for everything of its own, by a client for itself (ENGINE 8)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from django.db import transaction

from agencyportal.core.money import is_currency, plain
from agencyportal.core.powers import Power, powers_of
from billing.caps import in_force
from billing.models import BillingPeriod, Cap
from billing.refusals import RefusedError
from billing.selectors.cap_balances import Balance
from billing.selectors.caps import cap_row, limits_over
from clients.caps import month_of
from clients.models import (
    Agency,
    CapBalance,
    CapKind,
    Client,
    ClientMember,
    UsageUnit,
    User,
    Workspace,
)

from . import spend
from .cap_balances import make_balances

CLIENTS_KINDS: Final = (CapKind.UNITS, CapKind.SPEND)
"""What a client may limit by itself. What its calls cost is between the agency and the platform."""


def set_cap(
    *,
    agency: Agency,
    kind: str,
    limit: Decimal | None,
    now: dt.datetime,
    set_by: User | None,
    client: Client | None = None,
    workspace: Workspace | None = None,
    unit: UsageUnit | None = None,
    currency: str = "",
    effective_from: dt.datetime | None = None,
    for_client: bool = False,
) -> Cap:
    """Limit what a workspace, a client or an agency may come to in a period, from a date on.

    Without ``client`` and ``workspace`` it is the agency's, over all of its clients. ``limit`` is
    in units of ``unit``, or in the client's currency (of an agency's own: in ``currency``, over
    the clients that are invoiced in it); None lifts the cap. ``effective_from``: by default now.
    Whoever has a part in the agency sets the agency's caps, a client's admin the client's own;
    both hold. ``for_client``: the client's own, also by somebody who could set the agency's. The
    limit that holds already is not written again.

    Raises RefusedError, by field, for a scope that contradicts itself, for somebody who may not,
    and for a client's cap above the agency's. Commits on its own.
    """
    client = client or (workspace.client if workspace is not None else None)
    cap = Cap(
        agency=agency,
        client=client,
        workspace=workspace,
        kind=kind,
        unit=unit,
        currency="" if kind == CapKind.UNITS else (client.currency if client else currency),
        effective_from=effective_from or now,
        created_by=set_by,
        created_at=now,
    )
    if kind == CapKind.UNITS:
        cap.quantity = limit
    else:
        cap.amount = limit
    _refuse_unfit(cap, limit, now)
    cap.set_by = _setter(cap, set_by, for_client=for_client)
    _refuse_above_the_agencys(cap, limit, now)
    make_missing(_balances_of(cap, now))
    return _write(cap, limit)


@transaction.atomic
def _write(cap: Cap, limit: Decimal | None) -> Cap:
    same = Cap.objects.filter(
        agency=cap.agency_id,
        client=cap.client_id,
        workspace=cap.workspace_id,
        kind=cap.kind,
        unit=cap.unit_id,
        currency=cap.currency,
        set_by=cap.set_by,
    )
    latest = same.order_by("-effective_from", "-pk").first()
    is_there = latest is not None and latest.effective_from <= cap.effective_from
    if latest is not None and is_there and cap_row(latest).limit == limit:
        return latest
    cap.save(force_insert=True)
    return cap


def make_missing(balances: Iterable[Balance]) -> None:
    """Make balances of caps with what there was until now; those that are there already stay.

    Holds every workspace that counts in one alone while it is added up. Call it outside a
    transaction that holds one.
    """
    for balance in balances:
        if balance.kind == CapKind.SPEND:
            spend.prepare(balance)
        make_balances([balance])


def make_ready(*, workspace: Workspace, now: dt.datetime) -> None:
    """Make what is missing of the balances of the caps in force over a workspace. Call it before
    anything is locked; the number of queries is two where nothing is missing."""
    limits = limits_over(workspace, now=now)
    if not limits:
        return
    running = workspace.periods.open().filter(start__lte=now, end__gt=now)
    wanted = [
        Balance.of(workspace, scope, month_of(start))
        for start in running.values_list("start", flat=True)
        for scope in limits
    ]
    there = CapBalance.objects.filter(key__in=[balance.key for balance in wanted])
    known = set(there.values_list("key", flat=True))
    make_missing(balance for balance in wanted if balance.key not in known)


def _balances_of(cap: Cap, now: dt.datetime) -> list[Balance]:
    """The balances of the months that running periods within a cap's scope count in."""
    running = BillingPeriod.objects.open().filter(agency=cap.agency_id, start__lte=now)
    if cap.client_id is not None:
        running = running.filter(client=cap.client_id)
    if cap.workspace_id is not None:
        running = running.filter(workspace=cap.workspace_id)
    starts = running.filter(end__gt=now).values_list("start", flat=True).distinct()
    months = {month_of(start) for start in starts} or {month_of(now)}
    return [
        Balance(
            agency_id=cap.agency_id,
            client_id=cap.client_id,
            workspace_id=cap.workspace_id,
            kind=CapKind(cap.kind),
            unit_id=cap.unit_id,
            currency=cap.currency,
            month=month,
        )
        for month in sorted(months)
    ]


# --- Refusing ----------------------------------------------------------------------------------


def _refuse_unfit(cap: Cap, limit: Decimal | None, now: dt.datetime) -> None:
    if cap.kind not in CapKind.values:
        raise RefusedError("A cap is on units, routed cost, or overage and top-ups.", field="kind")
    for name, part in (("client", cap.client), ("workspace", cap.workspace), ("unit", cap.unit)):
        if part is not None and part.agency_id != cap.agency_id:
            raise RefusedError(f"{part} is not of {cap.agency}.", field=name)
    if cap.workspace is not None and cap.workspace.client_id != cap.client_id:
        raise RefusedError(f"{cap.workspace} belongs to {cap.workspace.client}.", field="workspace")
    if cap.kind == CapKind.UNITS and cap.unit is None:
        raise RefusedError("Say which unit is limited.", field="unit")
    if cap.kind != CapKind.UNITS and cap.unit is not None:
        raise RefusedError("A cap on money is over all units together.", field="unit")
    if cap.kind != CapKind.UNITS and not is_currency(cap.currency):
        raise RefusedError("Say in which currency; it counts its clients.", field="currency")
    if limit is not None and limit < 0:
        raise RefusedError("A cap is nothing or more.", field="limit")
    if cap.effective_from < now:
        raise RefusedError(
            "A cap holds from now or a time to come: what was let in stays.",
            field="effective_from",
        )


def _setter(cap: Cap, user: User | None, *, for_client: bool) -> Cap.SetBy:
    """On whose behalf; None is the portal itself, for the agency."""
    acts = user is None or powers_of(user).may(Power.ACT, cap.agency_id)
    if acts and not for_client:
        return Cap.SetBy.AGENCY
    is_admin = (
        cap.client_id is not None
        and user is not None
        and user.is_active
        and user.client_memberships.filter(
            client=cap.client_id, role=ClientMember.Role.ADMIN
        ).exists()
    )
    if is_admin and cap.kind in CLIENTS_KINDS:
        return Cap.SetBy.CLIENT
    raise RefusedError(f"{user} may not set this cap.")


def _refuse_above_the_agencys(cap: Cap, limit: Decimal | None, now: dt.datetime) -> None:
    if cap.set_by != Cap.SetBy.CLIENT or limit is None:
        return
    agencys = Cap.objects.filter(
        agency=cap.agency_id,
        client=cap.client_id,
        workspace=cap.workspace_id,
        kind=cap.kind,
        unit=cap.unit_id,
        set_by=Cap.SetBy.AGENCY,
    )
    for above in in_force(map(cap_row, agencys), max(now, cap.effective_from)).values():
        if limit > above.limit:
            raise RefusedError(
                f"{cap.agency} limits it to {plain(above.limit)}; yours can be up to that.",
                field="limit",
            )
