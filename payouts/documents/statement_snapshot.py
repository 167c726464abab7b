"""Everything a payout statement says, frozen when the payout is built.

**Every amount is signed as it moves the agency's balance**: revenue is positive; routed cost,
platform fees, refunds and disputes are negative (a returned fee is positive). `paid_out` alone is
the positive amount sent. Amounts are in the payout's currency. A statement whose figures do not tie
out cannot be made. Pure.

    opening + usage revenue + fees collected + routed cost + platform fees
            + refunds + disputes + reserve + adjustments = available
    available - paid out = closing
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
    must_add_up,
    must_be_printable,
)

SCHEMA = 1

PayoutState = Literal["draft", "approved", "paid", "failed"]
EarningSource = Literal["usage", "fee"]
AdjustmentKind = Literal["refund", "dispute", "reserve", "adjustment"]


class StatementTotals(Frozen, frozen=True, kw_only=True):
    """The month in ten figures; signs as the module says."""

    opening: Decimal
    """Carried in from the months before."""
    usage_revenue: Decimal
    """Top-ups, overage, minimum and late usage that clients paid, net of tax."""
    fee_revenue: Decimal
    """Implementation, base and support fees that clients paid to the platform, net of tax."""
    routed_cost: Decimal
    platform_fees: Decimal
    refunds: Decimal
    disputes: Decimal
    adjustments: Decimal
    paid_out: Decimal
    closing: Decimal
    """Carried forward: a debt, or an amount below the minimum; else zero."""
    reserve: Decimal = Decimal(0)
    """Kept back for disputes, and given back after; statements of before have none."""

    @property
    def earned(self) -> Decimal:
        return self.usage_revenue + self.fee_revenue

    @property
    def deducted(self) -> Decimal:
        """Costs, fees and adjustments together; negative unless money came back."""
        return (
            self.routed_cost
            + self.platform_fees
            + self.refunds
            + self.disputes
            + self.reserve
            + self.adjustments
        )

    @property
    def available(self) -> Decimal:
        return self.opening + self.earned + self.deducted

    def __post_init__(self) -> None:
        must_add_up("The closing balance", self.closing, (self.available, -self.paid_out))
        if self.paid_out < 0:
            raise SnapshotError(
                f"A payout of {self.paid_out}: a debt is carried forward, not paid."
            )


class EarningLine(Frozen, frozen=True, kw_only=True):
    """What one unit (or kind of fee) of one workspace brought. `net = revenue + cost + fee`."""

    description: str
    """The unit as the client calls it, or the fee's name."""
    source: EarningSource
    revenue: Decimal
    routed_cost: Decimal
    platform_fee: Decimal
    net: Decimal
    quantity: Decimal | None = None
    """Units used in the month, where one number says it."""

    def __post_init__(self) -> None:
        parts = (self.revenue, self.routed_cost, self.platform_fee)
        must_add_up(f"Net of {self.description!r}", self.net, parts)


class WorkspaceEarnings(Frozen, frozen=True, kw_only=True):
    name: str
    slug: str = ""
    lines: tuple[EarningLine, ...] = ()


class ClientEarnings(Frozen, frozen=True, kw_only=True):
    name: str
    workspaces: tuple[WorkspaceEarnings, ...] = ()

    def lines(self) -> Iterator[EarningLine]:
        for workspace in self.workspaces:
            yield from workspace.lines


class AdjustmentLine(Frozen, frozen=True, kw_only=True):
    """A refund, a dispute or a correction by hand, each with its reason."""

    kind: AdjustmentKind
    description: str
    happened_on: date
    amount: Decimal
    client: str = ""


class PaidInvoice(Frozen, frozen=True, kw_only=True):
    """An invoice that a client paid in the month, wholly or in part."""

    number: str
    client: str
    paid_on: date
    net: Decimal
    """Paid in this month, without tax, as far as it is the agency's revenue."""
    partial: bool = False


class CollectedByAgency(Frozen, frozen=True, kw_only=True):
    """A fee the agency collected itself: shown, never paid out, in no total."""

    client: str
    description: str
    amount: Decimal
    workspace: str = ""
    invoice: str = ""


class StatementSnapshot(Snapshot, frozen=True, kw_only=True):
    """One month of one agency in one currency."""

    number: str
    issue_date: date
    month: date
    """First day of the month, in the agency's time zone."""
    timezone: str
    """IANA name; says where the month begins and ends."""
    currency: str
    state: PayoutState
    agency: Party
    brand: Brand
    payer: Party
    """The platform."""
    totals: StatementTotals
    payout_account: str = ""
    """A hint, never the whole number: "Bank account ending 4821"."""
    paid_on: date | None = None
    payout_reference: str = ""
    clients: tuple[ClientEarnings, ...] = ()
    adjustments: tuple[AdjustmentLine, ...] = ()
    invoices: tuple[PaidInvoice, ...] = ()
    collected_by_agency: tuple[CollectedByAgency, ...] = ()
    notes: tuple[str, ...] = ()
    locale: str = "en"
    schema: int = SCHEMA

    def earning_lines(self) -> tuple[EarningLine, ...]:
        return tuple(line for client in self.clients for line in client.lines())

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise SnapshotError(
                f"Statement snapshot of schema {self.schema}; this version prints {SCHEMA}."
            )
        self._check_earnings()
        for kind, stated in (
            ("refund", self.totals.refunds),
            ("dispute", self.totals.disputes),
            ("reserve", self.totals.reserve),
            ("adjustment", self.totals.adjustments),
        ):
            listed = (line.amount for line in self.adjustments if line.kind == kind)
            must_add_up(f"The total of every {kind}", stated, listed)
        must_add_up("The revenue", self.totals.earned, (i.net for i in self.invoices))
        must_be_printable(self.currency, self._amounts())

    def _amounts(self) -> Iterator[Decimal]:
        """Every amount that is printed in the currency's digits."""
        yield from (self.totals.opening, self.totals.paid_out)
        for line in self.earning_lines():
            yield from (line.revenue, line.routed_cost, line.platform_fee)
        yield from (adjustment.amount for adjustment in self.adjustments)
        yield from (invoice.net for invoice in self.invoices)
        yield from (fee.amount for fee in self.collected_by_agency)

    def _check_earnings(self) -> None:
        lines, totals = self.earning_lines(), self.totals
        usage = (line.revenue for line in lines if line.source == "usage")
        fees = (line.revenue for line in lines if line.source == "fee")
        must_add_up("The usage revenue", totals.usage_revenue, usage)
        must_add_up("The fees collected", totals.fee_revenue, fees)
        must_add_up("The routed cost", totals.routed_cost, (line.routed_cost for line in lines))
        must_add_up("The platform fees", totals.platform_fees, (li.platform_fee for li in lines))
