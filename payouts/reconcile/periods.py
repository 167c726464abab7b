"""The periods of a workspace: read once with what closed them, and proved to be a chain."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Final, cast

from django.db.models import F, Prefetch, Q, Sum

from agencyportal.core.periods import (
    Interval,
    Period,
    next_boundary_after_zone_change,
    next_period,
    period_at,
)
from billing.lifecycle import fees_boundary_after_zone_change
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    GrantRevocation,
    GrantUse,
    LateGrantUse,
    LateSettlement,
    LineKind,
    PeriodMove,
    PeriodUsage,
    Subscription,
)
from billing.selectors.periods import bounds_of, fees_time_of
from billing.selectors.questions import Questions, questions_of
from billing.services.overage import OveragePrice
from billing.services.periods import is_trial
from billing.services.plans import Terms, fee_interval_of, terms_of
from billing.settlement import Usage
from billing.terms import fees_time
from billing.trials import trial_bounds
from billing.waterfall import WaterfallResult
from clients.models import UsageUnit, UsageWindow, Workspace

from .findings import Checked, Finding, compare, difference, missing, unexpected

SUBJECT: Final = "Billing periods"
MOVES: Final = "Moved periods"


@dataclass(frozen=True, slots=True)
class Settled:
    """One unit of a closed period, as recomputed."""

    unit: UsageUnit
    usage: Usage
    result: WaterfallResult
    price: OveragePrice | None


@dataclass(slots=True)
class WorkspaceBooks:
    """The periods, grants and frozen rows of one workspace, read once."""

    workspace: Workspace
    periods: list[BillingPeriod]
    withdrawn: list[BillingPeriod]
    moves: dict[int, list[PeriodMove]]
    """By period, in the order in which they were made."""
    grants: list[CreditGrant]
    revocations: dict[int, list[GrantRevocation]]
    """By grant, in the order in which they were made."""
    frozen: dict[tuple[int, int], PeriodUsage]
    uses: dict[int, dict[int, GrantUse]]
    terms: dict[int, Terms]
    questions: Questions = field(default_factory=dict)
    """What clients were asked about going on past their credit."""
    late: list[LateSettlement] = field(default_factory=list)
    """What settled late, in order, with its uses."""
    bought: dict[int, Decimal] = field(default_factory=dict)
    """By period, what its top-ups came to, less what was taken off its overage."""
    settled: dict[int, list[Settled]] = field(default_factory=dict)
    """By closed period."""
    late_charges: dict[str, Charge] = field(default_factory=dict)
    """By key, what late usage calls for."""

    @classmethod
    def load(cls, workspace: Workspace, terms: dict[int, Terms]) -> WorkspaceBooks:
        """``terms``: plan versions read before, by id; those that are new are added."""
        every = list(
            BillingPeriod.with_withdrawn.filter(workspace=workspace)
            .select_related("subscription__plan_version", "plan_version__plan")
            .order_by("start", "pk")
        )
        for period in every:
            period.workspace = workspace
            if period.plan_version_id not in terms:
                terms[period.plan_version_id] = terms_of(period.plan_version)
        frozen = PeriodUsage.objects.filter(period__workspace=workspace).select_related("unit")
        uses: dict[int, dict[int, GrantUse]] = defaultdict(dict)
        for use in GrantUse.objects.filter(period_usage__period__workspace=workspace):
            uses[use.period_usage_id][use.grant_id] = use
        revocations: dict[int, list[GrantRevocation]] = defaultdict(list)
        for revoked in GrantRevocation.objects.filter(grant__workspace=workspace):
            revocations[revoked.grant_id].append(revoked)
        moves: dict[int, list[PeriodMove]] = defaultdict(list)
        for move in PeriodMove.objects.filter(period__in=every).select_related("change"):
            moves[move.period_id].append(move)
        grants = CreditGrant.objects.filter(workspace=workspace).select_related("period")
        is_withdrawn = BillingPeriod.State.WITHDRAWN
        return cls(
            workspace=workspace,
            periods=[period for period in every if period.state != is_withdrawn],
            withdrawn=[period for period in every if period.state == is_withdrawn],
            moves=moves,
            grants=list(grants.order_by("pk")),
            revocations=revocations,
            frozen={(row.period_id, row.unit_id): row for row in frozen},
            uses=uses,
            terms=terms,
            questions=questions_of(every, terms),
            late=_late(workspace),
            bought=_bought(workspace),
        )

    def terms_in(self, period: BillingPeriod) -> Terms:
        """The terms of a period: those of the trial, where it is one."""
        return self.terms[period.plan_version_id].of(period)

    def as_made(self, period: BillingPeriod) -> Period:
        """The bounds that a period was made with, before any move."""
        for move in self.moves.get(period.pk, ()):
            return Period(period.start, move.end_before, period.full_start, move.full_end_before)
        return bounds_of(period)

    def fees_as_made(self, period: BillingPeriod) -> Period:
        """The time that a period asked fees for when it was made."""
        for move in self.moves.get(period.pk, ()):
            return fees_around(move, period)[0]
        return fees_time_of(period) or bounds_of(period)

    def extensions(self, period: BillingPeriod) -> Iterator[tuple[PeriodMove, Period]]:
        """The moves that gave a period more days for more money, with what it was after each."""
        for move in self.moves.get(period.pk, ()):
            end, full_end = move.end_after, move.full_end_after
            if end is None or full_end is None or move.fees == PeriodMove.Fees.KEPT:
                continue
            if move.end_before < end:
                yield move, Period(period.start, end, period.full_start, full_end)

    def ends_of(self, period: BillingPeriod) -> set[dt.datetime]:
        """Every end that a period has had."""
        moved = (move.end_after for move in self.moves.get(period.pk, ()))
        return {self.as_made(period).end, period.end} | {end for end in moved if end}

    def drawn(self, period: BillingPeriod) -> dict[int, Decimal]:
        """By grant, what late usage had drawn of it when a period closed and saw less."""
        uses = {row.pk: self.uses.get(row.pk, {}) for row in self.frozen.values()}
        periods = {row.pk: row.period_id for row in self.frozen.values()}
        drawn: dict[int, Decimal] = defaultdict(Decimal)
        for use in (use for row in self.late for use in row.uses.all()):
            if use.source != LateGrantUse.Source.CREDIT or use.quantity <= 0:
                continue
            since = [
                (seen[use.grant_id].pk, periods[frozen_id])
                for frozen_id, seen in uses.items()
                if use.grant_id in seen and seen[use.grant_id].pk > (use.after_id or 0)
            ]
            if since and min(since)[1] == period.pk:
                drawn[use.grant_id] += use.quantity
        return drawn


def fees_around(move: PeriodMove, period: BillingPeriod) -> tuple[Period, Period | None]:
    """The time that a period's fees are for before and after a move of it; None: withdrawn."""
    full_start = period.fees_full_start or period.full_start
    before = Period(
        period.start,
        move.fees_end_before or move.end_before,
        full_start,
        move.fees_full_end_before or move.full_end_before,
    )
    end = move.fees_end_after or move.end_after
    full_end = move.fees_full_end_after or move.full_end_after
    if move.end_after is None or end is None or full_end is None:
        return before, None
    return before, Period(period.start, end, full_start, full_end)


