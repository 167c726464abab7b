"""What a workspace has left now, derived from its grants and its counted usage.

Provisional wherever an earlier period is still open for late usage: that one is settled first, in
thought, and hands on what it leaves. Reads only.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from agencyportal.core.periods import Period, quarter_floor
from billing.asking import Asked, billed_of
from billing.capacity import Capacity, capacity_of
from billing.models import BillingPeriod, CreditGrant, PlanAllowance, Reservation
from billing.plan_documents import AllowanceDocument
from billing.selectors.grants import opening_grants
from billing.selectors.periods import bounds_of
from billing.selectors.questions import Questions, questions_of
from billing.services.plans import Terms, terms_of
from billing.settlement import (
    Quarter,
    allowance_at_end,
    settle,
    take_back,
    usage_of,
)
from billing.waterfall import (
    DEFAULT_PRIORITY,
    PERIOD_KINDS,
    Grant,
    GrantKind,
    WaterfallResult,
)
from clients.models import UsageUnit, Workspace
from clients.selectors import counted_quarters_by_unit

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Balance:
    """One unit of a workspace in the period in progress; quantities in units.

    ``granted``: everything that could be used in the period, allowance included.
    ``remaining``: what usage could still burn now. ``blocks``: nothing beyond it is let in.
    ``asks``: the client is asked first, and has not answered; ``asked`` is what it was asked.
    """

    unit: UsageUnit
    period: BillingPeriod
    policy: str
    blocks: bool
    granted: Decimal
    used: Decimal
    remaining: Decimal
    result: WaterfallResult
    cost: Decimal
    allowance: AllowanceDocument | None
    ahead: Decimal = ZERO
    """Used beyond the days' share, where another plan takes over: that one gives so much less."""
    asks: bool = False
    asked: Asked | None = None

    @property
    def billed(self) -> Decimal | None:
        """How much of the overage is charged under `ask`; None: the policy is about all of it."""
        ask = self.allowance.overage.ask if self.allowance else None
        return billed_of(self.result, ask, self.asked)

    @property
    def up_to(self) -> Decimal | None:
        """Under `ask`, the overage that is let in until it is answered."""
        ask = self.allowance.overage.ask if self.allowance else None
        return None if ask is None else ask.up_to

    def asking(self, now: dt.datetime) -> str:
        """Under `ask`, how that stands: `not_asked`, `open` or what became of it."""
        if self.up_to is None:
            return ""
        return "not_asked" if self.asked is None else self.asked.verdict_at(now) or "open"

    @property
    def is_limited(self) -> bool:
        """Whether usage is let in up to a limit only."""
        return self.blocks or self.asks

    def capacity(self, now: dt.datetime) -> Capacity:
        """What usage can come to where it is limited, and for how long that holds."""
        ask = self.allowance.overage.ask if self.allowance else None
        if ask is None or (self.asked is not None and self.asked.verdict is not None):
            return capacity_of(self.result, self.bounds, now)
        until = None if self.asked is None else self.asked.answer_by
        beyond = ask.up_to if self.asks else ZERO
        return capacity_of(self.result, self.bounds, now, beyond=beyond, beyond_until=until)

    @property
    def overage(self) -> Decimal:
        return self.result.overage

    @property
    def bounds(self) -> Period:
        return bounds_of(self.period)

    @property
    def included(self) -> Decimal:
        """What the package itself gives for the period: allowance and what rolled over."""
        return self.granted_as(PERIOD_KINDS)

    @property
    def promotional(self) -> Decimal:
        """What was given as a promotion and could be used in the period."""
        return self.granted_as({GrantKind.PROMOTIONAL})

    def granted_as(self, kinds: Collection[GrantKind]) -> Decimal:
        """The part of ``granted`` that grants of some kinds make up."""
        grants = (outcome.grant for outcome in self.result.grants)
        return sum((grant.usable for grant in grants if grant.kind in kinds), ZERO)

    @property
    def resets_at(self) -> dt.datetime:
        return self.period.end


@dataclass(slots=True)
class _Carried:
    """What the open periods before this one leave, by unit."""

    left: dict[int, dict[int, Decimal]] = field(default_factory=dict)
    rolled_over: dict[int, Decimal] = field(default_factory=dict)
    ahead: dict[int, Decimal] = field(default_factory=dict)


class UnusedCredit(NamedTuple):
    """What usage has left of a grant of a unit."""

    unit_id: int
    grant: Grant
    unused: Decimal


Held = Mapping[int, Sequence[tuple[dt.datetime, Decimal, Decimal]]]
"""By unit: quarter hours with quantities that may yet be used in them, and what that may cost."""


