"""From charges to an invoice's lines, taxes and totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from billing.models import Charge, CollectedBy, Invoice, InvoiceLine, InvoiceTax, LineKind
from billing.tax import TaxableLine, TaxTreatment, tax_document

from .tax import collected_elsewhere

KIND_ORDER = [
    LineKind.IMPLEMENTATION,
    LineKind.BASE,
    LineKind.SUPPORT,
    LineKind.TOP_UP,
    LineKind.OVERAGE,
    LineKind.MINIMUM,
    LineKind.LATE_USAGE,
    LineKind.CREDIT,
    LineKind.DISCOUNT,
]
"""Fees, usage, what is taken off: the order of lines within a workspace."""


@dataclass(frozen=True, slots=True)
class PricedInvoice:
    """What an invoice says in figures. The rows are not saved."""

    invoice: Invoice
    lines: list[InvoiceLine]
    taxes: list[InvoiceTax]
    net: Decimal
    tax: Decimal
    total: Decimal


def price(invoice: Invoice, charges: Iterable[Charge], treatment: TaxTreatment) -> PricedInvoice:
    """Put ``charges`` on lines in printed order and add them up; writes nothing.

    What the agency collects itself is a line like any other, but neither taxed nor in a total.
    Tax is computed once per category and rate.
    """
    elsewhere = collected_elsewhere(invoice.agency.name)
    ordered = sorted(charges, key=_printed_order)
    lines = [
        _line(invoice, position, charge, treatment if _is_ours(charge) else elsewhere)
        for position, charge in enumerate(ordered, start=1)
    ]
    ours = [charge for charge in ordered if _is_ours(charge)]
    document = tax_document(
        (TaxableLine(charge.amount, treatment) for charge in ours), invoice.currency
    )
    taxes = [
        InvoiceTax(
            invoice=invoice,
            category=subtotal.treatment.category.value,
            percent=subtotal.treatment.rate,
            reason=subtotal.treatment.reason,
            reason_code=subtotal.treatment.reason_code,
            base=subtotal.net,
            tax=subtotal.tax,
            currency=invoice.currency,
        )
        for subtotal in document.subtotals
    ]
    return PricedInvoice(invoice, lines, taxes, document.net, document.tax, document.gross)


def _is_ours(charge: Charge) -> bool:
    return charge.collected_by == CollectedBy.PLATFORM


def _printed_order(charge: Charge) -> tuple[object, ...]:
    """By workspace, kind, unit, and then by age."""
    return (
        charge.workspace.slug,
        KIND_ORDER.index(LineKind(charge.kind)),
        charge.unit.slug if charge.unit else "",
        charge.period.start,
        charge.pk,
    )


def _line(invoice: Invoice, position: int, charge: Charge, treatment: TaxTreatment) -> InvoiceLine:
    return InvoiceLine(
        invoice=invoice,
        charge=charge,
        position=position,
        workspace_id=charge.workspace_id,
        unit_id=charge.unit_id,
        kind=charge.kind,
        description=charge.description,
        quantity=charge.quantity,
        unit_amount=charge.unit_amount,
        net=charge.amount,
        currency=charge.currency,
        collected_by=charge.collected_by,
        tax_category=treatment.category.value,
        tax_percent=treatment.rate,
        tax_reason=treatment.reason,
        tax_reason_code=treatment.reason_code,
    )