def _late(workspace: Workspace) -> list[LateSettlement]:
    rows = LateSettlement.objects.filter(workspace=workspace).select_related(
        "unit", "period__workspace", "charge"
    )
    uses = LateGrantUse.objects.select_related("grant__period", "returned_as").order_by("pk")
    return list(rows.prefetch_related(Prefetch("uses", uses)).order_by("pk"))


def _bought(workspace: Workspace) -> dict[int, Decimal]:
    """Top-ups less what was taken off the overage at the close, by period."""
    at_close = Q(created_at__lte=F("period__closed_at"))
    counted = Q(kind=LineKind.TOP_UP) | at_close & Q(
        kind=LineKind.DISCOUNT, details__group="overage"
    )
    bought = Charge.objects.filter(counted, workspace=workspace).order_by()
    return dict(bought.values_list("period").annotate(Sum("amount")))


def period_name(period: BillingPeriod) -> str:
    return f"period of {period.workspace} from {period.start:%Y-%m-%d %H:%M}"


def check_periods(books: WorkspaceBooks) -> Iterator[Finding]:
    """Periods follow one another as the subscription's calendar says, without a gap, never two at
    once, and every unit of the package has its window in each. What moved says from where."""
    windows = {
        (window.unit_id, window.start): window
        for window in UsageWindow.objects.filter(workspace=books.workspace)
    }
    before: dict[int, BillingPeriod] = {}
    asking: dict[int, BillingPeriod] = {}
    last: BillingPeriod | None = None
    for period in books.periods:
        expected = _expected_bounds(books, period, before.get(period.subscription_id))
        name = period_name(period)
        if last is not None and period.start < last.end:
            yield difference(SUBJECT, period, name, "start", period.start, f"after {last.end}")
        before[period.subscription_id] = last = period
        if expected is None:
            yield unexpected(SUBJECT, period, name, "a period after the end")
            continue
        fields = {
            column: (getattr(period, column), getattr(expected, column))
            for column in ("start", "end", "full_start", "full_end")
        }
        fields["is_trial"] = (period.is_trial, is_trial(period.subscription, expected))
        fields |= _fees_fields(books, period, asking.get(period.subscription_id))
        yield from compare(SUBJECT, period, name, fields)
        if period.asks_fees:
            asking[period.subscription_id] = period
        for unit in books.terms_in(period).units.values():
            window = windows.get((unit.pk, period.start))
            window_name = f"{unit.plural}, {name}"
            if window is None:
                yield missing(SUBJECT, UsageWindow, window_name, f"until {period.end}")
            else:
                yield from compare(SUBJECT, window, window_name, {"end": (window.end, period.end)})
    yield Checked(SUBJECT, len(books.periods) + len(books.withdrawn))
    yield from _check_moves(books)
    yield from _check_zones(books)


