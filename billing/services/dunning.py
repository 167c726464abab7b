"""Dunning: reminders, charges of the saved card, the last notice and what comes after it.

Every invoice with something due begins with a row (`Dunning`), under the schedule its agency has
then. A tick claims the rows that are due, and does one step of each in one transaction, which holds
the invoice: the entry that makes it happen once, the message, the charge to be made. Messages are
sent and cards are charged after that. Killed in between, mail and charge are made up for by their
own ticks.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import Final

from django.db import transaction

from agencyportal.core.claims import claim
from agencyportal.core.locks import lock_row
from agencyportal.core.periods import local_date, local_day_start
from billing.dunning import SUSPEND, Step, next_day, next_move
from billing.models import (
    Dispute,
    Dunning,
    DunningEntry,
    Invoice,
    InvoiceCheckout,
    Mail,
)
from billing.stripe_gateway import GatewayError
from clients.models import Platform

from .dunning_mail import (
    queue_end_for_agency,
    queue_last_notice,
    queue_reminder,
    queue_suspended,
)
from .dunning_schedules import schedules_of
from .saved_card_charges import begin_charge, place_charge, why_not_charged
from .suspensions import suspend

HOUR: Final = dt.timedelta(hours=9)
"""When in the platform's day a step is done."""

CLAIMED_FOR: Final = dt.timedelta(minutes=15)
LOOKS_AGAIN: Final = dt.timedelta(hours=1)
"""How soon an invoice is looked at again that cannot be dunned just now."""

UNPAID: Final = (Invoice.State.ISSUED, Invoice.State.PARTIALLY_PAID)
_Kinds = DunningEntry.Kind
_logger = logging.getLogger(__name__)


def begin_dunning(invoices: Sequence[Invoice], *, zone: str, now: dt.datetime) -> list[Dunning]:
    """Have invoices dunned that have a due date, under their agency's schedule of ``now``; one that
    is, stays as it is. ``zone``: the platform's, in which days begin. In the caller's transaction;
    as many queries for many as for one."""
    due = [invoice for invoice in invoices if invoice.due_date is not None]
    if not due:
        return []
    versions = schedules_of({invoice.agency_id for invoice in due}, now=now)
    rows = []
    for invoice in due:
        row = Dunning(
            agency_id=invoice.agency_id,
            client_id=invoice.client_id,
            invoice=invoice,
            version=versions.get(invoice.agency_id),
            created_at=now,
        )
        row.next_at = _next_at(row, invoice, {}, zone)
        rows.append(row)
    return Dunning.objects.bulk_create(rows, ignore_conflicts=True)


def dun_due_invoices(*, now: dt.datetime, limit: int) -> int:
    """Do the steps that are due, at most ``limit``; how many invoices were looked at. One that
    fails is logged, tried again in a quarter of an hour, and holds up no other."""
    looked = 0
    while looked < limit and (dunning_id := _claim(now)) is not None:
        looked += 1
        try:
            checkout = dun(dunning_id=dunning_id, now=now)
        except Exception:
            _logger.exception("the dunning %s failed", dunning_id)
            continue
        if checkout is not None:
            _charge(checkout, now)
    return looked


@transaction.atomic
def dun(*, dunning_id: int, now: dt.datetime) -> InvoiceCheckout | None:
    """Do what is due of one invoice, and say when it is looked at next; the charge of the saved
    card to be made after the commit, if that is it. Done twice, it changes nothing.

    Nothing is done while it is paused, or while `why_waits` says so. Locks the invoice.
    """
    row = Dunning.objects.only("invoice_id").get(pk=dunning_id)
    invoice = _locked(row.invoice_id)
    row = Dunning.objects.select_related("version").get(pk=dunning_id)
    if invoice.state not in UNPAID or row.paused_at is not None:
        return None
    if why_waits(invoice):
        _look(row, now + LOOKS_AGAIN)
        return None
    due = invoice.asked_for_from
    if due is None:
        return None
    zone = zone_of_platform()
    done = _done(row, zone)
    move = next_move(row.schedule, due=due, today=local_date(now, zone), done=done)
    for step in move.passed_over:
        _enter(row, _Kinds.PASSED_OVER, now, day=step.day)
    checkout = None
    if move.step is not None:
        checkout = _do(row, invoice, move.step, now, zone)
    elif next_day(row.schedule, due=due, done=done) is None:
        _suspend_again(row, invoice, now)
    _look(row, _next_at(row, invoice, _done(row, zone), zone))
    return checkout


def why_waits(invoice: Invoice) -> str:
    """Why an invoice is not dunned just now; empty where it may be."""
    if Dispute.objects.open().filter(payment__invoice=invoice).exists():
        return "A payment of it is disputed."
    attempts = invoice.checkouts.all()
    if any(attempt.trouble for attempt in attempts.in_trouble()):
        return "A payment has to be looked at that is not in the books."
    for attempt in attempts.unsettled():
        if not attempt.awaits_holder:
            return "A payment is on its way, or is being made."
    return ""


