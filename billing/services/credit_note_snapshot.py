"""Freezes what a credit note says: the same structure as an invoice's, as a credit note."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import cast

from django.utils import translation
from django.utils.translation import gettext as _

from agencyportal.core.formats import Formats
from billing.documents.invoice_snapshot import InvoiceLine as PrintedLine
from billing.documents.invoice_snapshot import (
    InvoiceSnapshot,
    InvoiceTotals,
    Reference,
    TaxLine,
    WorkspaceSection,
)
from billing.documents.invoice_snapshot import LineKind as PrintedKind
from billing.documents.invoice_snapshot import TaxCategory as PrintedCategory
from billing.models import Charge, CreditNote, CreditNoteLine, CreditNoteTax, LineKind
from clients.models import Platform

from .invoice_snapshot import PrintedMoney, brand_of, locale_of, party_of, tax_name_of
from .usage_summary import span_of


def freeze_credit_note(
    note: CreditNote,
    lines: Sequence[CreditNoteLine],
    taxes: Iterable[CreditNoteTax],
    platform: Platform,
) -> InvoiceSnapshot:
    """The snapshot of a credit note, in the client's language; without a number it is a preview.

    Amounts are positive: what is taken back. Seller, buyer and look are as they stand now. The
    lines come with their charge, its workspace, period and unit.
    """
    with translation.override(note.client.language):
        money = PrintedMoney(note.currency)
        return InvoiceSnapshot(
            kind="credit_note",
            number=note.number,
            issue_date=note.issue_date,
            due_date=None,
            currency=note.currency,
            seller=party_of(platform),
            agency=brand_of(note.agency),
            buyer=party_of(note.client),
            sections=tuple(_sections(lines, money)),
            taxes=tuple(
                TaxLine(
                    category=cast(PrintedCategory, str(tax.category)),
                    rate=tax.percent,
                    base=money(tax.base),
                    tax=money(tax.tax),
                    reason=tax.reason,
                    reason_code=tax.reason_code,
                )
                for tax in taxes
            ),
            totals=InvoiceTotals(
                net=money(note.net),
                tax=money(note.tax),
                gross=money(note.total),
                paid=money(0),
                due=money(note.total),
            ),
            corrects=_corrects(note),
            notes=tuple(_notes(note)),
            tax_name=tax_name_of(platform),
            locale=locale_of(note.client),
        )


def charge_of(line: CreditNoteLine) -> Charge:
    """What a line of a credit note is about: its own charge, or that of the invoice's line."""
    if line.charge is not None:
        return line.charge
    if line.invoice_line is None:
        raise ValueError("A line of a credit note is about a line or a charge.")
    return line.invoice_line.charge


def _corrects(note: CreditNote) -> Reference | None:
    invoice = note.invoice
    if invoice is None or invoice.number is None or invoice.issue_date is None:
        return None
    return Reference(number=invoice.number, issue_date=invoice.issue_date)


def _sections(lines: Sequence[CreditNoteLine], money: PrintedMoney) -> Iterator[WorkspaceSection]:
    def workspace(line: CreditNoteLine) -> str:
        return charge_of(line).workspace.slug

    for slug, group in groupby(sorted(lines, key=workspace), key=workspace):
        of_workspace = list(group)
        charge = charge_of(of_workspace[0])
        yield WorkspaceSection(
            name=charge.workspace.name,
            slug=slug,
            package=charge.period.plan_version.plan.name,
            period=span_of(charge.period),
            net=money(sum((line.net for line in of_workspace), Decimal(0))),
            lines=tuple(_printed(line, money) for line in of_workspace),
        )


def _printed(line: CreditNoteLine, money: PrintedMoney) -> PrintedLine:
    charge = charge_of(line)
    counted = charge.unit is not None and line.quantity is not None
    once = charge.kind == LineKind.IMPLEMENTATION
    return PrintedLine(
        kind=cast(PrintedKind, str(charge.kind)),
        description=line.description,
        net=money(line.net),
        quantity=line.quantity if counted else None,
        unit=charge.unit.plural if charge.unit is not None and counted else "",
        period=None if once else span_of(charge.period),
        tax_category=cast(PrintedCategory, str(line.tax_category)),
        tax_rate=line.tax_percent,
    )


def _notes(note: CreditNote) -> Iterator[str]:
    """What becomes of the money, in a sentence each."""
    formats = Formats(locale_of(note.client), note.currency)
    yield note.reason
    if note.to_due and note.invoice is not None:
        yield _("%(amount)s of invoice %(number)s is no longer due.") % {
            "amount": formats.money(note.to_due),
            "number": note.invoice.number,
        }
    if note.to_balance:
        yield _("%(amount)s is on your balance: it pays your next invoice, or is paid back.") % {
            "amount": formats.money(note.to_balance)
        }