def _expected_bounds(
    books: WorkspaceBooks, period: BillingPeriod, last: BillingPeriod | None
) -> Period | None:
    subscription = period.subscription
    interval = cast(Interval, subscription.plan_version.period_interval)
    anchor, zone = subscription.anchor_date, period.timezone
    if last is None and subscription.trial_until is not None:
        return trial_bounds(subscription.start, subscription.trial_until, subscription.end)
    if last is None:
        start = subscription.start
        expected = period_at(start, start, interval, anchor, zone, subscription.end)
    else:
        expected = next_period(bounds_of(last), interval, anchor, zone, subscription.end)
    changes = [
        move.change
        for move in books.moves.get(period.pk, ())
        if move.change.to_timezone and move.full_end_before != move.full_end_after
    ]
    if expected is None or not changes:
        return expected
    boundary = next_boundary_after_zone_change(
        period.start,
        changes[-1].made_at,
        interval=interval,
        anchor=anchor,
        old_timezone=zone,
        new_timezone=changes[-1].to_timezone,
    )
    end = boundary if subscription.end is None else min(boundary, subscription.end)
    return Period(expected.start, end, expected.full_start, boundary)


def _fees_fields(
    books: WorkspaceBooks, period: BillingPeriod, last: BillingPeriod | None
) -> dict[str, tuple[object, object]]:
    """What time a period's fees are for, and what the calendar says. ``last``: the period that
    asked before it."""
    subscription = period.subscription
    if period.is_trial:
        return {"asks_fees": (period.asks_fees, False)}
    asked_until = None if last is None else last.fees_full_end or last.full_end
    expected = fees_time(
        bounds_of(period),
        fee_interval_of(subscription.plan_version),
        asked_until=asked_until,
        anchor=subscription.anchor_date,
        timezone=period.timezone,
        end=subscription.end,
    )
    fields: dict[str, tuple[object, object]] = {
        "asks_fees": (period.asks_fees, expected is not None)
    }
    if expected is None or expected == bounds_of(period):
        return fields
    full_end = expected.full_end
    for move in books.moves.get(period.pk, ()):
        if move.change.to_timezone:
            full_end = _fees_boundary(books, full_end, move)
    end = full_end if subscription.end is None else min(full_end, subscription.end)
    return fields | {
        "fees_end": (period.fees_end, end),
        "fees_full_start": (period.fees_full_start, expected.full_start),
        "fees_full_end": (period.fees_full_end, full_end),
    }


def _fees_boundary(books: WorkspaceBooks, full_end: dt.datetime, move: PeriodMove) -> dt.datetime:
    """Where fees end after a change of zone: not before the period that ran at that time did."""
    moved = [
        each.full_end_after
        for moves in books.moves.values()
        for each in moves
        if each.change_id == move.change_id and each.full_end_after is not None
    ]
    return fees_boundary_after_zone_change(
        full_end,
        max(moved),
        old_timezone=move.change.from_timezone,
        new_timezone=move.change.to_timezone,
    )


def _check_moves(books: WorkspaceBooks) -> Iterator[Finding]:
    """Each move of a period begins where the one before ended, and the last one is what it is."""
    for period in [*books.periods, *books.withdrawn]:
        moves = books.moves.get(period.pk, [])
        name = f"move of the {period_name(period)}"
        for move, following in pairwise(moves):
            fields = {
                "end_before": (following.end_before, move.end_after),
                "full_end_before": (following.full_end_before, move.full_end_after),
                "fees_end_before": (following.fees_end_before, move.fees_end_after),
                "fees_full_end_before": (following.fees_full_end_before, move.fees_full_end_after),
            }
            yield from compare(MOVES, following, name, fields)
        is_withdrawn = period.state == BillingPeriod.State.WITHDRAWN
        if moves and not is_withdrawn:
            ends = {
                "end_after": (moves[-1].end_after, period.end),
                "full_end_after": (moves[-1].full_end_after, period.full_end),
                "fees_end_after": (moves[-1].fees_end_after, period.fees_end),
                "fees_full_end_after": (moves[-1].fees_full_end_after, period.fees_full_end),
            }
            yield from compare(MOVES, moves[-1], name, ends)
        elif is_withdrawn and not (moves and moves[-1].end_after is None):
            yield missing(MOVES, PeriodMove, name, "why it was withdrawn")
    if books.moves:
        yield Checked(MOVES, sum(map(len, books.moves.values())))


def _check_zones(books: WorkspaceBooks) -> Iterator[Finding]:
    """What runs on runs in its client's zone."""
    for subscription in Subscription.objects.filter(workspace=books.workspace, end=None):
        zone = books.workspace.client.timezone
        fields = {"timezone": (subscription.timezone, zone)}
        yield from compare(SUBJECT, subscription, f"subscription of {books.workspace}", fields)
