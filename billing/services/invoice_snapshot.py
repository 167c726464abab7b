"""Freezes what invoices say: reads everything their PDFs need, once, into a snapshot each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import cast

from babel.core import Locale, UnknownLocaleError
from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _

from agencyportal.core.documents import Brand, Party, Span
from agencyportal.core.formats import Formats
from agencyportal.core.money import round_money
from agencyportal.core.printing import COUNTRIES_WITH_VAT
from billing import stripe_gateway as gateway
from billing.documents.invoice_snapshot import (
    AgencyCollectedLine,
    AppliedPayment,
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
from billing.models import (
    BillingPeriod,
    CollectedBy,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    LineKind,
    Payment,
)
from billing.portal_links import page_of_invoice
from clients.models import Agency, Client, Platform, Workspace
from clients.models.parties import Party as PartyRow

from .conversion_notes import Conversions
from .invoice_pricing import PricedInvoice
from .usage_summary import UsageOfPeriods, span_of, span_of_charge


def freeze(
    priced: Sequence[PricedInvoice], platform: Platform, paying: Mapping[int, Payment]
) -> list[InvoiceSnapshot]:
    """The snapshots of invoices with these figures; reads, and writes nothing.

    ``paying``: what clients' balances pay at once, by invoice.
    The lines' charges come with their workspace, period, unit and margin rule loaded. Number and
    dates are the invoices'; without a number it is a draft. Texts are in the clients' languages.
    As many queries for many as for one.
    """
    periods = _usage_periods(priced)
    usage = UsageOfPeriods([period for of_one in periods for period in of_one])
    conversions = Conversions(line for one in priced for line in _ours(one))
    frozen = []
    for one, of_one in zip(priced, periods, strict=True):
        with translation.override(one.invoice.client.language):
            payment = paying.get(one.invoice.pk)
            notes = conversions.notes(
                _ours(one),
                Formats(locale_of(one.invoice.client), one.invoice.currency),
                one.invoice.client.timezone,
            )
            frozen.append(_freeze(one, of_one, usage, platform, payment, notes))
    return frozen


def _freeze(
    priced: PricedInvoice,
    periods: Sequence[BillingPeriod],
    usage: UsageOfPeriods,
    platform: Platform,
    payment: Payment | None,
    notes: Sequence[str],
) -> InvoiceSnapshot:
    invoice = priced.invoice
    if invoice.issue_date is None:
        raise ValueError("An invoice has a date before it is printed.")
    client, agency = invoice.client, invoice.agency
    ours = _ours(priced)
    money = PrintedMoney(invoice.currency)
    paid = money(payment.applied if payment else 0)
    return InvoiceSnapshot(
        number=invoice.number or "",
        issue_date=invoice.issue_date,
        due_date=invoice.due_date,
        currency=invoice.currency,
        seller=party_of(platform),
        agency=brand_of(agency),
        buyer=party_of(client),
        sections=tuple(_sections(invoice, ours, periods, usage, money)),
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
            net=money(priced.net),
            tax=money(priced.tax),
            gross=money(priced.total),
            paid=paid,
            due=money(priced.total - paid),
        ),
        payments=(AppliedPayment(description=_how_it_was_paid(payment), amount=paid),)
        if payment
        else (),
        payment=_how_to_pay(invoice, platform),
        service_periods=tuple(_service_periods(periods, ours)),
        tax_name=tax_name_of(platform),
        notes=tuple(notes),
        locale=locale_of(client),
    )


def _how_it_was_paid(payment: Payment) -> str:
    if payment.method == Payment.Method.BALANCE:
        return _("From your balance")
    return _("Paid by card") if payment.method == Payment.Method.CARD else _("Paid online")


def _ours(priced: PricedInvoice) -> list[InvoiceLine]:
    return [line for line in priced.lines if line.collected_by == CollectedBy.PLATFORM]


class PrintedMoney:
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
        street=tuple(line for line in (row.address_line1, row.address_line2) if line),
        postal_code=row.postal_code,
        city=row.city,
        region=row.region,
        country=row.country,
        tax_id=row.tax_id,
        email=row.email,
    )


def tax_name_of(platform: Platform) -> str:
    """What the platform's tax is called, in the language that is active; empty: simply tax."""
    return _("VAT") if platform.country in COUNTRIES_WITH_VAT else ""


