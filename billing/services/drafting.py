"""Puts waiting charges on draft invoices: one per client, currency and instant (ENGINE 11)."""

from __future__ import annotations

import datetime as dt
import logging
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Q, Sum
from django.utils import translation

from agencyportal.core.locks import lock_row, lock_rows
from agencyportal.core.periods import local_date
from billing.gathering import Bundle, WaitingCharge, gather
from billing.models import BillingPeriod, Charge, CollectedBy, Invoice, InvoiceLine, InvoiceTax
from clients.models import Client, Platform

from .invoice_pricing import PricedInvoice, price
from .tax import treatment_of

_logger = logging.getLogger(__name__)

CHARGE_PARTS = ("workspace", "unit", "margin_rule", "period__plan_version__plan")
"""What printing a charge needs; loaded with it."""


def draft_invoices(*, now: dt.datetime) -> list[Invoice]:
    """Draft every invoice that is due by ``now``; returns those made or added to, oldest first.

    One transaction per client and currency, which locks the client. One that fails is logged and
    holds up no other. Run again, it finds nothing left to do.
    """
    return draft_due_invoices(now=now)[0]


def draft_due_invoices(*, now: dt.datetime) -> tuple[list[Invoice], list[str]]:
    """`draft_invoices`, and in words what could not be drafted."""
    due = (
        Charge.objects.waiting()
        .filter(bill_at__lte=now)
        .values_list("client_id", "client__name", "currency")
        .order_by("client_id", "currency")
        .distinct()
    )
    drafts: list[Invoice] = []
    failed: list[str] = []
    for client_id, name, currency in list(due):
        try:
            drafts += draft_client(client_id=client_id, currency=currency, now=now)
        except Exception as error:
            _logger.exception("drafting failed for client %s in %s", client_id, currency)
            failed.append(f"No draft for {name} in {currency}: {error}")
    return sorted(drafts, key=lambda invoice: (invoice.bill_at, invoice.client_id)), failed


@transaction.atomic
def draft_client(*, client_id: int, currency: str, now: dt.datetime) -> list[Invoice]:
    """Draft what is due of one client in one currency; see `billing.gathering` for the rules.

    Locks the client's row, then the drafts that it adds to.
    """
    client = lock_row(Client.objects.filter(pk=client_id).select_related("agency"))
    return [
        draft
        for bundle in _bundles(client_id, currency, now)
        if (draft := _draft(client, currency, bundle, now)) is not None
    ]


def charges_of(invoice: Invoice) -> list[Charge]:
    """The charges on an invoice, with what printing them needs."""
    return list(Charge.objects.filter(line__invoice=invoice).select_related(*CHARGE_PARTS))


def write_figures(invoice: Invoice, priced: PricedInvoice) -> None:
    """Write a draft's lines and taxes in place of those it has, unless they say the same; set its
    totals (on the object: saving it is the caller's)."""
    invoice.net, invoice.tax, invoice.total = priced.net, priced.tax, priced.total
    lines, taxes = invoice.lines.all(), invoice.taxes.order_by("category", "percent")
    said = [*map(_said_by_line, lines)], [*map(_said_by_tax, taxes)]
    if said != ([*map(_said_by_line, priced.lines)], [*map(_said_by_tax, priced.taxes)]):
        lines.delete()
        taxes.delete()
        _insert(priced)


def _said_by_line(line: InvoiceLine) -> tuple[object, ...]:
    """What may differ between two lines: the rest is its charge's, which never changes."""
    return line.charge_id, line.position, line.tax_category, line.tax_percent, line.tax_reason


def _said_by_tax(tax: InvoiceTax) -> tuple[object, ...]:
    return tax.category, tax.percent, tax.reason, tax.base, tax.tax


def _insert(priced: PricedInvoice) -> None:
    InvoiceLine.objects.bulk_create(priced.lines)
    InvoiceTax.objects.bulk_create(priced.taxes)


