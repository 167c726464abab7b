"""Closing a month of 10,000 subscriptions: close, draft and issue, without PDFs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from agencyportal.core.terminal import progress_bar
from billing.models import BillingPeriod, Invoice
from billing.services.closing import close_due_periods
from billing.services.invoicing import draft_due_invoices, issue_due_invoices
from billing.services.plans import import_plan
from billing.services.subscriptions import activate
from clients.models import Workspace
from clients.services.recording import SubmittedEvent, record_events
from tests.bench import cast
from tests.bench.clones import clone_workspaces
from tests.bench.figures import Figure, Stopwatch, peak_mib, timed
from tests.bench.inserts import insert_again, last_ids

SUBSCRIPTIONS: Final = 10_000
EVENTS: Final = 1_500
"""Of each subscription: 500 beyond what the package includes."""

FEBRUARY: Final = dt.datetime(2026, 2, 1, 5, tzinfo=dt.UTC)
MARCH: Final = dt.datetime(2026, 3, 1, 5, tzinfo=dt.UTC)
DUE: Final = MARCH + dt.timedelta(days=1, hours=1)

PLAN: Final[dict[str, Any]] = {
    "name": "Support Starter",
    "currency": "USD",
    "timezone": cast.ZONE,
    "interval": "month",
    "anchor": "calendar",
    "fees": [{"name": "Base package", "kind": "base", "amount": "499", "when": "period"}],
    "allowances": [
        {
            "unit": "conversation",
            "included": "1000",
            "rollover_max": "100",
            "overage": {
                "policy": "bill",
                "pricing": {"model": "per_unit", "unit_amount": "0.1"},
            },
        }
    ],
    "top_ups": [],
}


def run(scale: float) -> list[Figure]:
    count = max(1, round(SUBSCRIPTIONS * scale))
    clone_workspaces(a_month_of_usage(), count - 1)
    before = last_ids()
    held = peak_mib()
    closing, closed = _step("Closing periods", close_due_periods)
    drafting, drafted = _step("Drafting", draft_due_invoices, shows_progress=False)
    issuing, issued = _step("Issuing", issue_due_invoices)
    _require(count, closed, drafted, issued)
    peak = peak_mib()
    rows, floor = insert_again(before)
    whole = closing.wall + drafting.wall + issuing.wall
    cpu = closing.cpu + drafting.cpu + issuing.cpu
    return [
        Figure(f"{count:,} subscriptions, whole", whole, "s", floor.wall, "180 s for 10,000"),
        Figure("of it this process's CPU", cpu, "s", floor.cpu),
        Figure("closing", closing.wall, "s"),
        Figure("drafting", drafting.wall, "s"),
        Figure("issuing", issuing.wall, "s"),
        Figure("each subscription", 1000 * whole / count, "ms", 1000 * floor.wall / count),
        Figure("rows written, each subscription", rows / count, "rows"),
        Figure("peak memory", peak, "MiB", held),
    ]


def a_month_of_usage() -> Workspace:
    """A workspace with a month of usage behind it, its first fees invoiced."""
    agency = cast.agency()
    cast.unit(agency)
    workspace = cast.workspace(agency)
    version = import_plan(agency=agency, document=PLAN, now=FEBRUARY)
    activate(workspace=workspace, plan_version=version, start=FEBRUARY, now=FEBRUARY)
    draft_due_invoices(now=FEBRUARY)
    issue_due_invoices(now=FEBRUARY)
    apart = (MARCH - FEBRUARY) / EVENTS
    record_events(
        workspace=workspace,
        events=[
            SubmittedEvent(
                id=f"event-{number}",
                unit="conversation",
                time=FEBRUARY + number * apart,
                label=f"workflow {number % 3}",
            )
            for number in range(EVENTS)
        ],
        now=MARCH,
    )
    return workspace


def _step(
    name: str, service: Callable[..., Any], *, shows_progress: bool = True
) -> tuple[Stopwatch, Any]:
    with progress_bar(name) as progress, timed() as watch:
        told = {"progress": progress} if shows_progress else {}
        result = service(now=DUE, **told)
    return watch, result


def _require(count: int, closed: list[int], drafted: Any, issued: Any) -> None:
    """That everything was done: a bench of failures would be quick."""
    problems = [*drafted[1], *issued[1]]
    if problems:
        raise RuntimeError(f"{len(problems)} invoices failed; the first: {problems[0]}")
    left = BillingPeriod.objects.due(DUE).count()
    done = Invoice.objects.issued().filter(bill_at=MARCH).count()
    if (len(closed), left, done) != (count, 0, count):
        raise RuntimeError(f"{len(closed)} closed, {left} left, {done} invoices; not {count}.")
