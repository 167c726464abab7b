"""What a billing run would do, found out by doing it and taking it back.

Client by client, each in a transaction of its own that is rolled back, so that no lock is held
for longer than closing that client takes. Nothing leaves the database: no PDF, no mail.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from django.db import transaction
from django.db.models import Q

from agencyportal.core.locks import lock_row, lock_rows
from billing.models import BillingPeriod, Charge, Invoice, Subscription
from clients.models import Client
from clients.services import windows

from .closing import close_period
from .drafting import draft_client
from .invoicing import issue_invoice
from .subscriptions import ensure_periods

_T = TypeVar("_T")


@dataclass(slots=True)
class Rehearsal:
    """What would be done. ``invoices`` carry their figures; their numbers were given back."""

    periods: int = 0
    invoices: list[Invoice] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def rehearse(*, now: dt.datetime, progress: Callable[[int, int], None] | None = None) -> Rehearsal:
    """Close, draft and issue everything that is due at ``now``, and roll it back."""
    rehearsal = Rehearsal()
    clients = list(_clients_with_work(now))
    for done, client in enumerate(clients, start=1):
        with transaction.atomic():
            _rehearse_client(client, now, rehearsal)
            transaction.set_rollback(True)
        if progress is not None:
            progress(done, len(clients))
    rehearsal.invoices.sort(key=lambda invoice: (invoice.bill_at, invoice.client_id))
    return rehearsal


def _clients_with_work(now: dt.datetime) -> Iterator[Client]:
    due = BillingPeriod.objects.due(now).order_by().values("client")
    charged = Charge.objects.waiting().filter(bill_at__lte=now).values("client")
    drafted = Invoice.objects.filter(state=Invoice.State.DRAFT).order_by().values("client")
    wanted = Q(pk__in=due) | Q(pk__in=charged) | Q(pk__in=drafted)
    yield from Client.objects.filter(wanted).order_by("pk")


def _rehearse_client(client: Client, now: dt.datetime, rehearsal: Rehearsal) -> None:
    _lock(client)
    attempt = partial(_attempt, rehearsal)
    for subscription in Subscription.objects.for_client(client):
        attempt(str(subscription), partial(ensure_periods, subscription=subscription, now=now))
    failed: set[int] = set()
    while period := _next_due(client, now, failed):
        if attempt(str(period), partial(close_period, period_id=period.pk, now=now)):
            rehearsal.periods += 1
        else:
            failed.add(period.workspace_id)
    waiting = Charge.objects.waiting().for_client(client).filter(bill_at__lte=now)
    for currency in sorted(set(waiting.values_list("currency", flat=True))):
        draft = partial(draft_client, client_id=client.pk, currency=currency, now=now)
        attempt(f"No draft for {client} in {currency}", draft)
    for invoice in Invoice.objects.for_client(client).filter(state=Invoice.State.DRAFT):
        issued = attempt(str(invoice), partial(issue_invoice, invoice=invoice, now=now))
        if issued is not None:
            rehearsal.invoices.append(issued)


def _lock(client: Client) -> None:
    """Everything that the steps lock, in the order in which others lock it: closing, drafting and
    issuing each take several at once, where we go on one by one and give nothing back."""
    lock_row(Client.objects.filter(pk=client.pk))
    windows.lock_workspaces(client.workspaces.values_list("pk", flat=True))
    lock_rows(Invoice.objects.for_client(client).filter(state=Invoice.State.DRAFT))


def _next_due(client: Client, now: dt.datetime, failed: set[int]) -> BillingPeriod | None:
    due = BillingPeriod.objects.due(now).for_client(client)
    return due.exclude(workspace_id__in=failed).first()


def _attempt(rehearsal: Rehearsal, about: str, step: Callable[[], _T]) -> _T | None:
    """What the step returns; what goes wrong is taken down, and the next one is tried."""
    try:
        with transaction.atomic():
            return step()
    except Exception as error:  # noqa: BLE001  told to whoever rehearses
        rehearsal.problems.append(f"{about}: {error}")
        return None
