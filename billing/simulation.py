"""What a scenario costs: a plan run over its usage, period by period (ENGINE 14).

Pure: the same cores that close real periods, fed from a document instead of the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Final

from agencyportal.core.money import round_money
from agencyportal.core.periods import (
    Period,
    iter_periods,
    next_period,
    quarter_ceil,
    quarter_floor,
    resolve_anchor,
)

from .asking import billable
from .auto_top_up import automatic_grants
from .discounts import Agreed, Group, Start, taken_off
from .durations import Duration
from .plan_documents import PlanDocument, TopUpDocument
from .proration import share_of
from .rating import minimum_shortfall, overage_price
from .scenario import GrantDocument, ScenarioDocument, Starts
from .scenario_answers import asked_in
from .settlement import Usage, settle
from .simulation_result import Line, PeriodResult, SimulationResult, UnitResult, instant_text
from .simulation_units import Unit, units_of
from .strict_json import DocumentError
from .terms import (
    closing_allowance,
    fee_amount,
    fees_time,
    minimum_due,
    opening_allowance,
)
from .trials import trial_bounds
from .waterfall import DEFAULT_PRIORITY, Grant, GrantKind, WaterfallResult

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)


def simulate(scenario: ScenarioDocument) -> SimulationResult:
    """Price a scenario: every period begun before ``until``, with what happened up to then."""
    run = _Run(scenario)
    results: list[PeriodResult] = []
    for period in run.periods():
        if period.start >= scenario.until:
            break
        results.append(run.settle(period, is_first=not results))
    return SimulationResult(scenario.plan.currency, tuple(results))


class _Run:
    """One run over the periods of a scenario, which hand their grants on in order."""

    def __init__(self, scenario: ScenarioDocument) -> None:
        self.scenario = scenario
        self.plan: PlanDocument = scenario.plan
        if self.plan.timezone is None:
            raise ValueError("the plan of a scenario needs a time zone")
        self.timezone: str = self.plan.timezone
        self.units = units_of(scenario)
        self.bands = {band.name: band for band in self.plan.top_ups}
        self.trial_until = scenario.trial_until
        self.charged_from = self.trial_until or quarter_floor(scenario.start)
        self.anchor = resolve_anchor(
            self.charged_from, self.plan.interval, self.plan.anchor, self.timezone
        )
        self.last_end = None if scenario.end is None else quarter_ceil(scenario.end)
        self.discounts = (*map(Agreed, self.plan.discounts), *scenario.discounts)
        self.begun: list[Start] = []
        self.fees_begun: list[Start] = []
        self.asked_until: datetime | None = None
        self._made = count()

    def periods(self) -> Iterator[Period]:
        """The trial, where there is one, and the periods that are paid for."""
        end = self.last_end
        if self.trial_until is not None:
            yield trial_bounds(quarter_floor(self.scenario.start), self.trial_until, end)
        if end is None or end > self.charged_from:
            interval = self.plan.period_interval
            yield from iter_periods(
                self.charged_from, interval, self.anchor, self.timezone, end=end
            )

    def settle(self, period: Period, *, is_first: bool) -> PeriodResult:
        """Close one period, or look at it as far as ``until`` has come."""
        on_trial = period.start < self.charged_from
        asked = None if on_trial else self._fees_time(period)
        fees = list(self._fee_lines(asked, asks_once=period.start == self.charged_from))
        lines = [line for _, line in fees]
        units, usage_lines = [], []
        for unit in self.units:
            unit.on_trial = on_trial
            result, bought, overage_lines = self._settle_unit(unit, period, is_first=is_first)
            units.append(UnitResult(unit.name, result))
            lines += bought
            usage_lines += overage_lines
        if on_trial:
            return PeriodResult(period, tuple(units), tuple(lines), is_trial=True)
        lines += usage_lines
        grouped = [*fees, *(("overage", line) for line in usage_lines)]
        lines += self._discount_lines(period, asked, grouped)
        lines += self._minimum_lines(period, lines)
        self.begun.append(Start(period.start, period.full_start))
        if asked is not None:
            self.fees_begun.append(Start(asked.start, asked.full_start))
        return PeriodResult(period, tuple(units), tuple(lines), asked)

    def _fees_time(self, period: Period) -> Period | None:
        """What time the period's fees are for, if it asks for any."""
        asked = fees_time(
            period,
            self.plan.fee_interval,
            asked_until=self.asked_until,
            anchor=self.anchor,
            timezone=self.timezone,
            end=self.scenario.end,
        )
        if asked is not None:
            self.asked_until = asked.full_end
        return asked

    def _fee_lines(self, asked: Period | None, *, asks_once: bool) -> Iterator[tuple[Group, Line]]:
        """Each fee of a period, and what a discount takes it for. The first one asks for all."""
        if asked is None:
            return
        for fee in self.plan.fees:
            if fee.when == "once" and not asks_once:
                continue
            amount = fee_amount(fee, asked, self.timezone, self.plan.currency)
            line = Line(
                fee.kind,
                fee.name,
                None,
                ONE,
                amount,
                fee.collected_by,
                in_advance=fee.when == "period",
            )
            yield "once" if fee.when == "once" else "fees", line

    def _settle_unit(
        self, unit: Unit, period: Period, *, is_first: bool
    ) -> tuple[WaterfallResult, list[Line], list[Line]]:
        """The unit's waterfall, the lines of its top-ups, and those of its overage."""
        until = self.scenario.until
        usage = unit.usage_between(period.start, min(period.end, until))
        grants = [*unit.carried, *self._period_grants(unit, period, usage.used)]
        grants += self._given(unit, period, is_first=is_first)
        bought = self._bought(unit, period)
        grants += (grant for _, grant in bought if grant.effective_at < period.end)
        automatic = self._bought_automatically(unit, period, grants, usage)
        grants += (grant for _, grant in automatic)
        is_last = period.end == self.last_end
        result = settle(
            grants, usage, period, allowance=unit.allowance, is_last=is_last, as_of=until
        )
        unit.carried = [
            replace(outcome.grant, quantity=outcome.remaining)
            for outcome in result.grants
            if outcome.remaining
        ]
        unit.carried += (grant for _, grant in bought if grant.effective_at >= period.end)
        unit.rolled_over = result.rolled_over
        top_ups = [self._top_up_line(band) for band, _ in [*bought, *automatic]]
        return result, top_ups, list(self._overage_lines(unit, period, result, usage.cost))

    def _period_grants(self, unit: Unit, period: Period, used: Decimal) -> Iterator[Grant]:
        """The rollover and the allowance that a period opens with."""
        if unit.rolled_over:
            yield self._period_grant(GrantKind.ROLLOVER, unit, period, unit.rolled_over)
        if unit.allowance is not None:
            quantity = closing_allowance(unit.allowance, period, self.timezone, used=used)
            yield self._period_grant(GrantKind.ALLOWANCE, unit, period, quantity)

    def _period_grant(
        self, kind: GrantKind, unit: Unit, period: Period, quantity: Decimal
    ) -> Grant:
        return Grant(
            id=f"{kind}:{unit.name}:{instant_text(period.start)}",
            kind=kind,
            quantity=quantity,
            effective_at=period.start,
            expires_at=period.end,
            priority=DEFAULT_PRIORITY[kind],
            sequence=next(self._made),
        )

    def _given(self, unit: Unit, period: Period, *, is_first: bool) -> Iterator[Grant]:
        """Grants of the scenario that take effect in this period, or before the first one."""
        for document in self.scenario.grants:
            grant = self._given_grant(document)
            if document.unit != unit.name or grant.effective_at >= self.scenario.until:
                continue
            lapsed = grant.expires_at is not None and grant.expires_at <= period.start
            is_early = is_first and grant.effective_at < period.start and not lapsed
            if is_early or grant.effective_at in period:
                yield replace(grant, sequence=next(self._made))

    def _given_grant(self, document: GrantDocument) -> Grant:
        expires_at = document.expires_at
        return Grant(
            id=document.id,
            kind=document.kind,
            quantity=document.quantity,
            effective_at=quarter_floor(document.effective_at),
            expires_at=None if expires_at is None else quarter_ceil(expires_at),
            priority=document.priority,
        )

    def _bought(self, unit: Unit, period: Period) -> list[tuple[TopUpDocument, Grant]]:
        """Top-ups bought in this period before ``until``, in the order in which they were."""
        purchases = sorted(
            (purchase.at, number, purchase.starts, purchase.top_up)
            for number, purchase in enumerate(self.scenario.purchases, start=1)
            if purchase.top_up.unit == unit.name
        )
        return [
            (band, self._bought_grant(f"top_up:{number}", band, at, period, starts))
            for at, number, starts, band in purchases
            if quarter_floor(at) in period and quarter_floor(at) < self.scenario.until
        ]

    def _bought_grant(
        self, name: str, band: TopUpDocument, at: datetime, period: Period, starts: Starts
    ) -> Grant:
        if starts == "now":
            return self._top_up_grant(name, band, at, period)
        end = self.scenario.end
        interval = self.plan.period_interval
        following = next_period(period, interval, self.anchor, self.timezone, end)
        if following is None:
            raise DocumentError("purchases", f"no period follows in which {band.name} could start")
        return self._top_up_grant(name, band, following.start, following)

    def _bought_automatically(
        self, unit: Unit, period: Period, grants: list[Grant], usage: Usage
    ) -> list[tuple[TopUpDocument, Grant]]:
        auto = unit.allowance.overage.auto_top_up if unit.allowance else None
        if auto is None:
            return []
        band = self.bands[auto.band]
        numbers = count(1)

        def make_grant(at: datetime) -> Grant:
            name = f"automatic:{unit.name}:{instant_text(period.start)}:{next(numbers)}"
            return self._top_up_grant(name, band, at, period)

        planned = self._as_planned(unit, period, grants)
        made = automatic_grants(auto, band, planned, usage.buckets, make_grant)
        return [(band, grant) for grant in made]

    def _as_planned(self, unit: Unit, period: Period, grants: list[Grant]) -> list[Grant]:
        """The grants with the allowance that the period opens with: what it grows by at an early
        end nobody knows while usage runs."""
        if unit.allowance is None:
            return grants
        opening = opening_allowance(unit.allowance, period, self.timezone)
        return [
            replace(grant, quantity=opening)
            if grant.kind is GrantKind.ALLOWANCE and grant.effective_at == period.start
            else grant
            for grant in grants
        ]

    def _top_up_grant(self, name: str, band: TopUpDocument, at: datetime, period: Period) -> Grant:
        return Grant(
            id=name,
            kind=GrantKind.TOP_UP,
            quantity=band.quantity,
            effective_at=quarter_floor(at),
            expires_at=top_up_expiry(band.expires, at, period, self.timezone),
            priority=DEFAULT_PRIORITY[GrantKind.TOP_UP],
            sequence=next(self._made),
        )

    def _top_up_line(self, band: TopUpDocument) -> Line:
        amount = round_money(band.price, self.plan.currency)
        return Line("top_up", band.name, band.unit, band.quantity, amount)

    def _overage_lines(
        self, unit: Unit, period: Period, result: WaterfallResult, cost: Decimal
    ) -> Iterator[Line]:
        overage = unit.allowance.overage if unit.allowance else None
        if overage is None or not (overage.is_charged and overage.pricing):
            return
        charged = result.overage
        if overage.ask is not None:
            by_quarter = result.overage_by_bucket()
            asked = asked_in(self.scenario, unit.name, overage.ask, by_quarter, period)
            charged = billable(by_quarter, overage.ask, asked)
        if not charged:
            return
        amount = overage_price(
            overage.pricing,
            charged,
            currency=self.plan.currency,
            cost=cost,
            used=result.used,
            cap_amount=overage.cap_amount,
        )
        yield Line("overage", f"Overage: {unit.name}", unit.name, charged, amount)

    def _discount_lines(
        self, period: Period, asked: Period | None, grouped: Sequence[tuple[Group, Line]]
    ) -> Iterator[Line]:
        """What the discounts in force take off what the platform collects in the period."""
        agreed = [each.discount for each in self.discounts if self._applies(each, period, asked)]
        charged: dict[Group, Decimal] = defaultdict(Decimal)
        for group, line in grouped:
            charged[group] += line.amount if line.collected_by == "platform" else ZERO
        share = share_of(period, self.timezone)
        fees_share = None if asked is None else share_of(asked, self.timezone)
        off = taken_off(agreed, charged, share, self.plan.currency, fees_share=fees_share)
        for discount, by_group in zip(agreed, off, strict=True):
            for group, amount in by_group.items():
                name = f"Discount: {discount.name}"
                yield Line(
                    "discount",
                    name,
                    None,
                    ONE,
                    -amount,
                    discounts_overage=group == "overage",
                    in_advance=group == "fees",
                )

    def _applies(self, agreed: Agreed, period: Period, asked: Period | None) -> bool:
        if agreed.discount.on != "fees":
            return agreed.applies(period.start, period.full_start, self.begun)
        return asked is not None and agreed.applies(asked.start, asked.full_start, self.fees_begun)

    def _minimum_lines(self, period: Period, lines: list[Line]) -> list[Line]:
        minimum = self.plan.minimum_commitment
        if minimum is None or period.end > self.scenario.until:
            return []
        due = minimum_due(minimum, period, self.timezone, self.plan.currency)
        counted = (
            line.amount
            for line in lines
            if line.kind in ("overage", "top_up") or line.discounts_overage
        )
        missing = minimum_shortfall(due, sum(counted, ZERO))
        return [Line("minimum", "Minimum commitment", None, ONE, missing)] if missing else []


def top_up_expiry(expires: str, at: datetime, period: Period, timezone: str) -> datetime | None:
    """When a band bought at ``at``, in ``period``, expires; ``None`` is never."""
    if expires == "never":
        return None
    if expires == "period_end":
        return period.end
    return quarter_ceil(Duration.parse(expires).after(at, timezone))