def locale_of(reader: Client | Agency) -> str:
    """The reader's language as its country writes it ("en_IE"), where that is known."""
    try:
        return str(Locale.parse(f"{reader.language}_{reader.country}"))
    except (UnknownLocaleError, ValueError):
        return reader.language


def brand_of(agency: Agency) -> Brand:
    """How the agency's documents look."""
    return Brand(name=agency.name, colour=agency.brand_color, logo=agency.logo, email=agency.email)


def _usage_periods(priced: Sequence[PricedInvoice]) -> list[list[BillingPeriod]]:
    """The closed periods that each invoice accounts for: those that ended at its instant, and
    those whose usage is charged on it."""
    charged = [
        {
            line.charge.period_id
            for line in _ours(one)
            if line.kind in (LineKind.OVERAGE, LineKind.TOP_UP, LineKind.MINIMUM)
        }
        for one in priced
    ]
    ended = Q(
        client__in={one.invoice.client_id for one in priced},
        end__in={one.invoice.bill_at for one in priced},
    )
    closed = BillingPeriod.objects.filter(
        ended | Q(pk__in=set().union(*charged)), state=BillingPeriod.State.CLOSED
    )
    related = ("workspace", "plan_version__plan", "subscription")
    by_payer: defaultdict[tuple[int, str], list[BillingPeriod]] = defaultdict(list)
    for period in closed.select_related(*related).order_by("workspace__slug", "start"):
        by_payer[period.client_id, period.currency].append(period)
    return [
        [
            period
            for period in by_payer[one.invoice.client_id, one.invoice.currency]
            if period.end == one.invoice.bill_at or period.pk in ids
        ]
        for one, ids in zip(priced, charged, strict=True)
    ]


def _sections(
    invoice: Invoice,
    lines: Iterable[InvoiceLine],
    periods: Iterable[BillingPeriod],
    usage: UsageOfPeriods,
    money: PrintedMoney,
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
            usage=tuple(summary for period in used for summary in usage.summaries(period)),
        )


def _main_period(
    invoice: Invoice, lines: list[InvoiceLine], periods: list[BillingPeriod]
) -> BillingPeriod:
    """What a section is about: the period that ends at the invoice's instant, if there is one."""
    ending = [period for period in periods if period.end == invoice.bill_at]
    charged = [line.charge.period for line in lines]
    return (ending or periods or charged)[0]


def _printed(line: InvoiceLine, money: PrintedMoney) -> PrintedLine:
    charge = line.charge
    once = line.kind == LineKind.IMPLEMENTATION
    return PrintedLine(
        kind=cast(PrintedKind, str(line.kind)),
        description=line.description,
        net=money(line.net),
        quantity=line.quantity if charge.unit else None,
        unit=charge.unit.plural if charge.unit else "",
        unit_price=Decimal(line.unit_amount) if line.unit_amount and charge.unit else None,
        period=None if once else span_of_charge(charge),
        tax_category=cast(PrintedCategory, str(line.tax_category)),
        tax_rate=line.tax_percent,
        margin_rule=charge.margin_rule.name if charge.margin_rule else "",
    )


def _tax(tax: InvoiceTax, money: PrintedMoney) -> TaxLine:
    return TaxLine(
        category=cast(PrintedCategory, str(tax.category)),
        rate=tax.percent,
        base=money(tax.base),
        tax=money(tax.tax),
        reason=tax.reason,
        reason_code=tax.reason_code,
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
        pay_url=page_of_invoice(invoice) if gateway.is_on() else "",
    )


def _service_periods(periods: Iterable[BillingPeriod], lines: Iterable[InvoiceLine]) -> list[Span]:
    """The spans that the invoice accounts for; on activation, the ones it pays in advance."""
    spans = {span_of(period) for period in periods} or {
        span_of_charge(line.charge) for line in lines
    }
    return sorted(spans, key=lambda span: (span.first, span.last))
