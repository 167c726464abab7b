"""Everything an invoice says, frozen at issue.

The invoice's PDF is a function of this and of the templates, so it may be rendered again, by any
worker, without a look at the database. Amounts are in the document's currency, already rounded to
its digits; quantities and unit prices may have more places. Nothing here computes: the figures are
those of the stored invoice, and a snapshot whose figures do not add up cannot be made. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Literal

from agencyportal.core.documents import (
    Brand,
    Frozen,
    Party,
    Snapshot,
    SnapshotError,
    Span,
    must_add_up,
    must_be_printable,
)

SCHEMA = 1

DocumentKind = Literal["invoice", "credit_note"]
LineKind = Literal[
    "implementation",
    "base",
    "support",
    "top_up",
    "overage",
    "minimum",
    "credit",
    "discount",
    "late_usage",
]
TaxCategory = Literal["S", "Z", "E", "AE", "K", "G", "O"]
"""UNCL 5305 as EN 16931 uses it: S standard or reduced rate, Z zero rated, E exempt,
AE reverse charge, K intra-community supply, G export, O outside the scope of tax."""


class InvoiceLine(Frozen, frozen=True, kw_only=True):
    """One priced line. Credits and discounts are lines with a negative `net`."""

    kind: LineKind
    description: str
    net: Decimal
    quantity: Decimal | None = None
    unit: str = ""
    """What `quantity` counts, as the client calls it: "conversations"."""
    unit_price: Decimal | None = None
    """Only where one price holds for the whole quantity (not for tiers or cost-plus)."""
    period: Span | None = None
    """Printed when it differs from the section's."""
    tax_category: TaxCategory = "S"
    tax_rate: Decimal = Decimal(0)
    """Percent: Decimal("19")."""
    margin_rule: str = ""
    """Name of the margin rule, where it priced the line."""
    details: tuple[str, ...] = ()
    """Further lines beneath the description: tiers, the period late usage belongs to."""


class UsageSummary(Frozen, frozen=True, kw_only=True):
    """One unit of one workspace over one period: `used = included + top_up + overage`."""

    unit: str
    period: Span
    allowance: Decimal
    """Granted to the period: allowance, rollover and adjustments."""
    used: Decimal
    included: Decimal
    """Used out of the allowance, rollover and adjustments."""
    top_up: Decimal = Decimal(0)
    """Used out of top-ups."""
    overage: Decimal = Decimal(0)
    left: Decimal = Decimal(0)
    """Still usable after the period, other than what rolled over: top-ups that have not expired."""
    expired: Decimal = Decimal(0)
    rolled_over: Decimal = Decimal(0)
    resets_on: date | None = None
    daily: tuple[Decimal, ...] = ()
    """Quantity of each local day from `period.first` on; empty: no chart."""

    def __post_init__(self) -> None:
        must_add_up(f"Usage of {self.unit}", self.used, (self.included, self.top_up, self.overage))
        if min(self.included, self.top_up, self.overage) < 0:
            raise SnapshotError(f"Usage of {self.unit} has a negative part.")
        days = (self.period.last - self.period.first).days + 1
        if self.daily and len(self.daily) != days:
            raise SnapshotError(
                f"Usage of {self.unit} has {len(self.daily)} daily quantities for {days} days."
            )


class WorkspaceSection(Frozen, frozen=True, kw_only=True):
    """What one workspace is charged. An empty `name` is for lines that belong to no workspace."""

    name: str
    net: Decimal
    slug: str = ""
    package: str = ""
    """Name of the plan version in force."""
    period: Span | None = None
    lines: tuple[InvoiceLine, ...] = ()
    usage: tuple[UsageSummary, ...] = ()

    def __post_init__(self) -> None:
        must_add_up(f"Subtotal of {self.name!r}", self.net, (line.net for line in self.lines))


class AgencyCollectedLine(Frozen, frozen=True, kw_only=True):
    """A fee that the agency invoices itself: shown for completeness, in no total."""

    description: str
    net: Decimal
    workspace: str = ""


