"""The periods of a workspace: read once with what closed them, and proved to be a chain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, cast

from agencyportal.core.periods import Interval, Period, next_period, period_at
from billing.models import BillingPeriod, CreditGrant, GrantRevocation, GrantUse, PeriodUsage
from billing.services.overage import OveragePrice
from billing.services.periods import bounds_of
from billing.services.plans import Terms, terms_of
from billing.settlement import Usage
from billing.waterfall import WaterfallResult
from clients.models import UsageUnit, UsageWindow, Workspace

from .findings import Checked, Finding, compare, missing, unexpected

SUBJECT: Final = "Billing periods"


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
    grants: list[CreditGrant]
    revocations: dict[int, list[GrantRevocation]]
    """By grant, in the order in which they were made."""
    frozen: dict[tuple[int, int], PeriodUsage]
    uses: dict[int, dict[int, GrantUse]]
    terms: dict[int, Terms]
    settled: dict[int, list[Settled]] = field(default_factory=dict)
    """By closed period."""

    @classmethod
    def load(cls, workspace: Workspace, terms: dict[int, Terms]) -> WorkspaceBooks:
        """``terms``: plan versions read before, by id; those that are new are added."""
        periods = list(
            BillingPeriod.objects.filter(workspace=workspace)
            .select_related("subscription__plan_version", "plan_version__plan")
            .order_by("start")
        )
        for period in periods:
            if period.plan_version_id not in terms:
                terms[period.plan_version_id] = terms_of(period.plan_version)
        frozen = PeriodUsage.objects.filter(period__workspace=workspace).select_related("unit")
        uses: dict[int, dict[int, GrantUse]] = defaultdict(dict)
        for use in GrantUse.objects.filter(period_usage__period__workspace=workspace):
            uses[use.period_usage_id][use.grant_id] = use
        revocations: dict[int, list[GrantRevocation]] = defaultdict(list)
        for revoked in GrantRevocation.objects.filter(grant__workspace=workspace):
            revocations[revoked.grant_id].append(revoked)
        return cls(
            workspace=workspace,
            periods=periods,
            grants=list(CreditGrant.objects.filter(workspace=workspace).order_by("pk")),
            revocations=revocations,
            frozen={(row.period_id, row.unit_id): row for row in frozen},
            uses=uses,
            terms=terms,
        )


def period_name(period: BillingPeriod) -> str:
    return f"period of {period.workspace} from {period.start:%Y-%m-%d %H:%M}"


def check_periods(books: WorkspaceBooks) -> Iterator[Finding]:
    """Periods follow one another as the subscription's calendar says, without a gap, and every
    unit of the package has its window in each."""
    windows = {
        (window.unit_id, window.start): window
        for window in UsageWindow.objects.filter(workspace=books.workspace)
    }
    before: dict[int, BillingPeriod] = {}
    for period in books.periods:
        period.workspace = books.workspace
        expected = _expected_bounds(period, before.get(period.subscription_id))
        before[period.subscription_id] = period
        name = period_name(period)
        if expected is None:
            yield unexpected(SUBJECT, period, name, "a period after the end")
            continue
        fields = {
            column: (getattr(period, column), getattr(expected, column))
            for column in ("start", "end", "full_start", "full_end")
        }
        yield from compare(SUBJECT, period, name, fields)
        for unit in books.terms[period.plan_version_id].units.values():
            window = windows.get((unit.pk, period.start))
            window_name = f"{unit.plural}, {name}"
            if window is None:
                yield missing(SUBJECT, UsageWindow, window_name, f"until {period.end}")
            else:
                yield from compare(SUBJECT, window, window_name, {"end": (window.end, period.end)})
    yield Checked(SUBJECT, len(books.periods))


def _expected_bounds(period: BillingPeriod, last: BillingPeriod | None) -> Period | None:
    subscription = period.subscription
    interval = cast(Interval, subscription.plan_version.interval)
    anchor, zone = subscription.anchor_date, period.timezone
    if last is None:
        start = subscription.start
        return period_at(start, start, interval, anchor, zone, subscription.end)
    return next_period(bounds_of(last), interval, anchor, zone, subscription.end)
