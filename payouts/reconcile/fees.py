"""Fees of periods: what they asked when they were made, and every line since their ends moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from agencyportal.core.money import plain
from billing.lifecycle import FeeRule, fee_due, fee_lines
from billing.models import (
    BillingPeriod,
    Charge,
    ChargeVoid,
    LineKind,
    PeriodMove,
    PlanFee,
    SubscriptionChange,
)
from billing.plan_documents import FeeDocument
from billing.proration import share_of
from billing.terms import fee_amount, is_prorated

from .findings import Checked, Finding, compare, unexpected
from .periods import WorkspaceBooks, fees_around

VOIDS: Final = "Charges taken back"
ZERO: Final = Decimal(0)
Kind = SubscriptionChange.Kind

KEEPS_ONCE: Final = (Kind.PLAN_CHANGED, Kind.UPGRADED)
"""Changes under which what was asked once stays due, though its period is withdrawn."""

ExpectedFees = Iterator[tuple[str, str, dict[str, Any]]]
"""Key, what people call it, and the fields that are compared."""


@dataclass(slots=True)
class Voids:
    """What was taken back, by charge; and which of these were found to be called for."""

    by_charge: dict[str, ChargeVoid] = field(default_factory=dict)
    called_for: set[str] = field(default_factory=set)

    @classmethod
    def load(cls, books: WorkspaceBooks) -> Voids:
        rows = ChargeVoid.objects.filter(charge__workspace=books.workspace)
        return cls({row.charge.key: row for row in rows.select_related("charge")})

    def of_move(self, move: PeriodMove, keys: list[str]) -> set[str]:
        found = {k for k in keys if k in self.by_charge and self.by_charge[k].move_id == move.pk}
        self.called_for |= found
        return found


def check_voids(books: WorkspaceBooks, voids: Voids) -> Iterator[Finding]:
    """A charge is taken back where its period moved, and is on no invoice."""
    on_invoices = set(
        Charge.objects.filter(workspace=books.workspace, void__isnull=False, line__isnull=False)
        .order_by()
        .values_list("key", flat=True)
    )
    for key, row in voids.by_charge.items():
        name = f"{key} of {books.workspace}"
        if key not in voids.called_for:
            yield unexpected(VOIDS, row, name, row.charge.amount)
        yield from compare(VOIDS, row, name, {"on an invoice": (key in on_invoices, False)})
    if voids.by_charge:
        yield Checked(VOIDS, len(voids.by_charge))


def fees_of(books: WorkspaceBooks, period: BillingPeriod, voids: Voids) -> ExpectedFees:
    """Every line that the fees of a period call for."""
    terms = books.terms_in(period)
    if not period.asks_fees:
        return
    for fee, row in zip(terms.plan.fees, terms.fees, strict=True):
        if fee.when == "period" or period.asks_once:
            yield from _Lines(books, period, fee, row, voids).expected()


@dataclass(slots=True)
class _Lines:
    """One fee of one period, line by line."""

    books: WorkspaceBooks
    period: BillingPeriod
    fee: FeeDocument
    row: PlanFee
    voids: Voids
    standing: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def expected(self) -> ExpectedFees:
        period, asked_for = self.period, self.books.fees_as_made(self.period)
        is_part = is_prorated(self.fee) and not share_of(asked_for, period.timezone).is_whole
        asked = fee_amount(self.fee, asked_for, period.timezone, period.currency)
        yield self._line(
            f"fee:{period.pk}:{self.row.pk}",
            self.fee.kind,
            asked,
            bill_at=period.start,
            unit_amount="" if is_part else plain(self.fee.amount),
        )
        for move in self.books.moves.get(period.pk, ()):
            yield from self._moved(move)

    def _moved(self, move: PeriodMove) -> ExpectedFees:
        period, rule = self.period, FeeRule(move.fees)
        keeps_once = move.change.kind in KEEPS_ONCE and not move.change.in_trial
        if self.fee.when == "once" and keeps_once:
            return
        before, after = fees_around(move, period)
        charged = sum(self.standing.values(), ZERO)
        due = fee_due(
            self.fee,
            rule,
            charged=charged,
            before=before,
            after=after,
            timezone=period.timezone,
            currency=period.currency,
        )
        if due == charged and rule is not FeeRule.WITHDRAWN:
            return
        taken = self.voids.of_move(move, list(self.standing))
        for key in taken:
            del self.standing[key]
        lines = fee_lines(
            due=due, rule=rule, invoiced=sum(self.standing.values(), ZERO), voided=bool(taken)
        )
        bill_at = period.start if taken or after is None else after.end
        for name, kind, amount in (
            ("credit", LineKind.CREDIT.value, lines.credit),
            ("charge", self.fee.kind, lines.charge),
        ):
            if amount:
                key = f"{name}:{move.pk}:{self.row.pk}"
                yield self._line(key, kind, amount, bill_at=bill_at, unit_amount="")

    def _line(
        self, key: str, kind: str, amount: Decimal, **more: Any
    ) -> tuple[str, str, dict[str, Any]]:
        self.standing[key] = amount
        period = self.period
        fields = {
            "agency_id": period.agency_id,
            "client_id": period.client_id,
            "workspace_id": period.workspace_id,
            "period_id": period.pk,
            "unit_id": None,
            "kind": kind,
            "quantity": Decimal(1),
            "amount": amount,
            "currency": period.currency,
            "collected_by": self.fee.collected_by,
            "margin_rule_id": None,
            **more,
        }
        return key, f"{self.row.name} of {period.workspace}", fields
