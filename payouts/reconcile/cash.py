"""Money in and out against what it became, month by month (README, "Cash").

    received - gone back - disputed - paid back - change of clients' balances
        = earnings + taxes + platform fees + platform-paid cost

The left side is read from payments, reversals, disputes, refunds and balance entries; the right one
from stored earnings, and from taxes worked out from what is printed. So money that came and brought
nothing, and earnings that no money brought, both show.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from agencyportal.core.money import plain
from billing.models import (
    BalanceEntry,
    CreditNote,
    Invoice,
    InvoiceLine,
    InvoiceMovement,
    Payment,
    PaymentReversal,
    Refund,
)
from clients.models import Agency
from payouts.accrual import revenue_of
from payouts.models import Earning, Payout
from payouts.months import Month
from payouts.services.earnings import movements_of, unposted_before

from .findings import Checked, Difference, Finding, compare
from .scope import CHUNK, Scope

SUBJECT: Final = "Cash by month"
TAXES: Final = "Taxes of settled invoices"

ZERO: Final = Decimal(0)

_Kinds = Earning.Kind

OWN: Final = frozenset({_Kinds.ADJUSTMENT, _Kinds.RESERVE})
"""Earnings that no client's money brings: the platform gives, takes or keeps them."""

DATED: Final = {
    BalanceEntry.Kind.OVERPAYMENT: "payment__received_at",
    BalanceEntry.Kind.APPLIED: "payment__received_at",
    BalanceEntry.Kind.CREDIT_NOTE: "credit_note__issued_at",
    BalanceEntry.Kind.REVERSAL: "reversal__reversed_at",
    BalanceEntry.Kind.REFUND: "refund__requested_at",
    BalanceEntry.Kind.REFUND_FAILED: "refund__settled_at",
}
"""Whose date an entry of a balance has: its cause's. An adjustment by hand is the platform's own
money and is left out."""

_Where = tuple[str, Month]
_Amounts = dict[_Where, Decimal]


def _amounts() -> _Amounts:
    return defaultdict(Decimal)


@dataclass(slots=True)
class Books:
    """One agency's sums by currency and month."""

    timezone: str
    received: _Amounts = field(default_factory=_amounts)
    gone_back: _Amounts = field(default_factory=_amounts)
    disputed: _Amounts = field(default_factory=_amounts)
    paid_back: _Amounts = field(default_factory=_amounts)
    balances: _Amounts = field(default_factory=_amounts)
    earnings: _Amounts = field(default_factory=_amounts)
    taxes: _Amounts = field(default_factory=_amounts)
    fees: _Amounts = field(default_factory=_amounts)
    cost: _Amounts = field(default_factory=_amounts)

    def add(
        self, sums: _Amounts, currency: str, at: dt.datetime | None, amount: Decimal | None
    ) -> None:
        if at is not None and amount:
            sums[currency, Month.of(at, self.timezone)] += amount

    def cash(self, where: _Where) -> Decimal:
        """What the month's money comes to."""
        gone = self.gone_back[where] + self.disputed[where] + self.paid_back[where]
        return self.received[where] - gone - self.balances[where]

    def explained(self, where: _Where) -> Decimal:
        """What it became."""
        return self.earnings[where] + self.taxes[where] + self.fees[where] + self.cost[where]

    def in_words(self, where: _Where) -> str:
        """The right side, term by term."""
        terms = (self.earnings, self.taxes, self.fees, self.cost)
        names = ("earnings", "taxes", "platform fees", "platform-paid cost")
        said = (f"{plain(t[where])} {n}" for t, n in zip(terms, names, strict=True))
        return f"{plain(self.explained(where))} ({', '.join(said)})"


def check_cash(scope: Scope) -> Iterator[Finding]:
    """Every closed month of every agency and currency."""
    for agency in scope.of(Agency.objects.all()).order_by("pk"):
        books = Books(agency.timezone)
        yield from _read_taxes(agency, books)
        _read_money(agency, books)
        _read_earnings(agency, books)
        yield from _check_agency(agency, books)


def _check_agency(agency: Agency, books: Books) -> Iterator[Finding]:
    """Months up to the last payout's; one in which something is not posted yet is open."""
    for currency, months in sorted(_closed(agency, books).items()):
        for month in months:
            where = (currency, month)
            if unposted_before(agency_id=agency.pk, until=month.end(agency.timezone)):
                yield Checked(SUBJECT, 0, open=1)
                continue
            yield Checked(SUBJECT, 1)
            if books.cash(where) != books.explained(where):
                yield Difference(
                    SUBJECT,
                    Agency._meta.label,
                    agency.pk,
                    f"{agency}, {month} in {currency}",
                    "cash",
                    plain(books.cash(where)),
                    books.in_words(where),
                )


def _closed(agency: Agency, books: Books) -> dict[str, list[Month]]:
    last: dict[str, Month] = {}
    rows = Payout.objects.for_agency(agency).order_by("month").values_list("currency", "month")
    for currency, first in rows:
        last[currency] = Month(first)
    seen = {*books.received, *books.gone_back, *books.disputed, *books.paid_back}
    seen |= {*books.balances, *books.earnings, *books.taxes}
    months: dict[str, set[Month]] = defaultdict(set)
    for currency, month in seen:
        if currency in last and month <= last[currency]:
            months[currency].add(month)
    return {currency: sorted(found) for currency, found in months.items()}


