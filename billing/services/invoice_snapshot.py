"""Freezes what an invoice says: reads everything its PDF needs, once, into one snapshot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby
from typing import cast

from babel.core import Locale, UnknownLocaleError
from django.utils.translation import gettext as _

from agencyportal.core.documents import Brand, Party, Span
from agencyportal.core.money import round_money
from agencyportal.core.periods import local_date
from billing.documents.invoice_snapshot import (
    AgencyCollectedLine,
    InvoiceSnapshot,
    InvoiceTotals,
    PaymentDetail,
    PaymentInstructions,
    TaxLine,
    WorkspaceSection,
)
from billing.documents.invoice_snapshot import InvoiceLine as PrintedLine
from billing.documents.invoice_snapshot import LineKind as PrintedKind
from billing.documents.invoice_snapshot import TaxCategory as PrintedCategory
from billing.models import BillingPeriod, CollectedBy, Invoice, InvoiceLine, InvoiceTax, LineKind
from clients.models import Agency, Client, Platform, Workspace
from clients.models.parties import Party as PartyRow

from .invoice_pricing import PricedInvoice
from .usage_summary import summaries

_MICROSECOND = dt.timedelta(microseconds=1)


def freeze(invoice: Invoice, priced: PricedInvoice, platform: Platform) -> InvoiceSnapshot:
    """The snapshot of ``invoice`` with these figures; reads, and writes nothing.

    The lines' charges come with their workspace, period, unit and margin rule loaded. Number and
    dates are the invoice's; without a number it is a draft. Texts are in the language that is
    active: the client's.
    """
    if invoice.issue_date is None:
        raise ValueError("An invoice has a date before it is printed.")
    client, agency = invoice.client, invoice.agency
    ours = [line for line in priced.lines if line.collected_by == CollectedBy.PLATFORM]
    periods = _usage_periods(invoice, ours)
    money = _Money(invoice.currency)
    total = money(priced.total)
    return InvoiceSnapshot(
        number=invoice.number or "",
        issue_date=invoice.issue_date,
        due_date=invoice.due_date,
        currency=invoice.currency,
        seller=party_of(platform),
        agency=brand_of(agency),
        buyer=party_of(client),
        sections=tuple(_sections(invoice, ours, periods, money)),
        collected_by_agency=tuple(
            AgencyCollectedLine(
                description=line.description,
                net=money(line.net),
                workspace=line.charge.workspace.name,
            )
            for line in priced.lines
            if line.collected_by == CollectedBy.AGENCY
        ),
        taxes=tuple(_tax(tax, money) for tax in priced.taxes),
        totals=InvoiceTotals(
            net=money(priced.net), tax=money(priced.tax), gross=total, paid=money(0), due=total
        ),
        payment=_how_to_pay(invoice, platform),
        service_periods=tuple(_service_periods(periods, ours)),
        locale=locale_of(client),
    )


class _Money:
    """Amounts as printed: with the currency's digits, which the stored four places may exceed."""

    def __init__(self, currency: str) -> None:
        self.currency = currency

    def __call__(self, amount: Decimal | int) -> Decimal:
        rounded = round_money(amount, self.currency)
        # An amount finer than the currency stays as it is: the snapshot refuses it by name.
        return rounded if rounded == amount else Decimal(amount)


def party_of(row: PartyRow) -> Party:
    """A platform, agency or client as it stands in an address block."""
    lines = row.address_lines
    return Party(
        name=row.printed_name,
        address=tuple(lines[:-1] if row.country else lines),
        country=row.country,
        tax_id=row.tax_id,
        email=row.email,
    )


def locale_of(client: Client) -> str:
    """The client's language as its country writes it ("en_IE"), where that is known."""
    try:
        return str(Locale.parse(f"{client.language}_{client.country}"))
    except (UnknownLocaleError, ValueError):
        return client.language


def brand_of(agency: Agency) -> Brand:
    """How the agency's documents look."""
    return Brand(name=agency.name, colour=agency.brand_color, email=agency.email)


def span_of(period: BillingPeriod) -> Span:
    """The local days of a period."""
    return Span(
        first=local_date(period.start, period.timezone),
        last=local_date(period.end - _MICROSECOND, period.timezone),
    )


