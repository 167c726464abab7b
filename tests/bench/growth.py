"""What recording and the usage page's data cost when the tables have grown.

Events are spread over two billing periods, eight labels and two models, under ids in no order, as
programs make them: every index grows as it does in use. What is measured is processor time, of this
process and of its database connection, so that other work on the machine hardly matters.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from statistics import median
from typing import Any, Final

import msgspec
from django.db import transaction

from agencyportal.portal import selectors as portal
from agencyportal.portal.usage import workspace_cards
from agencyportal.portal.visits import Visit, writing_for
from billing.services.plans import import_plan
from billing.services.subscriptions import activate
from clients.models import ClientMember, UsageUnit, User, Workspace
from clients.services.recording import record_events
from clients.services.windows import lock_workspace, open_window
from clients.submission import SubmittedEvent
from tests.bench import cast, traffic
from tests.bench.closing import PLAN
from tests.bench.figures import Figure, processor_time
from tests.bench.filling import fill

SMALL: Final = 10_000
LARGE: Final = 1_000_000
BATCH: Final = 1_000
ROUNDS: Final = 15
DAYS_BEFORE: Final = 40
DAYS_RUNNING: Final = 20


def run(scale: float) -> list[Figure]:
    """``scale`` 10 goes on to ten million events."""
    workspace = _subscriber()
    visit = _visit(workspace)
    large = max(2 * SMALL, round(LARGE * scale))
    _record(workspace, "seed", BATCH)
    first = traffic.midnight() - dt.timedelta(days=DAYS_BEFORE + DAYS_RUNNING)
    fill(workspace, SMALL, first, traffic.midnight())
    recording, reading = _recording_cost(workspace, "small"), _reading_cost(visit, workspace)
    fill(workspace, large, first, traffic.midnight())
    return [
        Figure(
            f"recording at {large:,} events beside {SMALL:,}",
            _recording_cost(workspace, "large"),
            "µs CPU/event",
            recording,
            "at most 1.4 times",
        ),
        Figure(
            f"usage page's data at {large:,} events beside {SMALL:,}",
            _reading_cost(visit, workspace),
            "ms CPU",
            reading,
            "at most 1.3 times",
        ),
    ]


def _subscriber() -> Workspace:
    """A workspace in the 21st day of its period; the days before it count in a window of theirs."""
    agency = cast.agency()
    unit = cast.unit(agency, traffic.UNIT)
    workspace = cast.workspace(agency)
    start = traffic.midnight() - dt.timedelta(days=DAYS_RUNNING)
    version = import_plan(
        agency=agency,
        document={name: value for name, value in PLAN.items() if name != "anchor"},
        now=start,
    )
    _count_before(workspace, unit, start)
    activate(workspace=workspace, plan_version=version, start=start, now=start)
    return workspace


def _count_before(workspace: Workspace, unit: UsageUnit, until: dt.datetime) -> None:
    with transaction.atomic():
        locked = lock_workspace(workspace.pk)
        first = until - dt.timedelta(days=DAYS_BEFORE)
        open_window(workspace=locked, unit=unit, start=first, end=until)


def _visit(workspace: Workspace) -> Visit:
    """The client's viewer opens the page."""
    user = User.objects.create_user("viewer@client.example", "unused", name="Vera")
    viewer = ClientMember.Role.VIEWER
    ClientMember.objects.create(client=workspace.client, user=user, role=viewer)
    return Visit(
        user=user,
        client=workspace.client,
        role=viewer,
        has_other_clients=False,
        waiting_requests=0,
        writing=writing_for(workspace.client, dt.datetime.now(dt.UTC)),
    )


def _record(workspace: Workspace, name: str, count: int) -> None:
    now = dt.datetime.now(dt.UTC)
    said: list[dict[str, Any]] = [traffic.event(name, number, now) for number in range(count)]
    events = msgspec.convert(said, list[SubmittedEvent])
    record_events(workspace=workspace, events=events, now=now)


def _recording_cost(workspace: Workspace, name: str) -> float:
    """Microseconds an event, of the median batch."""
    numbers = iter(range(ROUNDS))

    def record() -> None:
        _record(workspace, f"{name}-{next(numbers)}", BATCH)

    spent = [_spent(record) for _ in range(ROUNDS)]
    return 1_000_000 * median(spent) / BATCH


def _reading_cost(visit: Visit, workspace: Workspace) -> float:
    """Milliseconds for what the page shows: balances, the chart's days, labels, offers, alerts."""

    def read() -> None:
        workspace_cards(visit, [workspace])
        list(portal.alerts(visit.client)[:10])

    read()
    return 1_000 * median(_spent(read) for _ in range(4 * ROUNDS))


def _spent(act: Callable[[], None]) -> float:
    before = processor_time()
    act()
    return processor_time() - before
