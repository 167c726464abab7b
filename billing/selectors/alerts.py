"""What alert rules compare their levels with: readings of a workspace, by kind. Reads only."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final

from django.db.models import F, Q, Sum

from agencyportal.core.money import plain
from agencyportal.core.periods import days_touched
from billing import margin
from billing.models import BillingPeriod, Charge, LineKind, MarginRule, PeriodUsage
from billing.pace import days_early, forecast
from billing.proration import Share, prorated_amount
from billing.services.overage import MarginRules, price_overage
from billing.services.plans import terms_of
from billing.spikes import REACH, spike
from billing.thresholds import LIMITS, Kind, Reading
from clients.models import UsageQuarter, UsageUnit, UsageWindow, Workspace
from clients.selectors import counted_quarters_by_unit

from .balances import Balance, balances
from .periods import asking_for, fees_time_of

ZERO: Final = Decimal(0)
MOST_PERIODS: Final = int(LIMITS[Kind.OVERAGE].highest)


@dataclass(frozen=True, slots=True)
class Noticed:
    """A reading of one unit, or of a workspace as a whole (``unit`` None), in a period.

    ``balance``: how the unit stands now, where the reading is about that.
    """

    reading: Reading
    period: BillingPeriod
    unit: UsageUnit | None
    balance: Balance | None = None


def readings(
    *, workspace: Workspace, kinds: Collection[Kind], now: dt.datetime
) -> Iterator[Noticed]:
    """Everything that rules of these kinds could be about at ``now``: of the period in progress,
    and of the last closed one. Nothing outside a period. Each kind costs its own queries only."""
    books = _Books(workspace, now)
    if not books.balances:
        return
    readers: dict[Kind, Callable[[], Iterator[Noticed]]] = {
        Kind.PERCENT: books.percents,
        Kind.UNITS: books.units,
        Kind.FORECAST: books.forecasts,
        Kind.SPIKE: books.spikes,
        Kind.MONEY: books.money,
        Kind.OVERAGE: books.overage,
        Kind.MARGIN: books.margins,
    }
    for kind, read in readers.items():
        if kind in kinds:
            yield from read()


def overage_in_a_row(*, period: BillingPeriod) -> dict[int, int]:
    """By unit, how many closed periods of the workspace in a row, ``period`` the last of them,
    had usage beyond the package; units without any are left out. Counted up to `MOST_PERIODS`."""
    before = BillingPeriod.objects.filter(
        workspace_id=period.workspace_id,
        start__lte=period.start,
        state=BillingPeriod.State.CLOSED,
        is_trial=False,
    ).order_by("-start")
    ids = list(before.values_list("pk", flat=True)[:MOST_PERIODS])
    over: dict[int, set[int]] = defaultdict(set)
    rows = PeriodUsage.objects.filter(period_id__in=ids, overage__gt=ZERO)
    for unit_id, period_id in rows.values_list("unit_id", "period_id"):
        over[unit_id].add(period_id)
    runs = {
        unit_id: next((n for n, pk in enumerate(ids) if pk not in periods), len(ids))
        for unit_id, periods in over.items()
    }
    return {unit_id: run for unit_id, run in runs.items() if run}


class _Books:
    """What one workspace's readings are taken from; each part is read once, when it is needed."""

    def __init__(self, workspace: Workspace, now: dt.datetime) -> None:
        self.workspace, self.now = workspace, now

    # -- what is read ---------------------------------------------------------------------------

    @cached_property
    def balances(self) -> list[Balance]:
        return balances(workspace=self.workspace, now=self.now)

    @property
    def period(self) -> BillingPeriod:
        return self.balances[0].period

    @cached_property
    def last_closed(self) -> BillingPeriod | None:
        closed = self.workspace.periods.filter(state=BillingPeriod.State.CLOSED)
        return closed.order_by("-start").first()

    @cached_property
    def costs(self) -> dict[int, Decimal]:
        """What the running period's usage cost so far, whoever pays it, by unit."""
        rows = UsageQuarter.objects.filter(
            workspace=self.workspace, start__gte=self.period.start, start__lt=self.period.end
        )
        sums = rows.values_list("unit_id").annotate(cost=Sum(F("platform_cost") + F("agency_cost")))
        return dict(sums.order_by())

    @cached_property
    def overage_prices(self) -> dict[int, Decimal]:
        """What the running period's overage would be charged at now, by unit."""
        terms = terms_of(self.period.plan_version).of(self.period)
        allowances = {allowance.unit: allowance for allowance in terms.plan.allowances}
        rules = MarginRules([self.period])
        found = {}
        for balance in self.balances:
            allowance = allowances.get(balance.unit.slug)
            if allowance is None:
                continue
            cost = self.costs.get(balance.unit.pk, ZERO)
            price = price_overage(
                self.period,
                balance.unit.pk,
                allowance.overage,
                balance.result,
                cost,
                rules,
                balance.billed,
            )
            found[balance.unit.pk] = price.amount if price else ZERO
        return found

    @cached_property
    def units_by_id(self) -> dict[int, UsageUnit]:
        return {balance.unit.pk: balance.unit for balance in self.balances}

    # -- usage ----------------------------------------------------------------------------------

    def percents(self) -> Iterator[Noticed]:
        for row in self.balances:
            yield self._of(row, Reading(Kind.PERCENT, row.used, row.granted))

    def units(self) -> Iterator[Noticed]:
        for row in self.balances:
            yield self._of(row, Reading(Kind.UNITS, row.used))

    def forecasts(self) -> Iterator[Noticed]:
        """What has run out already is for percents to say."""
        windows = UsageWindow.objects.filter(
            workspace=self.workspace, start__lte=self.now, end__gt=self.now
        )
        reserved = dict(windows.values_list("unit_id", "reserved"))
        for row in self.balances:
            left = row.remaining - reserved.get(row.unit.pk, ZERO)
            coming = forecast(
                used=row.used,
                left=left,
                start=row.period.start,
                end=row.period.end,
                now=self.now,
            )
            if coming.runs_out_at is None or left <= 0:
                continue
            early = days_early(coming.runs_out_at, row.period.end)
            details = {"runs_out_at": coming.runs_out_at.isoformat()}
            yield self._of(row, Reading(Kind.FORECAST, early, details=details))

    def spikes(self) -> Iterator[Noticed]:
        first = self.workspace.periods.order_by("start").values_list("start", flat=True)[0]
        quarters = counted_quarters_by_unit(
            workspace_id=self.workspace.pk, start=self.now - REACH, end=self.now + dt.timedelta(1)
        )
        for row in self.balances:
            found = spike(
                [(q.start, q.quantity) for q in quarters.get(row.unit.pk, ())],
                since=first,
                now=self.now,
            )
            if found is not None:
                details = {"weeks": str(found.weeks)}
                yield self._of(row, Reading(Kind.SPIKE, found.last, found.usual, details))

    def _of(self, row: Balance, reading: Reading) -> Noticed:
        return Noticed(reading, row.period, row.unit, row)

    # -- money ----------------------------------------------------------------------------------

    def money(self) -> Iterator[Noticed]:
        """Of the workspace as a whole, and of each unit for rules that name one."""
        bought = _charged(self.period, only=LineKind.TOP_UP)
        for row in self.balances:
            overage = self.overage_prices.get(row.unit.pk, ZERO)
            reading = self._spent(overage, bought.get(row.unit.pk, ZERO))
            yield self._of(row, reading)
        overage = sum(self.overage_prices.values(), ZERO)
        yield Noticed(self._spent(overage, sum(bought.values(), ZERO)), self.period, None)

    def _spent(self, overage: Decimal, top_ups: Decimal) -> Reading:
        details = {
            "currency": self.period.currency,
            "overage": plain(overage),
            "top_ups": plain(top_ups),
        }
        return Reading(Kind.MONEY, overage + top_ups, details=details)

    # -- what has closed ------------------------------------------------------------------------

    def overage(self) -> Iterator[Noticed]:
        """Of units that are still in the package."""
        if self.last_closed is None:
            return
        for unit_id, run in overage_in_a_row(period=self.last_closed).items():
            if unit_id in self.units_by_id:
                reading = Reading(Kind.OVERAGE, Decimal(run))
                yield Noticed(reading, self.last_closed, self.units_by_id[unit_id])

    # -- margin ---------------------------------------------------------------------------------

    def margins(self) -> Iterator[Noticed]:
        """Margin = price - cost, of the running period so far and of the last closed one. A trial
        costs something and brings nothing by intention: it has no margin."""
        if self.last_closed is not None and not self.last_closed.is_trial:
            rows = PeriodUsage.objects.filter(period=self.last_closed)
            columns = rows.values_list("unit_id", "overage_amount", "platform_cost", "agency_cost")
            closed = {unit: (price, ours + theirs) for unit, price, ours, theirs in columns}
            yield from self._margins_of(
                self.last_closed,
                overage={unit: price for unit, (price, _) in closed.items()},
                costs={unit: cost for unit, (_, cost) in closed.items()},
            )
        if not self.period.is_trial:
            yield from self._margins_of(self.period, overage=self.overage_prices, costs=self.costs)

    def _margins_of(
        self,
        period: BillingPeriod,
        *,
        overage: Mapping[int, Decimal],
        costs: Mapping[int, Decimal],
    ) -> Iterator[Noticed]:
        charged = _charged(period, without=LineKind.OVERAGE)
        # Fees are for all units together; what is paid once is not for this period.
        rules = MarginRules([period])
        together = charged.pop(None, ZERO) + _fees_of_days(period)
        fees = margin.shared_by_cost(together, costs)
        for unit_id, cost in costs.items():
            unit = self.units_by_id.get(unit_id)
            rule = margin.rule_in_force(
                rules.of(period, unit_id),
                period_start=period.start,
                workspace=period.workspace_id,
                client=period.client_id,
                unit=unit_id,
            )
            if unit is None or rule is None or rule.floor_percent is None:
                continue
            price = fees[unit_id] + overage.get(unit_id, ZERO) + charged.get(unit_id, ZERO)
            found = margin.Margin(price, cost, rule.floor_percent)
            details = {
                "currency": period.currency,
                "price": plain(price),
                "cost": plain(cost),
                "floor_percent": plain(rule.floor_percent),
            }
            reading = Reading(Kind.MARGIN, margin.points_below(found), details=details)
            yield Noticed(reading, period, unit)