class TaxLine(Frozen, frozen=True, kw_only=True):
    """Tax of one category and rate, rounded once."""

    category: TaxCategory
    rate: Decimal
    base: Decimal
    tax: Decimal
    reason: str = ""
    """Why no tax is charged, as the law wants it worded: needed for E, AE, K, G and O."""
    reason_code: str = ""
    """The same by the code list VATEX, where that has it (BT-121)."""


class AppliedPayment(Frozen, frozen=True, kw_only=True):
    """Bought credit or money received before issue: a payment, after tax. Positive amounts."""

    description: str
    amount: Decimal
    paid_on: date | None = None


class InvoiceTotals(Frozen, frozen=True, kw_only=True):
    """`gross = net + tax`; `due = gross - paid`."""

    net: Decimal
    tax: Decimal
    gross: Decimal
    paid: Decimal
    due: Decimal

    def __post_init__(self) -> None:
        must_add_up("The gross total", self.gross, (self.net, self.tax))
        must_add_up("The amount due", self.due, (self.gross, -self.paid))


class PaymentDetail(Frozen, frozen=True, kw_only=True):
    """One labelled line of how to pay: ("IBAN", "DE02 ...")."""

    label: str
    value: str


class PaymentInstructions(Frozen, frozen=True, kw_only=True):
    terms: str = ""
    """Payment terms in words: "Payable within 14 days without deduction."."""
    details: tuple[PaymentDetail, ...] = ()
    """Bank details and the like. The reference is always the document's number."""
    pay_url: str = ""
    """Page where the client can pay online; http(s) only."""

    def __post_init__(self) -> None:
        if self.pay_url and not self.pay_url.startswith(("https://", "http://")):
            raise SnapshotError(f"The payment link {self.pay_url!r} is not an http(s) address.")


class Reference(Frozen, frozen=True, kw_only=True):
    """An earlier document: the invoice that a credit note corrects."""

    number: str
    issue_date: date


class InvoiceSnapshot(Snapshot, frozen=True, kw_only=True):
    """An invoice (or credit note) as issued. An empty `number` prints a draft, marked as such."""

    number: str
    issue_date: date
    due_date: date | None
    currency: str
    """ISO 4217."""
    seller: Party
    """The platform: merchant of record."""
    agency: Brand
    """Who built the application and whose look the document has."""
    buyer: Party
    totals: InvoiceTotals
    sections: tuple[WorkspaceSection, ...] = ()
    collected_by_agency: tuple[AgencyCollectedLine, ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    payments: tuple[AppliedPayment, ...] = ()
    payment: PaymentInstructions = PaymentInstructions()
    service_periods: tuple[Span, ...] = ()
    """Usually one; several when workspaces of different periods share the document."""
    notes: tuple[str, ...] = ()
    tax_name: str = ""
    """What the tax is called where the seller is registered: "VAT", "GST"; empty: "Tax"."""
    buyer_reference: str = ""
    """The client's purchase order or cost centre, if it gave one."""
    corrects: Reference | None = None
    """Credit notes only."""
    locale: str = "en"
    """BCP 47 or POSIX ("de-DE", "en_US"): the language, and how numbers and dates are written."""
    kind: DocumentKind = "invoice"
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise SnapshotError(
                f"Invoice snapshot of schema {self.schema}; this version prints {SCHEMA}."
            )
        self._check_totals()
        must_be_printable(self.currency, self.amounts())

    def _check_totals(self) -> None:
        totals = self.totals
        must_add_up("The net total", totals.net, (section.net for section in self.sections))
        must_add_up("The taxable amounts", totals.net, (tax.base for tax in self.taxes))
        must_add_up("The tax total", totals.tax, (tax.tax for tax in self.taxes))
        must_add_up("The amount already paid", totals.paid, (p.amount for p in self.payments))

    def amounts(self) -> Iterator[Decimal]:
        """Every amount that is printed in the currency's digits."""
        for section in self.sections:
            yield from (line.net for line in section.lines)
        yield from (line.net for line in self.collected_by_agency)
        for tax in self.taxes:
            yield from (tax.base, tax.tax)
        yield from (payment.amount for payment in self.payments)