def _usage_periods(invoice: Invoice, lines: Iterable[InvoiceLine]) -> list[BillingPeriod]:
    """The closed periods that the invoice accounts for: those that ended at its instant, and
    those whose usage is charged on it."""
    charged = {
        line.charge.period_id
        for line in lines
        if line.kind in (LineKind.OVERAGE, LineKind.TOP_UP, LineKind.MINIMUM)
    }
    closed = BillingPeriod.objects.filter(
        client_id=invoice.client_id,
        currency=invoice.currency,
        state=BillingPeriod.State.CLOSED,
    )
    ended = closed.filter(end=invoice.bill_at) | closed.filter(pk__in=charged)
    related = ("workspace", "plan_version__plan", "subscription")
    return list(ended.select_related(*related).order_by("workspace__slug", "start"))


def _sections(
    invoice: Invoice,
    lines: Iterable[InvoiceLine],
    periods: Iterable[BillingPeriod],
    money: _Money,
) -> Iterator[WorkspaceSection]:
    """One per workspace that is charged or was used, in the order of their slugs."""
    of_lines: dict[Workspace, list[InvoiceLine]] = {}
    for line in lines:
        of_lines.setdefault(line.charge.workspace, []).append(line)
    of_periods = {
        workspace: list(group)
        for workspace, group in groupby(periods, key=lambda period: period.workspace)
    }
    for workspace in sorted({*of_lines, *of_periods}, key=lambda workspace: workspace.slug):
        charged, used = of_lines.get(workspace, []), of_periods.get(workspace, [])
        about = _main_period(invoice, charged, used)
        yield WorkspaceSection(
            name=workspace.name,
            slug=workspace.slug,
            package=about.plan_version.plan.name,
            period=span_of(about),
            net=money(sum((line.net for line in charged), Decimal(0))),
            lines=tuple(_printed(line, money) for line in charged),
            usage=tuple(
                summary for period in used for summary in summaries(period, span_of(period))
            ),
        )


def _main_period(
    invoice: Invoice, lines: list[InvoiceLine], periods: list[BillingPeriod]
) -> BillingPeriod:
    """What a section is about: the period that ends at the invoice's instant, if there is one."""
    ending = [period for period in periods if period.end == invoice.bill_at]
    charged = [line.charge.period for line in lines]
    return (ending or periods or charged)[0]


def _printed(line: InvoiceLine, money: _Money) -> PrintedLine:
    charge = line.charge
    once = line.kind == LineKind.IMPLEMENTATION
    return PrintedLine(
        kind=cast(PrintedKind, str(line.kind)),
        description=line.description,
        net=money(line.net),
        quantity=line.quantity if charge.unit else None,
        unit=charge.unit.plural if charge.unit else "",
        unit_price=Decimal(line.unit_amount) if line.unit_amount and charge.unit else None,
        period=None if once else span_of(charge.period),
        tax_category=cast(PrintedCategory, str(line.tax_category)),
        tax_rate=line.tax_percent,
        margin_rule=charge.margin_rule.name if charge.margin_rule else "",
    )


def _tax(tax: InvoiceTax, money: _Money) -> TaxLine:
    return TaxLine(
        category=cast(PrintedCategory, str(tax.category)),
        rate=tax.percent,
        base=money(tax.base),
        tax=money(tax.tax),
        reason=tax.reason,
    )


def _how_to_pay(invoice: Invoice, platform: Platform) -> PaymentInstructions:
    """Payment terms, and the platform's bank details: "IBAN: DE02..." is a label and a value."""
    if invoice.due_date is None:
        return PaymentInstructions()
    days = invoice.agency.payment_terms_days
    lines = [line.strip() for line in platform.payment_details.splitlines() if line.strip()]
    split = [line.partition(": ") for line in lines]
    return PaymentInstructions(
        terms=_("Payable within %(days)d days of issue, without deduction.") % {"days": days},
        details=tuple(
            PaymentDetail(label=label, value=value.strip())
            if colon
            else PaymentDetail(label=_("Bank transfer"), value=label)
            for label, colon, value in split
        ),
    )


def _service_periods(periods: Iterable[BillingPeriod], lines: Iterable[InvoiceLine]) -> list[Span]:
    """The spans that the invoice accounts for; on activation, the ones it pays in advance."""
    spans = {span_of(period) for period in periods} or {
        span_of(line.charge.period) for line in lines
    }
    return sorted(spans, key=lambda span: (span.first, span.last))
