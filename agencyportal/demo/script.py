"""A story as steps in time, played in their order.

Every step calls services with the instant at which it happened, and looks first whether it has
happened already. So a story that was interrupted anywhere is played again from its beginning, and
goes on where it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from billing.models import Invoice
from billing.services.closing import close_due_periods
from billing.services.invoicing import draft_invoices, issue_invoice
from billing.services.subscriptions import ensure_due_periods
from clients.models import Agency
from payouts.models import Payout
from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import build_payouts


class Order(IntEnum):
    """What comes first where steps share an instant."""

    ACTIVATE = 0
    USE = 1
    ACT = 2
    BILL = 3
    PAY = 4
    PAY_OUT = 5
    NOTICE = 6


@dataclass(frozen=True, slots=True)
class Step:
    at: dt.datetime
    order: Order
    run: Callable[[], object]


Progress = Callable[[int, int], None]
"""Told how many steps were played, and of how many."""


def play(
    steps: Iterable[Step], *, until: dt.datetime, progress: Progress = lambda _played, _all: None
) -> None:
    """Play the steps up to and including ``until``, in order; those at one instant as listed."""
    due = sorted((step for step in steps if step.at <= until), key=lambda s: (s.at, s.order))
    for played, step in enumerate(due, start=1):
        step.run()
        progress(played, len(due))


def close(*, now: dt.datetime) -> None:
    """Make the periods that begin, and close those that are due, as the schedule would."""
    ensure_due_periods(now=now)
    close_due_periods(now=now)


def invoice(*, now: dt.datetime) -> None:
    """Draft and issue what is due, as the schedule would."""
    draft_invoices(now=now)
    # A later draft is there only when an earlier telling was interrupted: its time will come.
    drafts = Invoice.objects.filter(state=Invoice.State.DRAFT, created_at__lte=now)
    for draft in drafts.order_by("bill_at", "client", "pk"):
        issue_invoice(invoice=draft, now=now)


def pay_out(agency: Agency, *, now: dt.datetime) -> None:
    """Make up the payout of an agency, unless that was done: what comes later waits for the next.

    Earnings posted before a payout is built are in it, so nothing is posted behind one.
    """
    if not Payout.objects.for_agency(agency).filter(built_at__gte=now).exists():
        post_due_earnings(now=now)
        build_payouts(now=now, agency=agency)
