"""Books written by hand: periods, invoices and payments with chosen amounts, row by row.

For tests of what is made out of them. How such rows come about is tested elsewhere.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from billing.models import (
    BillingPeriod,
    Charge,
    CollectedBy,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    Payment,
    PeriodUsage,
    Plan,
    PlanVersion,
    Subscription,
)
from billing.services.payments import record_payment
from billing.tax import tax_on
from clients.models import UsageUnit, Workspace

NONE = Decimal(0)
MONTHS = [dt.datetime(2026, month, 1, 5, tzinfo=dt.UTC) for month in (1, 2)] + [
    dt.datetime(2026, 3, 1, 5, tzinfo=dt.UTC),
    dt.datetime(2026, 4, 1, 4, tzinfo=dt.UTC),
]
"""Boundaries of the months January to March 2026 in New York."""


def subscription(workspace: Workspace) -> Subscription:
    client = workspace.client
    plan, _created = Plan.objects.get_or_create(
        agency=workspace.agency, slug="starter", defaults={"name": "Starter", "currency": "USD"}
    )
    version, _created = PlanVersion.objects.get_or_create(
        plan=plan, number=1, interval="month", anchor="calendar"
    )
    return Subscription.objects.create(
        agency=workspace.agency,
        client=client,
        workspace=workspace,
        plan_version=version,
        currency=client.currency,
        timezone=client.timezone,
        anchor_date=dt.date(2026, 1, 1),
        start=MONTHS[0],
    )


def closed_period(of: Subscription, month: int = 1) -> BillingPeriod:
    """``month``: 1 is January 2026; it closes a day after its end."""
    start, end = MONTHS[month - 1], MONTHS[month]
    return BillingPeriod.objects.create(
        agency=of.agency,
        client=of.client,
        workspace=of.workspace,
        subscription=of,
        plan_version=of.plan_version,
        currency=of.currency,
        timezone=of.timezone,
        start=start,
        end=end,
        full_start=start,
        full_end=end,
        state=BillingPeriod.State.CLOSED,
        due_at=end + dt.timedelta(days=1),
        closed_at=end + dt.timedelta(days=1),
    )


def frozen_usage(
    period: BillingPeriod, unit: UsageUnit, *, used: str = "0", platform_cost: str = "0"
) -> PeriodUsage:
    return PeriodUsage.objects.create(
        period=period,
        unit=unit,
        policy="bill",
        used=Decimal(used),
        included=NONE,
        top_up=NONE,
        overage=Decimal(used),
        expired_unused=NONE,
        rolled_over=NONE,
        overage_amount=NONE,
        currency=period.currency,
        platform_cost=Decimal(platform_cost),
        agency_cost=NONE,
    )


@dataclass(frozen=True)
class Line:
    """One line of an invoice to be written; ``percent`` of tax."""

    kind: str
    net: str
    unit: UsageUnit | None = None
    percent: str = "0"
    collected_by: str = CollectedBy.PLATFORM


def issued_invoice(
    period: BillingPeriod, *lines: Line, number: str, tax: str = "0", at: dt.datetime | None = None
) -> Invoice:
    """An issued invoice over these lines; what the agency collects itself is in no total."""
    issued_at = at or period.end + dt.timedelta(days=1)
    net = sum(
        (Decimal(line.net) for line in lines if line.collected_by == CollectedBy.PLATFORM), NONE
    )
    invoice = Invoice.objects.create(
        agency=period.agency,
        client=period.client,
        currency=period.currency,
        bill_at=issued_at,
        net=net,
        tax=Decimal(tax),
        total=net + Decimal(tax),
    )
    for position, line in enumerate(lines, start=1):
        _line(invoice, period, position, line)
    _taxes(invoice)
    invoice.state = Invoice.State.ISSUED
    invoice.number, invoice.sequence = number, int(number.rpartition("-")[2])
    invoice.issued_at, invoice.issue_date = issued_at, issued_at.date()
    invoice.snapshot = {"schema": 1}
    invoice.save()
    return invoice


def _taxes(invoice: Invoice) -> None:
    bases: dict[tuple[str, Decimal], Decimal] = {}
    for line in invoice.lines.filter(collected_by=CollectedBy.PLATFORM):
        group = (line.tax_category, line.tax_percent)
        bases[group] = bases.get(group, NONE) + line.net
    for (category, percent), base in bases.items():
        InvoiceTax.objects.create(
            invoice=invoice,
            category=category,
            percent=percent,
            base=base,
            tax=tax_on(base, percent, invoice.currency),
            currency=invoice.currency,
        )


def _line(invoice: Invoice, period: BillingPeriod, position: int, line: Line) -> None:
    charge = Charge.objects.create(
        agency=period.agency,
        client=period.client,
        workspace=period.workspace,
        period=period,
        unit=line.unit,
        kind=line.kind,
        description=f"{line.kind} of {period}",
        amount=Decimal(line.net),
        currency=period.currency,
        collected_by=line.collected_by,
        bill_at=period.end,
        key=f"{line.kind}:{period.pk}:{position}",
    )
    InvoiceLine.objects.create(
        invoice=invoice,
        charge=charge,
        position=position,
        workspace=charge.workspace,
        unit=charge.unit,
        kind=charge.kind,
        description=charge.description,
        quantity=charge.quantity,
        net=charge.amount,
        currency=charge.currency,
        collected_by=charge.collected_by,
        tax_category="S" if Decimal(line.percent) else "Z",
        tax_percent=Decimal(line.percent),
    )


def pay(invoice: Invoice, amount: str, at: dt.datetime) -> Payment:
    key = f"{invoice.number}:{invoice.payments.count() + 1}"
    return record_payment(
        invoice=invoice,
        amount=Decimal(amount),
        currency=invoice.currency,
        method=Payment.Method.BANK_TRANSFER,
        reference=key,
        received_at=at,
        now=at,
        key=key,
    )
