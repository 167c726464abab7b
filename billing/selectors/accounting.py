"""What an accountant takes over: documents of a period, a row each, as tables with named columns.

By the day of issue; payments by the platform's day on which they came. Drafts are no documents.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from agencyportal.core.money import round_money
from agencyportal.core.tenancy import Access
from billing.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine, Payment
from clients.models import Platform

CHUNK: Final = 2000

Cell = str | Decimal | dt.date | None


@dataclass(frozen=True, slots=True)
class Span:
    """Days of the platform's calendar, both included."""

    first: dt.date
    last: dt.date


@dataclass(frozen=True, slots=True)
class AccountingTable:
    """``columns``: the heading of each and where its value is. ``money``: those in the row's
    currency, written with its digits."""

    slug: str
    title: str
    columns: dict[str, str]
    money: frozenset[str]
    rows: Callable[[Access, Span], QuerySet[Any]]

    def read(self, access: Access, span: Span) -> Iterator[list[Cell]]:
        """The rows that ``access`` opens, in the order of their numbers. One query."""
        headings = list(self.columns)
        currency = headings.index("currency")
        found = self.rows(access, span).values_list(*self.columns.values())
        for row in found.iterator(chunk_size=CHUNK):
            yield [
                round_money(value, row[currency]) if heading in self.money else _plain(value)
                for heading, value in zip(headings, row, strict=True)
            ]


def _plain(value: Any) -> Cell:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value if value is None or isinstance(value, Decimal | dt.date) else str(value)


def _invoices(access: Access, span: Span) -> QuerySet[Any]:
    rows = Invoice.objects.for_access(access).issued()
    return rows.filter(issue_date__range=(span.first, span.last)).order_by("issue_date", "number")


def _invoice_lines(access: Access, span: Span) -> QuerySet[Any]:
    rows = InvoiceLine.objects.for_access(access).exclude(invoice__state=Invoice.State.DRAFT)
    rows = rows.filter(invoice__issue_date__range=(span.first, span.last))
    return rows.order_by("invoice__issue_date", "invoice__number", "position")


def _credit_notes(access: Access, span: Span) -> QuerySet[Any]:
    rows = CreditNote.objects.for_access(access)
    return rows.filter(issue_date__range=(span.first, span.last)).order_by("issue_date", "number")


def _credit_note_lines(access: Access, span: Span) -> QuerySet[Any]:
    rows = CreditNoteLine.objects.for_access(access)
    rows = rows.filter(credit_note__issue_date__range=(span.first, span.last))
    return rows.order_by("credit_note__issue_date", "credit_note__number", "position")


def _payments(access: Access, span: Span) -> QuerySet[Any]:
    platform = Platform.objects.first()
    zone = ZoneInfo(str(platform.timezone)) if platform else dt.UTC
    begin = dt.datetime.combine(span.first, dt.time(), zone)
    end = dt.datetime.combine(span.last + dt.timedelta(days=1), dt.time(), zone)
    rows = Payment.objects.for_access(access).filter(received_at__gte=begin, received_at__lt=end)
    return rows.order_by("received_at", "pk")


def _of(path: str = "") -> dict[str, str]:
    """Whose it is: the columns that every table has."""
    return {
        "agency": f"{path}agency__name",
        "client": f"{path}client__name",
        "client_id": f"{path}client__slug",
    }


_LINE = {
    "position": "position",
    "description": "description",
    "quantity": "quantity",
    "net": "net",
    "currency": "currency",
    "tax_category": "tax_category",
    "tax_percent": "tax_percent",
    "tax_reason": "tax_reason",
    "tax_reason_code": "tax_reason_code",
}

TABLES: Final = {
    table.slug: table
    for table in (
        AccountingTable(
            "invoices",
            "Invoices",
            {
                "number": "number",
                "issue_date": "issue_date",
                "due_date": "due_date",
                **_of(),
                "client_tax_id": "client__tax_id",
                "state": "state",
                "currency": "currency",
                "net": "net",
                "tax": "tax",
                "total": "total",
                "paid": "amount_paid",
                "credited": "amount_credited",
            },
            frozenset({"net", "tax", "total", "paid", "credited"}),
            _invoices,
        ),
        AccountingTable(
            "invoice_lines",
            "Lines of invoices",
            {
                "invoice": "invoice__number",
                "issue_date": "invoice__issue_date",
                **_of("invoice__"),
                "workspace": "workspace__slug",
                "kind": "kind",
                "collected_by": "collected_by",
                **_LINE,
            },
            frozenset({"net"}),
            _invoice_lines,
        ),
        AccountingTable(
            "payments",
            "Payments",
            {
                "received_at": "received_at",
                "invoice": "invoice__number",
                **_of(),
                "method": "method",
                "reference": "reference",
                "currency": "currency",
                "amount": "amount",
                "kept_as_balance": "kept",
                "returned": "returned",
            },
            frozenset({"amount", "kept_as_balance", "returned"}),
            _payments,
        ),
        AccountingTable(
            "credit_notes",
            "Credit notes",
            {
                "number": "number",
                "issue_date": "issue_date",
                "invoice": "invoice__number",
                **_of(),
                "reason": "reason",
                "currency": "currency",
                "net": "net",
                "tax": "tax",
                "total": "total",
                "no_longer_due": "to_due",
                "to_balance": "to_balance",
            },
            frozenset({"net", "tax", "total", "no_longer_due", "to_balance"}),
            _credit_notes,
        ),
        AccountingTable(
            "credit_note_lines",
            "Lines of credit notes",
            {
                "credit_note": "credit_note__number",
                "issue_date": "credit_note__issue_date",
                **_of("credit_note__"),
                **_LINE,
            },
            frozenset({"net"}),
            _credit_note_lines,
        ),
    )
}