# --- The steps -------------------------------------------------------------------------------


def _do(
    row: Dunning, invoice: Invoice, step: Step, now: dt.datetime, zone: str
) -> InvoiceCheckout | None:
    if step.ends:
        _end(row, invoice, step, now)
        return None
    why_not = why_not_charged(invoice) if step.charges else ""
    if step.charges and not why_not:
        checkout = place_charge(invoice, now=now)
        _enter(row, _Kinds.CHARGE, now, day=step.day, checkout=checkout)
        return checkout
    if not step.letter:
        _enter(row, _Kinds.PASSED_OVER, now, day=step.day, said=why_not)
        return None
    if step.letter == "final":
        ends = _ends_on(row, invoice, step, now, zone)
        mail = queue_last_notice(invoice, day=step.day, schedule=row.schedule, ends=ends, now=now)
        _enter(row, _Kinds.FINAL, now, day=step.day, mail=mail)
        return None
    will_charge = bool(row.schedule.charge_on) and not why_not_charged(invoice)
    mail = queue_reminder(invoice, day=step.day, will_charge=will_charge, now=now)
    _enter(row, _Kinds.REMINDER, now, day=step.day, mail=mail, said=why_not)
    return None


def _end(row: Dunning, invoice: Invoice, step: Step, now: dt.datetime) -> None:
    suspends = row.schedule.policy == SUSPEND
    told = queue_end_for_agency(invoice, day=step.day, suspends=suspends, now=now)
    if not suspends:
        _enter(row, _Kinds.NOTIFIED, now, day=step.day, mail=told)
        return
    suspend(invoice, now=now)
    mail = queue_suspended(invoice, key=f"dunning:{invoice.number}:{step.day}", now=now)
    _enter(row, _Kinds.SUSPENDED, now, day=step.day, mail=mail)


def _suspend_again(row: Dunning, invoice: Invoice, now: dt.datetime) -> None:
    """Every step is over and something is due again: a payment did not stay, or a pause ended."""
    if row.schedule.policy != SUSPEND or (again := suspend(invoice, now=now)) is None:
        return
    mail = queue_suspended(invoice, key=f"suspended:{again.pk}", now=now)
    _enter(row, _Kinds.SUSPENDED, now, said="It is due again.", mail=mail)


def _enter(
    row: Dunning,
    kind: DunningEntry.Kind,
    now: dt.datetime,
    *,
    day: int | None = None,
    said: str = "",
    mail: Mail | None = None,
    checkout: InvoiceCheckout | None = None,
) -> DunningEntry:
    entry = DunningEntry(
        invoice_id=row.invoice_id,
        day=day,
        kind=kind,
        done_at=now,
        said=said,
        mail=mail,
        checkout=checkout,
    )
    entry.save(force_insert=True)
    return entry


# --- When ------------------------------------------------------------------------------------


def _claim(now: dt.datetime) -> int | None:
    due = Dunning.objects.filter(next_at__lte=now, paused_at=None, invoice__state__in=UNPAID)
    claimed = claim(due.order_by("next_at", "pk"), set={"next_at": now + CLAIMED_FOR}, limit=1)
    return claimed[0] if claimed else None


def _look(row: Dunning, at: dt.datetime | None) -> None:
    row.next_at = at
    row.save(update_fields=["next_at"])


def _done(row: Dunning, zone: str) -> dict[int, dt.date]:
    """The days of the schedule that are over, with when."""
    entries = DunningEntry.objects.filter(invoice=row.invoice_id, day__isnull=False)
    return {
        day: local_date(at, zone)
        for day, at in entries.values_list("day", "done_at")
        if day is not None
    }


def _next_at(
    row: Dunning, invoice: Invoice, done: dict[int, dt.date], zone: str
) -> dt.datetime | None:
    due = invoice.asked_for_from
    day = None if due is None else next_day(row.schedule, due=due, done=done)
    return None if day is None else local_day_start(day, zone) + HOUR


def _ends_on(row: Dunning, invoice: Invoice, step: Step, now: dt.datetime, zone: str) -> dt.date:
    """The day of the end, if this step is done now."""
    today = local_date(now, zone)
    gap = dt.timedelta(days=row.schedule.ends_on - step.day)
    due = invoice.asked_for_from or today
    return max(due + dt.timedelta(days=row.schedule.ends_on), today + gap)


def zone_of_platform() -> str:
    return Platform.objects.values_list("timezone", flat=True).first() or "UTC"


def _locked(invoice_id: int) -> Invoice:
    rows = Invoice.objects.select_related("client__agency", "agency", "document")
    return lock_row(rows.filter(pk=invoice_id))


def _charge(checkout: InvoiceCheckout, now: dt.datetime) -> None:
    try:
        begin_charge(checkout=checkout, now=now)
    except GatewayError as error:
        _logger.warning("%s: %s", checkout, error)
