"""What a scenario costs: a plan run over its usage, period by period (ENGINE 14).

Pure: the same cores that close real periods, fed from a document instead of the database.
"""

from __future__ import annotations

from collections.abc import Iterator
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
)

from .asking import billable
from .auto_top_up import automatic_grants
from .discounts import Agreed, Group, Start
from .durations import Duration
from .lifecycle import FeeRule, fee_due
from .plan_documents import FeeDocument, PlanDocument, TopUpDocument
from .rating import overage_price
from .scenario import GrantDocument, ScenarioDocument, Starts
from .scenario_answers import asked_in
from .scenario_changes import Stretch
from .settlement import Usage, allowance_at_end, settle, take_back
from .simulation_lines import discount_lines, minimum_lines
from .simulation_result import Line, PeriodResult, SimulationResult, UnitResult, instant_text
from .simulation_units import Unit, units_of
from .strict_json import DocumentError
from .terms import (
    closing_allowance,
    fee_amount,
    fees_time,
    opening_allowance,
)
from .trials import trial_bounds
from .waterfall import DEFAULT_PRIORITY, Grant, GrantKind, WaterfallResult

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)


def simulate(scenario: ScenarioDocument) -> SimulationResult:
    """Price a scenario: every period begun before ``until``, with what happened up to then."""
    run: _Run | None = None
    results: list[PeriodResult] = []
    for stretch in scenario.stretches:
        run = _Run(scenario, stretch, run)
        for period in run.periods():
            if period.start >= scenario.until:
                break
            results.append(run.settle(period))
    return SimulationResult(scenario.plan.currency, tuple(results))