def price_on(invoice: Invoice, charges: list[Charge], day: dt.date) -> PricedInvoice:
    """The figures of an invoice dated ``day``, with texts in the client's language."""
    with translation.override(invoice.client.language):
        return price(invoice, charges, treatment_of(client=invoice.client, on=day))


def _bundles(client_id: int, currency: str, now: dt.datetime) -> list[Bundle]:
    theirs = Q(client_id=client_id, currency=currency)
    waiting = _waiting(theirs, now)
    if not waiting:
        return []
    oldest = min(charge.bill_at for charge in waiting)
    issued, drafted = _invoices(theirs, oldest)
    return gather(waiting, ends=_ends(theirs, oldest), issued=issued, drafted=drafted, now=now)


def _waiting(theirs: Q, now: dt.datetime) -> list[WaitingCharge]:
    starts = F("period__subscription__start")
    charges = (
        Charge.objects.waiting()
        .filter(theirs, bill_at__lte=now)
        .annotate(opens=Q(bill_at=starts) & Q(period__start=starts))
        .values_list("pk", "bill_at", "amount", "collected_by", "opens")
    )
    return [
        WaitingCharge(
            id=pk,
            bill_at=bill_at,
            amount=amount if collected_by == CollectedBy.PLATFORM else Decimal(0),
            opening=bool(opens),
        )
        for pk, bill_at, amount, collected_by, opens in charges
    ]


def _ends(theirs: Q, since: dt.datetime) -> dict[dt.datetime, bool]:
    """When periods end, and whether all that end then are closed."""
    periods = BillingPeriod.objects.filter(theirs, end__gte=since)
    ends: dict[dt.datetime, bool] = {}
    for end, state in periods.values_list("end", "state"):
        ends[end] = ends.get(end, True) and state == BillingPeriod.State.CLOSED
    return ends


def _invoices(theirs: Q, since: dt.datetime) -> tuple[set[dt.datetime], dict[dt.datetime, Decimal]]:
    """Instants with an issued invoice, and those with a draft and what is collected on it."""
    collected = Sum("lines__net", filter=Q(lines__collected_by=CollectedBy.PLATFORM))
    invoices = Invoice.objects.filter(theirs, bill_at__gte=since).annotate(collected=collected)
    issued: set[dt.datetime] = set()
    drafted: dict[dt.datetime, Decimal] = {}
    for bill_at, state, amount in invoices.values_list("bill_at", "state", "collected"):
        if state == Invoice.State.DRAFT:
            drafted[bill_at] = amount or Decimal(0)
        else:
            issued.add(bill_at)
    return issued, drafted


def _draft(client: Client, currency: str, bundle: Bundle, now: dt.datetime) -> Invoice | None:
    """The draft with the bundle on it; None when it was issued under our hands.

    The client's lock keeps others from drafting for it, but not from issuing.
    """
    today = local_date(now, Platform.objects.get().timezone)
    added = list(Charge.objects.filter(pk__in=bundle.charge_ids).select_related(*CHARGE_PARTS))
    theirs = Invoice.objects.filter(client=client, currency=currency, bill_at=bundle.bill_at)
    found = lock_rows(theirs)
    if not found:
        return _new_draft(client, currency, bundle.bill_at, added, today=today, now=now)
    (invoice,) = found
    if invoice.state != Invoice.State.DRAFT:
        return None
    invoice.client, invoice.agency = client, client.agency
    write_figures(invoice, price_on(invoice, [*charges_of(invoice), *added], today))
    invoice.save(update_fields=["net", "tax", "total"])
    return invoice


def _new_draft(
    client: Client,
    currency: str,
    bill_at: dt.datetime,
    charges: list[Charge],
    *,
    today: dt.date,
    now: dt.datetime,
) -> Invoice:
    invoice = Invoice(
        agency=client.agency, client=client, currency=currency, bill_at=bill_at, created_at=now
    )
    priced = price_on(invoice, charges, today)
    invoice.net, invoice.tax, invoice.total = priced.net, priced.tax, priced.total
    invoice.save(force_insert=True)
    _insert(priced)
    return invoice
