"""What a workspace used and has left, as the API, the portal and the admin show it. Reads only."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agencyportal.core.periods import local_date
from billing.asking import Asked
from billing.models import BillingPeriod
from clients.models import CapLevel, UsageUnit, UsageWindow, Workspace
from clients.selectors import by_label_and_model, daily

from .balances import Balance, balances
from .caps import CapUse, caps_over

ZERO = Decimal(0)
ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class UnitBalance:
    """One unit of a workspace in the period in progress; quantities in units.

    ``included``: what the package gives for the period, rolled-over units with it.
    ``granted``: that and every other credit usable in the period: top-ups, adjustments.
    ``promotional``: the part of it that was given as a promotion.
    ``used``: counted so far; ``overage`` is the part of it that no credit covered.
    ``remaining``: what usage could burn now; ``reserved`` is the part of it that is held.
    ``cap``: what usage can come to before it is refused, by the policy or a cap on the
    workspace's units; None where nothing refuses it. ``cap_left``: what of that, and of what the
    client's cap allows, is neither used nor held.
    ``policy``: what happens past the last credit (`PlanAllowance.Policy`).
    """

    unit: UsageUnit
    period: BillingPeriod
    included: Decimal
    granted: Decimal
    promotional: Decimal
    used: Decimal
    reserved: Decimal
    remaining: Decimal
    overage: Decimal
    cap: Decimal | None
    cap_left: Decimal | None
    resets_at: dt.datetime
    policy: str
    asking: str = ""
    """Under `ask`, how that stands: `not_asked`, `open`, `approved`, `refused`, `timed_out`."""
    up_to: Decimal | None = None
    """Under `ask`, units of overage that are let in until it is answered."""
    asked: Asked | None = None


def unit_balances(*, workspace: Workspace, now: dt.datetime) -> list[UnitBalance]:
    """Every unit of the package that a workspace is on at ``now``, in the package's order.

    Empty outside a period. The number of queries depends on neither units nor usage.
    """
    found = balances(workspace=workspace, now=now)
    if not found:
        return []
    held = UsageWindow.objects.filter(workspace=workspace, start__lte=now, end__gt=now)
    reserved = dict(held.values_list("unit_id", "reserved"))
    caps = [
        cap
        for cap in caps_over(workspace=workspace, now=now)
        if cap.unit is not None and cap.level != CapLevel.AGENCY
    ]
    return [_unit_balance(balance, reserved, caps, now) for balance in found]


def _unit_balance(
    balance: Balance, reserved: dict[int, Decimal], caps: Sequence[CapUse], now: dt.datetime
) -> UnitBalance:
    mine = [cap for cap in caps if cap.unit == balance.unit]
    limits = [cap.limit for cap in mine if cap.level == CapLevel.WORKSPACE]
    rests = [cap.left for cap in mine]
    if balance.is_limited:
        limit = balance.capacity(now).limit
        limits.append(limit)
        taken = balance.used + reserved.get(balance.unit.pk, ZERO)
        rests.append(max(ZERO, limit - taken))
    return UnitBalance(
        unit=balance.unit,
        period=balance.period,
        included=balance.included,
        granted=balance.granted,
        promotional=balance.promotional,
        used=balance.used,
        reserved=reserved.get(balance.unit.pk, ZERO),
        remaining=balance.remaining,
        overage=balance.overage,
        cap=min(limits, default=None),
        cap_left=min(rests, default=None),
        resets_at=balance.resets_at,
        policy=balance.policy,
        asking=balance.asking(now),
        up_to=balance.up_to,
        asked=balance.asked,
    )


# --- Charts and explanations -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DayQuantity:
    """Counted usage of one local day of the client."""

    day: dt.date
    quantity: Decimal
    events: int = 0
    errors: int = 0


def days_of_period(
    *, period: BillingPeriod, now: dt.datetime | None = None
) -> dict[int, list[DayQuantity]]:
    """By unit, every local day of a period in order, days without usage included.

    ``now``: up to that day only. Units without any usage are left out. One query.
    """
    first, last = _local_days(period)
    if now is not None:
        last = min(last, max(first, local_date(now, period.timezone)))
    known: dict[int, dict[dt.date, DayQuantity]] = defaultdict(dict)
    for row in daily(workspace_id=period.workspace_id, first=first, last=last):
        known[row.unit_id][row.day] = DayQuantity(row.day, row.quantity, row.events, row.errors)
    days = [first + ONE_DAY * offset for offset in range((last - first).days + 1)]
    return {
        unit_id: [by_day.get(day, DayQuantity(day, ZERO)) for day in days]
        for unit_id, by_day in known.items()
    }


@dataclass(frozen=True, slots=True)
class LabelQuantity:
    """What one label (workflow or step) used of a unit; ``share`` is its fraction of the whole."""

    label: str
    quantity: Decimal
    events: int
    cost: Decimal
    share: Decimal


def labels_of_period(*, period: BillingPeriod) -> dict[int, list[LabelQuantity]]:
    """By unit, what consumed it, the largest first; an empty label: nobody said. One query."""
    first, last = _local_days(period)
    sums: dict[int, dict[str, list[Decimal]]] = defaultdict(dict)
    for row in by_label_and_model(workspace_id=period.workspace_id, first=first, last=last):
        total = sums[row.unit_id].setdefault(row.label, [ZERO, ZERO, ZERO])
        total[0] += row.quantity
        total[1] += row.events
        total[2] += row.cost
    return {unit_id: list(_shares(by_label)) for unit_id, by_label in sums.items()}


def _shares(by_label: dict[str, list[Decimal]]) -> Iterator[LabelQuantity]:
    whole = sum((total[0] for total in by_label.values()), ZERO)
    ordered = sorted(by_label.items(), key=lambda item: (-item[1][0], -item[1][1], item[0]))
    for label, (quantity, events, cost) in ordered:
        share = quantity / whole if whole else ZERO
        yield LabelQuantity(label, quantity, int(events), cost, share)


def _local_days(period: BillingPeriod) -> tuple[dt.date, dt.date]:
    """The first and the last local day that a period touches."""
    before_end = period.end - dt.timedelta(microseconds=1)
    return (
        local_date(period.start, period.timezone),
        local_date(before_end, period.timezone),
    )
