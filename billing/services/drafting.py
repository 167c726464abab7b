"""Puts waiting charges on draft invoices: one per client, currency and instant (ENGINE 11)."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Q, Sum
from django.utils import translation

from agencyportal.core.locks import lock_rows
from agencyportal.core.periods import local_date
from billing.gathering import Bundle, WaitingCharge, gather
from billing.models import BillingPeriod, Charge, CollectedBy, Invoice, InvoiceLine, InvoiceTax
from clients.models import Client, Platform

from .batches import in_batches
from .invoice_pricing import PricedInvoice, price
from .tax import treatments_of

_logger = logging.getLogger(__name__)

ZERO = Decimal(0)
TOTALS = ("net", "tax", "total")
CHARGE_PARTS = ("workspace", "unit", "margin_rule", "period__plan_version__plan")
"""What printing a charge needs; loaded with it."""


class Payer(NamedTuple):
    """Whose charges share invoices: those of a client in one currency."""

    client_id: int
    currency: str


def draft_invoices(*, now: dt.datetime) -> list[Invoice]:
    """Draft every invoice that is due by ``now``; returns those made or added to, oldest first.

    In batches, each a transaction that locks its clients. One that fails is logged and holds up
    no other. Run again, it finds nothing left to do.
    """
    drafted, _ = draft_due_invoices(now=now)
    drafts = Invoice.objects.filter(pk__in=drafted).select_related("client", "agency")
    return list(drafts.order_by("bill_at", "client_id"))


def draft_due_invoices(*, now: dt.datetime) -> tuple[list[int], list[str]]:
    """`draft_invoices`: the drafts' ids, and in words what could not be drafted."""
    due = (
        Charge.objects.waiting()
        .filter(bill_at__lte=now)
        .order_by("client_id", "currency")
        .values_list("client_id", "currency")
        .distinct()
    )
    drafted: list[int] = []
    failed: list[str] = []
    payers = [Payer(*row) for row in due]
    for batch, done, error in in_batches(payers, partial(draft_payers, now=now)):
        drafted += [draft.pk for draft in done]
        if error is not None:
            client = Client.objects.get(pk=batch[0].client_id)
            about = f"{client.name} in {batch[0].currency}"
            _logger.error("drafting failed for %s", about, exc_info=error)
            failed.append(f"No draft for {about}: {error}")
    return drafted, failed


def draft_client(*, client_id: int, currency: str, now: dt.datetime) -> list[Invoice]:
    """Draft what is due of one client in one currency; see `draft_payers`."""
    return draft_payers([Payer(client_id, currency)], now=now)


@transaction.atomic
def draft_payers(payers: Sequence[Payer], *, now: dt.datetime) -> list[Invoice]:
    """Draft what is due of clients, all or nothing; see `billing.gathering` for the rules.

    Locks the clients' rows, then the drafts that it adds to. As many queries for many as for one.
    """
    rows = Client.objects.filter(pk__in={payer.client_id for payer in payers})
    clients = {client.pk: client for client in lock_rows(rows.select_related("agency"))}
    bundles = list(_drafts(_bundles(payers, now), clients, now))
    if not bundles:
        return []
    new = [draft for draft, _ in bundles if draft._state.adding]
    there = [draft for draft, _ in bundles if not draft._state.adding]
    waiting = [charge_id for _, bundle in bundles for charge_id in bundle.charge_ids]
    added = Charge.objects.select_related(*CHARGE_PARTS).in_bulk(waiting)
    before = charges_of(there) if there else {}
    priced = price_drafts(
        [
            (draft, [*before.get(draft.pk, ()), *(added[pk] for pk in bundle.charge_ids)])
            for draft, bundle in bundles
        ],
        day=local_date(now, Platform.objects.get().timezone),
    )
    Invoice.objects.bulk_create(new)
    Invoice.objects.bulk_update(there, TOTALS)
    write_lines(priced)
    return [draft for draft, _ in bundles]


def price_drafts(
    drafts: Sequence[tuple[Invoice, Sequence[Charge]]], *, day: dt.date
) -> list[PricedInvoice]:
    """The figures of invoices dated ``day`` with these charges, in the order of the invoices, with
    texts in the clients' languages. Sets their totals (on the objects: saving is the caller's)."""
    treatments = treatments_of([invoice.client for invoice, _ in drafts], on=day)
    priced = []
    for invoice, charges in drafts:
        with translation.override(invoice.client.language):
            one = price(invoice, charges, treatments[invoice.client_id])
        invoice.net, invoice.tax, invoice.total = one.net, one.tax, one.total
        priced.append(one)
    return priced


def charges_of(invoices: Iterable[Invoice]) -> dict[int, list[Charge]]:
    """The charges on invoices, by invoice, with what printing them needs. One query."""
    charges = Charge.objects.filter(line__invoice__in=invoices).select_related(*CHARGE_PARTS)
    found: defaultdict[int, list[Charge]] = defaultdict(list)
    for charge in charges.annotate(invoice_id=F("line__invoice_id")):
        found[charge.invoice_id].append(charge)  # type: ignore[attr-defined]
    return found


