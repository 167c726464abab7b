"""Settles late usage, and corrections of closed periods, in the open period (ENGINE 7); and what
usage of closed periods cost after all, once it has a price.

A sweep that finds its work in the database: late events, corrections and costs found later of
which no `LateEntry` says yet what became of them. All that waits of a workspace is one transaction
with the workspace held alone, so it may be run twice, at once, or be killed. Closing a period
settles first what came while it was open. The charges are written when the open period closes, one
for each closed period and unit, so that what trickles in makes one line.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from agencyportal.core.money import plain
from agencyportal.core.periods import local_date
from billing.charge_words import LATE_USAGE
from billing.late_usage import Credit
from billing.models import BillingPeriod, Charge, LateEntry, LateSettlement, LineKind
from billing.selectors.balances import unused_credit
from billing.selectors.late_usage import (
    Entry,
    pending_corrections,
    pending_events,
    pending_pricings,
    pending_workspaces,
)
from clients.models import UsageUnit, Workspace
from clients.services import windows

from .discounts import discount_lines
from .late_books import ClosedBooks
from .late_settlements import settle_unit
from .plans import Terms, terms_by_version, terms_of

_logger = logging.getLogger(__name__)

AT_ONCE: Final = 5_000
"""Late events that one settlement is about, at most."""

ZERO: Final = Decimal(0)


def settle_late_usage(*, now: dt.datetime, limit: int | None = None) -> tuple[int, list[str]]:
    """Settle what waits of every workspace, or of ``limit`` of them, each in its own transaction.

    Returns how many settlements were written and, in words, what failed: that is logged, and
    holds up nobody else.
    """
    settled = 0
    failed: list[str] = []
    waiting = {*pending_workspaces(), *_withdrawn().values_list("workspace", flat=True)}
    for workspace_id in sorted(waiting)[:limit]:
        try:
            settled += len(settle_workspace(workspace_id=workspace_id, now=now))
        except Exception as error:
            _logger.exception("late usage of workspace %s was not settled", workspace_id)
            slug = Workspace.objects.values_list("slug", flat=True).get(pk=workspace_id)
            failed.append(f"Late usage of {slug}: {error}")
    return settled, failed


@transaction.atomic
def settle_workspace(*, workspace_id: int, now: dt.datetime) -> list[LateSettlement]:
    """Settle what waits of one workspace; again, there is nothing left. Holds it alone."""
    workspace = windows.lock_workspace(workspace_id)
    settled = settle_pending([workspace], now=now)
    _charge(_withdrawn().filter(workspace=workspace).select_related("period", "unit"), None, now)
    return settled


def _withdrawn() -> QuerySet[LateSettlement]:
    """Settled in a period that was withdrawn since: it closes no more, so nobody charges them."""
    withdrawn = BillingPeriod.State.WITHDRAWN
    return LateSettlement.objects.filter(charge=None, settled_in__state=withdrawn)


def settle_pending(workspaces: Sequence[Workspace], *, now: dt.datetime) -> list[LateSettlement]:
    """`settle_workspace` of several, inside the transaction of a caller who holds them alone.
    Two queries, and more for each where something waits."""
    waits = set(pending_workspaces(among=[workspace.pk for workspace in workspaces]))
    settled: list[LateSettlement] = []
    for workspace in workspaces:
        if workspace.pk in waits:
            while entries := _waiting(workspace):
                settled += _settle(workspace, entries, now)
    without_period = [row for row in settled if row.settled_in is None]
    _charge(without_period, None, now)
    return settled


def _waiting(workspace: Workspace) -> list[Entry]:
    """Late events in the order of their ids; corrections and costs found later once no event waits
    beside them."""
    events = pending_events().filter(workspace=workspace).select_related("meter")
    entries = [Entry(event) for event in events.order_by("pk")[:AT_ONCE]]
    if len(entries) < AT_ONCE:
        corrections = pending_corrections().filter(workspace=workspace)
        entries += [
            Entry(correction.event, correction)
            for correction in corrections.select_related("event__meter").order_by("pk")
        ]
        pricings = pending_pricings().filter(workspace=workspace)
        entries += [
            Entry(pricing.event, pricing=pricing)
            for pricing in pricings.select_related("event__meter").order_by("pk")[:AT_ONCE]
        ]
    return entries


def _settle(workspace: Workspace, entries: list[Entry], now: dt.datetime) -> list[LateSettlement]:
    closed = list(
        workspace.periods.filter(state=BillingPeriod.State.CLOSED)
        .select_related("plan_version__plan")
        .order_by("start")
    )
    by_unit: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    nowhere: list[Entry] = []
    for entry in entries:
        index = _period_of(closed, entry.event.occurred_at)
        if index is None:
            nowhere.append(entry)
        else:
            by_unit[index, entry.event.unit_id].append(entry)
    LateEntry.objects.bulk_create(
        LateEntry(
            workspace=workspace,
            event=entry.event,
            correction=entry.correction,
            pricing=entry.pricing,
            created_at=now,
        )
        for entry in nowhere
    )
    return list(_settle_units(workspace, closed, by_unit, now))


def _period_of(closed: list[BillingPeriod], instant: dt.datetime) -> int | None:
    return next((i for i, p in enumerate(closed) if p.start <= instant < p.end), None)


def _settle_units(
    workspace: Workspace,
    closed: list[BillingPeriod],
    by_unit: dict[tuple[int, int], list[Entry]],
    now: dt.datetime,
) -> Iterator[LateSettlement]:
    open_periods = workspace.periods.open().filter(start__lte=now)
    settled_in = open_periods.order_by("start").first()
    credit = _credit(workspace, now) if settled_in is not None else {}
    units = UsageUnit.objects.in_bulk({unit_id for _index, unit_id in by_unit})
    known: dict[int, Terms] = {}
    for (index, unit_id), entries in sorted(by_unit.items(), key=lambda item: item[0]):
        version = closed[index].plan_version
        terms = known.get(version.pk) or known.setdefault(version.pk, terms_of(version))
        yield settle_unit(
            books=ClosedBooks.read(closed[index], units[unit_id]),
            terms=terms.of(closed[index]),
            entries=entries,
            credit=credit.get(unit_id, {}),
            settled_in=settled_in,
            now=now,
        )


def _credit(workspace: Workspace, now: dt.datetime) -> dict[int, dict[int, Credit]]:
    """By unit and grant, what usage of the open periods has left, what is held counted as used."""
    credit: dict[int, dict[int, Credit]] = defaultdict(dict)
    for unused in unused_credit(workspace=workspace, now=now):
        credit[unused.unit_id][int(unused.grant.id)] = Credit(unused.grant, unused.unused)
    return credit


# --- Charges -----------------------------------------------------------------------------------


def charge_late_usage(periods: Sequence[BillingPeriod], *, now: dt.datetime) -> None:
    """Ask for what settled late while periods were open, as they close: a charge for each of
    them, closed period and unit. Call it with the workspaces held alone. One query where there
    is nothing."""
    rows = LateSettlement.objects.filter(settled_in__in=periods, charge=None)
    settled = list(rows.select_related("period", "unit"))
    for period in periods:
        _charge([row for row in settled if row.settled_in_id == period.pk], period, now)


def _charge(
    settled: Iterable[LateSettlement], settled_in: BillingPeriod | None, now: dt.datetime
) -> None:
    """What comes to nothing has no charge. Discounts of the closed periods follow their charges,
    so that what is given back is what was paid."""
    charged: dict[int, BillingPeriod] = {}
    ordered = sorted(settled, key=lambda row: (row.period.start, row.unit_id, row.number))
    for _of, group in groupby(ordered, key=lambda row: (row.period_id, row.unit_id)):
        rows = list(group)
        charge = late_charge(rows, settled_in, now)
        if charge.amount:
            charge.save(force_insert=True)
            ids = [row.pk for row in rows]
            LateSettlement.objects.filter(pk__in=ids).update(charge=charge)
            charged[charge.period_id] = rows[0].period
    if charged:
        terms = terms_by_version({row.plan_version for row in charged.values()})
        periods = list(charged.values())
        Charge.objects.bulk_create(discount_lines(periods, terms, now=now, overage=True))


def late_charge(
    rows: list[LateSettlement], settled_in: BillingPeriod | None, now: dt.datetime
) -> Charge:
    """The charge, not saved yet, of settlements of one unit of one closed period.

    It is due with the open period that they settled in. Where the client has left, it belongs on
    the closed period's invoice; that one being issued, drafting puts it on the next.
    """
    period, unit = rows[0].period, rows[0].unit
    last = local_date(period.end - dt.timedelta(microseconds=1), period.timezone)
    first = local_date(period.start, period.timezone)
    return Charge(
        agency_id=period.agency_id,
        client_id=period.client_id,
        workspace_id=period.workspace_id,
        period=period,
        unit=unit,
        kind=LineKind.LATE_USAGE,
        description=LATE_USAGE % {"units": unit.plural, "first": first, "last": last},
        quantity=sum((row.overage for row in rows), ZERO),
        amount=sum((row.amount for row in rows), ZERO),
        currency=period.currency,
        details={
            "period": [period.start.isoformat(), period.end.isoformat()],
            "settlements": [row.pk for row in rows],
            **{
                name: plain(sum((getattr(row, name) for row in rows), ZERO))
                for name in (
                    "quantity",
                    "from_period",
                    "from_grants",
                    "overage",
                    "overage_amount",
                    "minimum_amount",
                )
            },
        },
        bill_at=period.end if settled_in is None else settled_in.end,
        key=late_charge_key(rows[0], settled_in),
        created_at=now,
    )


def late_charge_key(settlement: LateSettlement, settled_in: BillingPeriod | None) -> str:
    """One for each open period, closed period and unit; where the client has left, for each
    settlement that begins it."""
    if settled_in is None:
        return f"late:{settlement.period_id}:{settlement.unit_id}:{settlement.number}"
    return f"late:{settled_in.pk}:{settlement.period_id}:{settlement.unit_id}"