def balances(*, workspace: Workspace, now: dt.datetime, held: Held | None = None) -> list[Balance]:
    """Every unit of the package that a workspace is on at ``now``; none outside a period.

    The number of queries grows with open periods only. With ``held``, it is what admission goes
    by: what is held counts as if it were used, and an allowance that grows with usage (that of a
    period which ends early) is taken as it was planned.
    """
    periods = _open_periods(workspace, now)
    if not periods or periods[-1].end <= now:
        return []
    *_, current = _settled_in_thought(workspace, periods, now, held)
    return current


def left_of(grant: CreditGrant, *, now: dt.datetime) -> Decimal:
    """What usage from ``now`` on could burn of a grant, beyond what open reservations hold; of one
    that is not effective yet, all that was not revoked. Nothing once it has expired."""
    if grant.expires_at is not None and grant.expires_at <= now:
        return ZERO
    row = CreditGrant.objects.with_left().select_related("workspace").get(pk=grant.pk)
    frozen: Decimal | None = row.left  # type: ignore[attr-defined]
    revoked: Decimal = row.taken_back  # type: ignore[attr-defined]
    left = (row.quantity if frozen is None else frozen) - revoked
    periods = _open_periods(row.workspace, now)
    if not periods:
        return left
    for settled in _settled_in_thought(row.workspace, periods, now, held_by(row.workspace)):
        for balance in settled:
            for outcome in balance.result.grants:
                left = outcome.remaining if outcome.grant.id == row.pk else left
    return left


def unused_credit(*, workspace: Workspace, now: dt.datetime) -> list[UnusedCredit]:
    """What the open periods up to ``now`` leave of every grant that outlives them, or that
    expires in them: what late usage may still draw of it, each at its own time.

    What open reservations hold counts as if it were used.
    """
    found: dict[int, UnusedCredit] = {}
    periods = _open_periods(workspace, now)
    if not periods:
        return []
    for settled in _settled_in_thought(workspace, periods, now, held_by(workspace)):
        for balance in settled:
            for outcome in balance.result.grants:
                grant = outcome.grant
                if isinstance(grant.id, int) and grant.kind not in PERIOD_KINDS:
                    unused = outcome.remaining + outcome.expired
                    found[grant.id] = UnusedCredit(balance.unit.pk, grant, unused)
    return list(found.values())


def open_balances(
    *, workspace: Workspace, until: dt.datetime, held: Held | None = None, grows: bool = True
) -> list[list[Balance]]:
    """The units of every open period that begins by ``until``, in order, each as it would close;
    without ``grows`` the last one's allowance is taken as it was planned.

    With ``held``, what is held counts as if it were used.
    """
    periods = _open_periods(workspace, until)
    if not periods:
        return []
    return list(_settled_in_thought(workspace, periods, until, held, grows=grows))


def held_by(workspace: Workspace) -> dict[int, list[tuple[dt.datetime, Decimal, Decimal]]]:
    """What a workspace's open reservations hold, each at its own quarter hour."""
    held: defaultdict[int, list[tuple[dt.datetime, Decimal, Decimal]]] = defaultdict(list)
    rows = Reservation.objects.open().filter(workspace=workspace)
    columns = ("unit_id", "reserved_at", "quantity", "cost")
    for unit_id, at, quantity, cost in rows.values_list(*columns):
        held[unit_id].append((quarter_floor(at), quantity, cost))
    return held


def _open_periods(workspace: Workspace, now: dt.datetime) -> list[BillingPeriod]:
    """Those that have begun and are not closed, the oldest first."""
    return list(
        workspace.periods.open()
        .filter(start__lte=now)
        .select_related("subscription", "plan_version__plan")
        .order_by("start")
    )


def _settled_in_thought(
    workspace: Workspace,
    periods: Sequence[BillingPeriod],
    now: dt.datetime,
    held: Held | None,
    *,
    grows: bool | None = None,
) -> Iterator[list[Balance]]:
    """Each open period as it would be settled now, opening with what the one before leaves.

    ``grows``: whether the last one's allowance may grow with usage; by default, unless ``held``.
    """
    counted = _counted(workspace, periods, held or {})
    known: dict[int, Terms] = {}
    carried = _Carried()
    for period in periods:
        version = period.plan_version
        terms = known.get(version.pk) or known.setdefault(version.pk, terms_of(version))
        questions = questions_of([period], known)
        terms = terms.of(period)
        may_grow = (held is None if grows is None else grows) or period is not periods[-1]
        found = [
            _balance(
                period,
                unit,
                allowance,
                grants,
                now,
                counted[unit.pk],
                grows=may_grow,
                questions=questions,
            )
            for unit, allowance, grants in _opened(period, terms, carried)
        ]
        yield found
        carried = _handed_on(found, carried)