def write_lines(priced: Sequence[PricedInvoice]) -> None:
    """Write drafts' lines and taxes in place of those they have, unless they say the same."""
    invoices = [one.invoice for one in priced]
    said: defaultdict[int, set[tuple[object, ...]]] = defaultdict(set)
    for line in InvoiceLine.objects.filter(invoice__in=invoices):
        said[line.invoice_id].add(_said_by_line(line))
    for tax in InvoiceTax.objects.filter(invoice__in=invoices):
        said[tax.invoice_id].add(_said_by_tax(tax))
    changed = [
        one
        for one in priced
        if said[one.invoice.pk] != {*map(_said_by_line, one.lines), *map(_said_by_tax, one.taxes)}
    ]
    if rewritten := [one.invoice for one in changed if said[one.invoice.pk]]:
        InvoiceLine.objects.filter(invoice__in=rewritten).delete()
        InvoiceTax.objects.filter(invoice__in=rewritten).delete()
    InvoiceLine.objects.bulk_create(line for one in changed for line in one.lines)
    InvoiceTax.objects.bulk_create(tax for one in changed for tax in one.taxes)


def _said_by_line(line: InvoiceLine) -> tuple[object, ...]:
    """What may differ between two lines: the rest is its charge's, which never changes."""
    return (
        line.charge_id,
        line.position,
        line.tax_category,
        line.tax_percent,
        line.tax_reason,
        line.tax_reason_code,
    )


def _said_by_tax(tax: InvoiceTax) -> tuple[object, ...]:
    return tax.category, tax.percent, tax.reason, tax.base, tax.tax


def _bundles(payers: Sequence[Payer], now: dt.datetime) -> list[tuple[Payer, Bundle]]:
    theirs = Q(
        client__in={payer.client_id for payer in payers},
        currency__in={payer.currency for payer in payers},
    )
    waiting = _waiting(theirs, now)
    if not waiting:
        return []
    oldest = min(charge.bill_at for charges in waiting.values() for charge in charges)
    ends, invoices = _ends(theirs, oldest), _invoices(theirs, oldest)
    return [
        (payer, bundle)
        for payer in payers
        for bundle in gather(
            waiting[payer],
            ends=ends[payer],
            issued=invoices[payer].issued,
            drafted=invoices[payer].drafted,
            now=now,
        )
    ]


def _waiting(theirs: Q, now: dt.datetime) -> defaultdict[Payer, list[WaitingCharge]]:
    starts = F("period__subscription__start")
    charges = (
        Charge.objects.waiting()
        .filter(theirs, bill_at__lte=now)
        .annotate(opens=Q(bill_at=starts) & Q(period__start=starts))
        .values_list("client_id", "currency", "pk", "bill_at", "amount", "collected_by", "opens")
    )
    waiting: defaultdict[Payer, list[WaitingCharge]] = defaultdict(list)
    for client_id, currency, pk, bill_at, amount, collected_by, opens in charges:
        charge = WaitingCharge(
            id=pk,
            bill_at=bill_at,
            amount=amount if collected_by == CollectedBy.PLATFORM else ZERO,
            opening=bool(opens),
        )
        waiting[Payer(client_id, currency)].append(charge)
    return waiting


def _ends(theirs: Q, since: dt.datetime) -> defaultdict[Payer, dict[dt.datetime, bool]]:
    """When periods end, and whether all that end then are closed."""
    periods = BillingPeriod.objects.filter(theirs, end__gte=since).order_by()
    ends: defaultdict[Payer, dict[dt.datetime, bool]] = defaultdict(dict)
    for client_id, currency, end, state in periods.values_list(
        "client_id", "currency", "end", "state"
    ):
        of_payer = ends[Payer(client_id, currency)]
        of_payer[end] = of_payer.get(end, True) and state == BillingPeriod.State.CLOSED
    return ends


@dataclass(slots=True)
class _Invoices:
    """Instants with an issued invoice, and those with a draft and what is collected on it."""

    issued: set[dt.datetime] = field(default_factory=set)
    drafted: dict[dt.datetime, Decimal] = field(default_factory=dict)


def _invoices(theirs: Q, since: dt.datetime) -> defaultdict[Payer, _Invoices]:
    collected = Sum("lines__net", filter=Q(lines__collected_by=CollectedBy.PLATFORM))
    invoices = Invoice.objects.filter(theirs, bill_at__gte=since, order=None).annotate(
        collected=collected
    )
    found: defaultdict[Payer, _Invoices] = defaultdict(_Invoices)
    for client_id, currency, bill_at, state, amount in invoices.order_by().values_list(
        "client_id", "currency", "bill_at", "state", "collected"
    ):
        of_payer = found[Payer(client_id, currency)]
        if state == Invoice.State.DRAFT:
            of_payer.drafted[bill_at] = amount or ZERO
        else:
            of_payer.issued.add(bill_at)
    return found


def _drafts(
    bundles: Sequence[tuple[Payer, Bundle]], clients: Mapping[int, Client], now: dt.datetime
) -> Iterator[tuple[Invoice, Bundle]]:
    """The drafts that bundles go on: those that are there, locked, and new ones, not saved yet.

    Left out is what was issued under our hands: the clients' locks keep others from drafting for
    them, but not from issuing.
    """
    there = {
        (invoice.client_id, invoice.currency, invoice.bill_at): invoice
        for invoice in lock_rows(
            Invoice.objects.filter(
                client__in={payer.client_id for payer, _ in bundles},
                bill_at__in={bundle.bill_at for _, bundle in bundles},
                order=None,
            )
        )
    }
    for payer, bundle in bundles:
        client = clients[payer.client_id]
        invoice = there.get((*payer, bundle.bill_at))
        if invoice is None:
            invoice = Invoice(
                agency=client.agency,
                client=client,
                currency=payer.currency,
                bill_at=bundle.bill_at,
                created_at=now,
            )
        invoice.client, invoice.agency = client, client.agency
        if invoice.state == Invoice.State.DRAFT:
            yield invoice, bundle