def _charged(
    period: BillingPeriod, *, only: str | None = None, without: str | None = None
) -> dict[int | None, Decimal]:
    """What a period is charged, by unit; None is what is for no single one of them. Without
    what is paid once, and fees that it asks for a longer time than it lasts."""
    rows = Charge.objects.filter(period=period).exclude(kind=LineKind.IMPLEMENTATION)
    if period.fees_end is not None:
        rows = rows.exclude(_IS_FEE)
    if only is not None:
        rows = rows.filter(kind=only)
    if without is not None:
        rows = rows.exclude(kind=without)
    return dict(rows.values_list("unit_id").annotate(total=Sum("amount")).order_by())


_IS_FEE = Q(details__has_key="until") | Q(kind=LineKind.DISCOUNT, details__group="fees")
"""Of a period that asks for fees for a longer time than it lasts: those, and what is off them."""


def _fees_of_days(period: BillingPeriod) -> Decimal:
    """What falls on a period, by its days, of fees that were asked for a longer time."""
    asking = asking_for(period)
    time = fees_time_of(asking)
    if asking.fees_end is None or time is None:
        return ZERO
    charges = Charge.objects.standing().filter(_IS_FEE, period=asking)
    total: Decimal = charges.aggregate(total=Sum("amount"))["total"] or ZERO
    share = Share(
        days_touched(period.start, period.end, period.timezone),
        days_touched(time.start, time.end, period.timezone),
    )
    return prorated_amount(total, share, period.currency)


def has_floors(agency_id: int) -> bool:
    """Whether an agency's margin rules name any floor."""
    return MarginRule.objects.filter(agency_id=agency_id, floor_percent__isnull=False).exists()