def _counted(
    workspace: Workspace, periods: Sequence[BillingPeriod], held: Held
) -> dict[int, list[Quarter]]:
    """Usage by unit over all the periods, with what is held."""
    rows = counted_quarters_by_unit(
        workspace_id=workspace.pk, start=periods[0].start, end=periods[-1].end
    )
    found: defaultdict[int, list[Quarter]] = defaultdict(list)
    for unit_id, quarters in rows.items():
        found[unit_id] += (Quarter(*quarter) for quarter in quarters)
    for unit_id, buckets in held.items():
        found[unit_id] += (Quarter(at, quantity, cost, ZERO) for at, quantity, cost in buckets)
    return found


def _opened(
    period: BillingPeriod, terms: Terms, carried: _Carried
) -> Iterable[tuple[UsageUnit, AllowanceDocument | None, list[Grant]]]:
    """Each unit with its allowance and the grants that the period opens with, provisionally."""
    stored = opening_grants([period])
    allowances = {allowance.unit: allowance for allowance in terms.plan.allowances}
    for slug, unit in terms.units.items():
        left = carried.left.get(unit.pk, {})
        grants = [
            replace(grant, quantity=left[int(grant.id)], revoked=ZERO)
            if int(grant.id) in left
            else grant
            for grant in stored.get((period.pk, unit.pk), [])
        ]
        if ahead := carried.ahead.get(unit.pk):
            grants = take_back(grants, ahead)
        if rolled_over := carried.rolled_over.get(unit.pk):
            grants.append(_provisional(GrantKind.ROLLOVER, rolled_over, period))
        yield unit, allowances.get(slug), grants


def _balance(
    period: BillingPeriod,
    unit: UsageUnit,
    allowance: AllowanceDocument | None,
    grants: list[Grant],
    now: dt.datetime,
    counted: Sequence[Quarter],
    *,
    grows: bool,
    questions: Questions,
) -> Balance:
    bounds = bounds_of(period)
    usage = usage_of([row for row in counted if row.start in bounds])
    end = allowance_at_end(
        grants,
        usage if grows else usage_of([]),
        bounds,
        allowance=allowance,
        timezone=period.timezone,
        places=unit.decimals,
        goes_on=period.subscription.goes_on,
    )
    if end.missing > 0 and grows:
        grants = [*grants, _provisional(GrantKind.ALLOWANCE, end.missing, period)]
    elif end.missing < 0:
        grants = take_back(grants, -end.missing)
    result = settle(grants, usage, bounds, allowance=allowance, is_last=period.is_last, as_of=now)
    asked = questions.get((period.pk, unit.pk))
    verdict = None if asked is None else asked.verdict_at(now)
    is_ask = allowance is not None and allowance.overage.ask is not None
    blocks = allowance is not None and allowance.overage.last_resort == PlanAllowance.Policy.BLOCK
    return Balance(
        unit=unit,
        period=period,
        policy=allowance.overage.policy if allowance else PlanAllowance.Policy.NOTIFY,
        blocks=blocks or (is_ask and verdict in ("refused", "timed_out")),
        granted=sum((grant.usable for grant in grants), ZERO),
        used=result.used,
        remaining=result.available(quarter_floor(now)),
        result=result,
        ahead=end.ahead,
        cost=usage.cost,
        allowance=allowance,
        asks=is_ask and verdict is None,
        asked=asked,
    )


def _handed_on(settled: list[Balance], before: _Carried) -> _Carried:
    """What a period leaves to the next: provisional grants end with it."""
    left = dict(before.left)
    for balance in settled:
        remaining = {
            outcome.grant.id: outcome.remaining
            for outcome in balance.result.grants
            if isinstance(outcome.grant.id, int)
        }
        left[balance.unit.pk] = left.get(balance.unit.pk, {}) | remaining
    rolled_over = {balance.unit.pk: balance.result.rolled_over for balance in settled}
    ahead = {balance.unit.pk: balance.ahead for balance in settled}
    return _Carried(left, rolled_over, ahead)


def _provisional(kind: GrantKind, quantity: Decimal, period: BillingPeriod) -> Grant:
    """A grant that closing will write, as far as can be said now."""
    return Grant(
        id=f"provisional {kind}",
        kind=kind,
        quantity=quantity,
        effective_at=period.start,
        expires_at=period.end,
        priority=DEFAULT_PRIORITY[kind],
    )
