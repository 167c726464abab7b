"""A trace as a finished story: a client's one-month pilot, from its events to the agency's payout.

The pilot is one calendar month that ended a whole month ago, so that everything the story tells has
happened by now: the month was closed after its grace, the client paid, and the payout of the month
after was made up. Every step is the service that the API, the schedule and the admin call, given
the instant at which it would have run. Steps that are done already are found done.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import Max

from agencyportal.demo.cast import DRIFT, NORTHWIND
from agencyportal.demo.delivery import deliver
from agencyportal.demo.packages import CODE_PILOT
from agencyportal.demo.script import Order, Step, close, invoice, pay_out, play
from agencyportal.demo.seeding import month_start, seed_agency, seed_platform
from agencyportal.demo.trace import Trace, as_events, days_into
from billing.models import BillingPeriod, Invoice, Payment, Subscription
from billing.services.payments import record_payment
from billing.services.plans import import_plan
from billing.services.subscriptions import activate
from clients.models import Agency, Client, CostPayer, Workspace
from clients.services.people import create_client, create_workspace
from clients.services.recording import record_events
from clients.submission import event_from
from payouts.models import Payout
from payouts.services.earnings import post_due_earnings

BATCH = 1_000
PROVIDER, MODEL = "openai", "gpt-4.1"
UNIT, LABEL = "completion", "code-completion"

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Story:
    """Where the replay ended up: the rows to look at."""

    workspace: Workspace
    period: BillingPeriod
    invoices: Sequence[Invoice]
    payout: Payout | None
    """None while its earnings wait: that month's payout had been made up before the replay."""


def replay(trace: Trace, *, now: dt.datetime, progress: Progress = lambda _rows: None) -> Story:
    """Tell the story of ``trace``, or continue it where it was interrupted.

    ``progress`` is told how many rows were recorded, batch by batch. Raises `TraceError` when the
    trace does not fit into the month.
    """
    play(pilot_steps(trace, now=now, progress=progress), until=now)
    deliver(now=now)
    return story_of(trace)


def pilot_steps(
    trace: Trace, *, now: dt.datetime, progress: Progress = lambda _rows: None
) -> list[Step]:
    """The story as steps, to be played alone or among others'.

    Nothing is written here but the cast. Raises `TraceError` as `replay` does.
    """
    seed_platform()
    agency = seed_agency(NORTHWIND)
    client, workspace = _pilot_client(agency, trace)
    start, end = _pilot_month(workspace, now)
    shift = days_into(trace, start=start, end=end)
    due_at = end + dt.timedelta(hours=agency.grace_hours)
    payday = month_start(agency.timezone, end, months_back=-1) + dt.timedelta(hours=9)
    return [
        Step(start, Order.ACTIVATE, lambda: _activate(workspace, start, end)),
        Step(start, Order.BILL, lambda: _bill(now=start)),
        Step(end, Order.USE, lambda: _record(trace, workspace, shift, progress)),
        Step(due_at, Order.BILL, lambda: _bill(now=due_at)),
        Step(
            due_at + dt.timedelta(days=3),
            Order.PAY,
            lambda: _pay(client, due_at + dt.timedelta(days=3)),
        ),
        Step(payday, Order.PAY_OUT, lambda: pay_out(agency, now=payday)),
        Step(now, Order.PAY_OUT, lambda: post_due_earnings(now=now)),
    ]


def story_of(trace: Trace) -> Story:
    """Where the replay of ``trace`` ended up."""
    workspace = Workspace.objects.select_related("client").get(slug=_slug(trace))
    invoices = Invoice.objects.for_client(workspace.client).select_related("document")
    return Story(
        workspace=workspace,
        period=workspace.periods.earliest("start"),
        invoices=list(invoices.issued().order_by("sequence")),
        payout=Payout.objects.filter(items__earning__client=workspace.client).first(),
    )


def _slug(trace: Trace) -> str:
    """One workspace for each file, named by the file's hash."""
    return f"drift-code-{trace.digest[:6]}"


def _pilot_client(agency: Agency, trace: Trace) -> tuple[Client, Workspace]:
    slug = f"drift-{trace.digest[:6]}"
    client = Client.objects.for_agency(agency).filter(slug=slug).first()
    client = client or create_client(
        agency=agency, slug=slug, currency="USD", timezone=agency.timezone, **DRIFT
    )
    workspace = Workspace.objects.filter(slug=_slug(trace)).first() or create_workspace(
        client=client,
        slug=_slug(trace),
        name="Code assistant",
        cost_payer=CostPayer.PLATFORM,
    )
    return client, workspace


def _pilot_month(workspace: Workspace, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """The month before the last whole one, or the one that an earlier replay chose."""
    found = Subscription.objects.filter(workspace=workspace).first()
    if found and found.end:
        return found.start, found.end
    zone = workspace.client.timezone
    return month_start(zone, now, months_back=2), month_start(zone, now, months_back=1)


def _activate(workspace: Workspace, start: dt.datetime, end: dt.datetime) -> None:
    if not Subscription.objects.filter(workspace=workspace).exists():
        agency = workspace.agency
        version = import_plan(
            agency=agency, document=CODE_PILOT, slug="code-assist-pilot", now=start
        )
        activate(workspace=workspace, plan_version=version, start=start, end=end, now=start)


def _record(trace: Trace, workspace: Workspace, shift: dt.timedelta, progress: Progress) -> None:
    events = as_events(trace, shift=shift, unit=UNIT, provider=PROVIDER, model=MODEL, label=LABEL)
    for batch in batches(events):
        submitted = [event_from(event) for event in batch]
        record_events(workspace=workspace, events=submitted, now=trace.last + shift)
        progress(len(batch))


def batches(events: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The events in lists of at most ``BATCH``, as the API takes them."""
    while batch := list(islice(events, BATCH)):
        yield batch


def _bill(*, now: dt.datetime) -> None:
    """Bill what is due, but never with a date before that of an invoice that is there already.

    Where others were invoiced before the replay came, its invoices have the last one's date.
    """
    close(now=now)
    latest = Invoice.objects.issued().aggregate(latest=Max("issued_at"))["latest"]
    invoice(now=max(now, latest or now))


def _pay(client: Client, paid_at: dt.datetime) -> None:
    """Pay what is open, on the day that it is issued where that came later."""
    for owed in Invoice.objects.for_client(client).outstanding().order_by("sequence"):
        received_at = max(paid_at, owed.issued_at or paid_at)
        record_payment(
            invoice=owed,
            amount=owed.amount_due,
            currency=owed.currency,
            method=Payment.Method.BANK_TRANSFER,
            reference=f"Wire {owed.number}",
            received_at=received_at,
            now=received_at,
            key=f"demo:{owed.number}",
        )