class _Run:
    """One run over the periods of a stretch, which hand their grants on in order; as the stretch
    ``before`` does, where there is one."""

    def __init__(self, scenario: ScenarioDocument, stretch: Stretch, before: _Run | None) -> None:
        self.scenario = scenario
        self.stretch = stretch
        self.plan: PlanDocument = stretch.plan
        self.timezone = stretch.timezone
        self.units = units_of(scenario, stretch.plan)
        self.bands = {band.name: band for band in self.plan.top_ups}
        self.charged_from = stretch.charged_from
        self.anchor = stretch.anchor
        self.last_end = stretch.end
        self.discounts = (*map(Agreed, self.plan.discounts), *scenario.discounts)
        self.begun: list[Start] = [] if before is None else before.begun
        self.fees_begun: list[Start] = [] if before is None else before.fees_begun
        self.asked_until: datetime | None = None
        self.made: Iterator[int] = count() if before is None else before.made
        self.known: dict[str, Unit] = {} if before is None else dict(before.known)
        crosses = before.units if before is not None and before.stretch.ends_by == "change" else []
        for unit in self.units:
            if (known := self.known.get(unit.name)) is not None:
                unit.take_over(known, rolls_over=known in crosses)
            self.known[unit.name] = unit

    def periods(self) -> Iterator[Period]:
        """The trial, where there is one, and the periods that are paid for."""
        end = self.last_end
        if self.stretch.trial_until is not None:
            yield trial_bounds(self.stretch.start, self.stretch.trial_until, end)
        if end is None or end > self.charged_from:
            interval = self.plan.period_interval
            yield from iter_periods(
                self.charged_from, interval, self.anchor, self.timezone, end=end
            )

    def settle(self, period: Period) -> PeriodResult:
        """Close one period, or look at it as far as ``until`` has come."""
        on_trial = period.start < self.charged_from
        asked = None if on_trial else self._fees_time(period)
        asks_once = self.stretch.asks_once and period.start == self.charged_from
        fees = list(self._fee_lines(asked, asks_once=asks_once))
        lines = [line for _, line in fees]
        units, usage_lines = [], []
        for unit in self.units:
            unit.on_trial = on_trial
            result, bought, overage_lines = self._settle_unit(unit, period)
            units.append(UnitResult(unit.name, result))
            lines += bought
            usage_lines += overage_lines
        if on_trial:
            return PeriodResult(period, tuple(units), tuple(lines), is_trial=True)
        lines += usage_lines
        grouped = [*fees, *(("overage", line) for line in usage_lines)]
        lines += discount_lines(
            self.discounts,
            period,
            asked,
            grouped,
            begun=(self.begun, self.fees_begun),
            plan=self.plan,
        )
        if period.end <= self.scenario.until:
            lines += minimum_lines(self.plan, period, lines)
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
            amount = self._fee_amount(fee, asked)
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

    def _fee_amount(self, fee: FeeDocument, asked: Period) -> Decimal:
        """What a fee comes to; where another plan takes over, less what is credited for the rest
        of what was asked in advance."""
        before = self.stretch.planned(asked)
        charged = fee_amount(fee, before, self.timezone, self.plan.currency)
        if before == asked:
            return charged
        return fee_due(
            fee,
            FeeRule.REST,
            charged=charged,
            before=before,
            after=asked,
            timezone=self.timezone,
            currency=self.plan.currency,
        )

    def _settle_unit(
        self, unit: Unit, period: Period
    ) -> tuple[WaterfallResult, list[Line], list[Line]]:
        """The unit's waterfall, the lines of its top-ups, and those of its overage."""
        until = self.scenario.until
        usage = unit.usage_between(period.start, min(period.end, until))
        grants = [*unit.carried, *self._period_grants(unit, period, usage.used)]
        grants += self._given(unit, period)
        bought = self._bought(unit, period)
        grants += (grant for _, grant in bought if grant.effective_at < period.end)
        automatic = self._bought_automatically(unit, period, grants, usage)
        grants += (grant for _, grant in automatic)
        grants = self._moved_allowance(unit, period, grants, usage)
        is_last = period.end == self.last_end and self.stretch.ends_by != "change"
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
            planned = self.stretch.planned(period)
            if self._is_moved(unit, period):
                quantity = opening_allowance(unit.allowance, planned, self.timezone)
            else:
                quantity = closing_allowance(unit.allowance, period, self.timezone, used=used)
            yield self._period_grant(GrantKind.ALLOWANCE, unit, period, quantity)

    def _is_moved(self, unit: Unit, period: Period) -> bool:
        """Whether a change of plan, before or after a period, moves its allowance."""
        return bool(unit.ahead) or self.stretch.is_cut(period)

    def _moved_allowance(
        self, unit: Unit, period: Period, grants: list[Grant], usage: Usage
    ) -> list[Grant]:
        """The grants with what changes of plan make of the allowance: less by what was used ahead
        of it, and by what a change inside the period leaves of it."""
        is_moved, ahead = self._is_moved(unit, period), unit.ahead
        unit.ahead = ZERO
        if not is_moved:
            return grants
        grants = take_back(grants, ahead)
        end = allowance_at_end(
            grants,
            usage,
            period,
            allowance=unit.allowance,
            timezone=self.timezone,
            places=0,
            goes_on=self.stretch.is_cut(period),
        )
        unit.ahead = end.ahead
        if end.missing > 0:
            grown = self._period_grant(GrantKind.ALLOWANCE, unit, period, end.missing)
            return [*grants, replace(grown, id=f"{grown.id}:end")]
        return take_back(grants, -end.missing)

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
            sequence=next(self.made),
        )

    def _given(self, unit: Unit, period: Period) -> Iterator[Grant]:
        """Grants of the scenario that take effect in this period, or before it in none."""
        since, unit.seen_until = unit.seen_until, period.end
        for document in self.scenario.grants:
            grant = self._given_grant(document)
            if document.unit != unit.name or grant.effective_at >= self.scenario.until:
                continue
            lapsed = grant.expires_at is not None and grant.expires_at <= period.start
            is_new = since is None or since <= grant.effective_at
            if is_new and grant.effective_at < period.end and not lapsed:
                yield replace(grant, sequence=next(self.made))

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
        end = self.stretch.planned_end
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
        planned = self.stretch.planned(period)
        opening = opening_allowance(unit.allowance, planned, self.timezone)
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
            sequence=next(self.made),
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


def top_up_expiry(expires: str, at: datetime, period: Period, timezone: str) -> datetime | None:
    """When a band bought at ``at``, in ``period``, expires; ``None`` is never."""
    if expires == "never":
        return None
    if expires == "period_end":
        return period.end
    return quarter_ceil(Duration.parse(expires).after(at, timezone))
