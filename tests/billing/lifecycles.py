"""Short words for the life of a subscription, and what must hold after each of its changes."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from itertools import pairwise

from billing.models import BillingPeriod, Charge, Subscription
from billing.selectors.balances import Balance, balances
from billing.services.closing import close_due_periods
from billing.services.drafting import draft_invoices
from billing.services.invoicing import issue_due_invoices
from clients.models import UsageUnit, UsageWindow, Workspace
from clients.services.recording import SubmittedEvent, record_events

_ids = itertools.count(1)


def report(
    workspace: Workspace,
    unit: UsageUnit,
    at: dt.datetime,
    quantity: int | str = 1,
    *,
    now: dt.datetime | None = None,
) -> None:
    """Usage as a program reports it, at the time it happens unless ``now`` says later."""
    event = SubmittedEvent(
        id=f"reported {next(_ids)}", unit=unit.slug, time=at, quantity=Decimal(quantity)
    )
    record_events(workspace=workspace, events=[event], now=now or at)


def balance(workspace: Workspace, now: dt.datetime) -> Balance:
    """The only unit's."""
    (found,) = balances(workspace=workspace, now=now)
    return found


def invoice(now: dt.datetime) -> None:
    """Put on invoices what is due, and issue them."""
    draft_invoices(now=now)
    issue_due_invoices(now=now)


def close_all(now: dt.datetime) -> None:
    close_due_periods(now=now)
    assert not BillingPeriod.objects.due(now).exists()


def standing(period: BillingPeriod) -> list[tuple[str, str]]:
    """Kind and amount of a period's charges that were not taken back, as they were written."""
    rows = Charge.objects.standing().filter(period=period).order_by("pk")
    return [(row.kind, f"{row.amount:.2f}") for row in rows]


def asked(workspace: Workspace) -> Decimal:
    """What all charges of a workspace come to that were not taken back."""
    rows = Charge.objects.standing().filter(workspace=workspace)
    return sum((row.amount for row in rows), Decimal(0))


def check_timeline(workspace: Workspace) -> None:
    """Periods never overlap, and leave no gap inside a subscription; every window is a period's,
    and every period has the windows of its units."""
    periods = list(
        workspace.periods.select_related("subscription", "plan_version").order_by("start")
    )
    for one, other in pairwise(periods):
        assert one.end <= other.start
        if one.subscription_id == other.subscription_id:
            assert one.end == other.start
    for subscription in Subscription.objects.filter(workspace=workspace):
        mine = [period for period in periods if period.subscription_id == subscription.pk]
        if subscription.end == subscription.start:
            assert not mine
            continue
        assert mine[0].start == subscription.start
        assert subscription.end is None or mine[-1].end <= subscription.end
        assert all(p.full_start <= p.start < p.end <= p.full_end for p in mine)
    spans = {
        (unit_id, period.start, period.end)
        for period in periods
        for unit_id in period.plan_version.allowances.values_list("unit", flat=True)
    }
    windows = UsageWindow.objects.filter(workspace=workspace)
    assert set(windows.values_list("unit", "start", "end")) == spans