def _read_money(agency: Agency, books: Books) -> None:
    """Payments, what did not stay of them, disputes, refunds, and balances."""
    cash = Payment.objects.exclude(method=Payment.Method.BALANCE)
    for currency, at, amount in _of(cash, agency, "currency", "received_at", "amount"):
        books.add(books.received, currency, at, amount)
    reversals = PaymentReversal.objects.all()
    fields = ("currency", "reversed_at", "key", "off_invoice", "off_balance")
    for currency, at, key, off_invoice, off_balance in _of(reversals, agency, *fields):
        # What a lost dispute takes off the invoice went when it was opened; it may have bounced.
        gone = ZERO if key.startswith("dispute:") else off_invoice
        books.add(books.gone_back, currency, at, gone + off_balance)
    kinds = InvoiceMovement.Kind
    held = InvoiceMovement.objects.filter(kind__in=(kinds.DISPUTE_OPENED, kinds.DISPUTE_WON))
    for currency, at, amount in _of(held, agency, "currency", "occurred_at", "held"):
        books.add(books.disputed, currency, at, amount)
    fields = ("currency", "requested_at", "settled_at", "state", "amount")
    for currency, at, settled_at, state, amount in _of(Refund.objects.all(), agency, *fields):
        books.add(books.paid_back, currency, at, amount)
        if state == Refund.State.FAILED:
            books.add(books.paid_back, currency, settled_at, -amount)
    for kind, date in DATED.items():
        entries = BalanceEntry.objects.filter(kind=kind)
        for currency, at, amount in _of(entries, agency, "currency", date, "amount"):
            books.add(books.balances, currency, at, amount)


def _read_earnings(agency: Agency, books: Books) -> None:
    fields = ("currency", "occurred_at", "kind", "amount")
    rows = Earning.objects.exclude(kind__in=OWN)
    for currency, at, kind, amount in _of(rows, agency, *fields):
        books.add(books.earnings, currency, at, amount)
        if kind == _Kinds.PLATFORM_FEE:
            books.add(books.fees, currency, at, -amount)
        elif kind == _Kinds.ROUTED_COST:
            books.add(books.cost, currency, at, -amount)


def _read_taxes(agency: Agency, books: Books) -> Iterator[Finding]:
    """What every movement of an invoice moves beyond the net of its lines. A settled invoice has
    brought exactly the taxes that are printed, less those of its credit notes."""
    moved = Exists(InvoiceMovement.objects.filter(invoice=OuterRef("pk")))
    lines = InvoiceLine.objects.select_related("charge").order_by("position")
    invoices = (
        Invoice.objects.for_agency(agency)
        .filter(moved)
        .defer("snapshot")
        .prefetch_related("taxes", Prefetch("lines", lines), Prefetch("movements", movements_of()))
        .order_by("pk")
    )
    checked = 0
    for invoice in invoices.iterator(chunk_size=CHUNK // 20):
        try:
            brought = _taxes_of(invoice, books)
        except ValueError:
            continue  # named by the check of earnings
        if _is_settled(invoice):
            printed = sum((row.tax - row.credited_tax for row in invoice.taxes.all()), ZERO)
            name = f"invoice {invoice.number}"
            yield from compare(TAXES, invoice, name, {"taxes": (brought, printed)})
            checked += 1
    yield Checked(TAXES, checked)
    notes = CreditNote.objects.filter(invoice=None)
    for currency, at, tax in _of(notes, agency, "currency", "issued_at", "tax"):
        books.add(books.taxes, currency, at, -tax)


def _is_settled(invoice: Invoice) -> bool:
    """Paid, and nothing of it disputed: what a dispute holds back is not brought yet."""
    held = sum((movement.held for movement in invoice.movements.all()), ZERO)
    return invoice.state == Invoice.State.PAID and not invoice.amount_due and not held


def _taxes_of(invoice: Invoice, books: Books) -> Decimal:
    """Puts an invoice's taxes into their months; returns what all of them come to. What is
    disputed counts as gone."""
    movements = list(invoice.movements.all())
    nets: dict[tuple[int | None, int | None], Decimal] = defaultdict(Decimal)
    for earning in revenue_of(invoice, invoice.lines.all(), movements, ()):
        nets[earning.payment_id, earning.movement_id] += earning.amount
    total = ZERO
    for movement in movements:
        if movement.kind == InvoiceMovement.Kind.DISPUTE_LOST:
            continue
        of_payment = (movement.payment_id, None)
        net = nets[of_payment if movement.payment_id is not None else (None, movement.pk)]
        tax = movement.paid - movement.held - net
        books.add(books.taxes, invoice.currency, movement.occurred_at, tax)
        total += tax
    return total


def _of(queryset: QuerySet[Any], agency: Agency, *fields: str) -> Iterator[tuple[Any, ...]]:
    rows: Any = queryset.for_agency(agency).order_by().values_list(*fields)  # type: ignore[attr-defined]
    yield from rows.iterator(chunk_size=CHUNK)
