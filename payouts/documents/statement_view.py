"""What the payout statement's template prints: the snapshot in words, in order, formatted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agencyportal.core.formats import Formats
from agencyportal.core.printing import PartyBlock, RunningSum
from payouts.documents.statement_snapshot import (
    ClientEarnings,
    EarningLine,
    StatementSnapshot,
    WorkspaceEarnings,
)

ADJUSTMENT_KINDS: dict[str, Promise] = {
    "refund": gettext_lazy("Refund"),
    "dispute": gettext_lazy("Dispute"),
    "reserve": gettext_lazy("Reserve"),
    "adjustment": gettext_lazy("Adjustment"),
}


class StatementView:
    """Builds the template's context. Use inside the document's language."""

    def __init__(self, snapshot: StatementSnapshot) -> None:
        self.snapshot = snapshot
        self.formats = Formats(snapshot.locale, snapshot.currency)

    def context(self) -> dict[str, Any]:
        snapshot, formats = self.snapshot, self.formats
        totals = snapshot.totals
        return {
            "statement": snapshot,
            "tax_name": _("VAT"),
            "month": formats.month(snapshot.month),
            "agency": PartyBlock.of(snapshot.agency, formats),
            "payer": PartyBlock.of(snapshot.payer, formats),
            "facts": list(self._facts()),
            "paid_out": formats.money(totals.paid_out),
            "closing": formats.money(totals.closing),
            "owed": formats.money(abs(totals.closing)),
            "is_payout": totals.paid_out > 0,
            "is_debt": totals.closing < 0,
            "has_closing": totals.closing != 0,
            "state_words": self._state_words(),
            "movements": list(self._movements()),
            "clients": self._clients(),
            "earned": self._figures(snapshot.earning_lines()),
            "adjustments": self._adjustments(),
            "invoices": self._invoices(),
            "invoices_net": formats.money(totals.earned),
            "collected": self._collected(),
            "reconciliation": list(self._reconciliation()),
        }

    def _facts(self) -> Iterator[tuple[str, str]]:
        snapshot, formats = self.snapshot, self.formats
        yield _("Month"), formats.month(snapshot.month)
        yield _("Time zone"), snapshot.timezone
        yield _("Issued on"), formats.long_day(snapshot.issue_date)
        if snapshot.payout_account:
            yield _("Account"), snapshot.payout_account
        if snapshot.payout_reference:
            yield _("Transfer reference"), snapshot.payout_reference
        yield _("Currency"), snapshot.currency

    def _state_words(self) -> str:
        snapshot = self.snapshot
        if snapshot.state == "paid" and snapshot.paid_on:
            return _("Paid on %(day)s") % {"day": self.formats.long_day(snapshot.paid_on)}
        return {
            "draft": _("Paid as soon as it is approved"),
            "approved": _("Approved for payment"),
            "paid": _("Paid"),
            "failed": _("The transfer failed; the amount stays owed to you"),
        }[snapshot.state]

    def _movements(self) -> Iterator[tuple[str, str, str]]:
        """(row class, label, amount): how the payout came about, from top to bottom."""
        totals, money = self.snapshot.totals, self.formats.money
        yield "", _("Opening balance"), money(totals.opening)
        yield "", _("Routed usage, collected from clients"), money(totals.usage_revenue)
        yield "", _("Package fees, collected from clients"), money(totals.fee_revenue)
        yield "", _("Routed cost of that usage"), money(totals.routed_cost)
        yield "", _("Platform fees"), money(totals.platform_fees)
        yield "", _("Refunds"), money(totals.refunds)
        yield "", _("Disputes"), money(totals.disputes)
        if totals.reserve:
            yield "", _("Reserve for disputes"), money(totals.reserve)
        yield "", _("Other adjustments"), money(totals.adjustments)
        yield "sum", _("Available"), money(totals.available)
        yield "", _("Carried forward to next month"), money(-totals.closing)
        yield "grand", _("Payout"), money(totals.paid_out)

    def _clients(self) -> list[dict[str, Any]]:
        running = RunningSum(self.formats)
        return [self._client(client, running) for client in self.snapshot.clients]

    def _client(self, client: ClientEarnings, running: RunningSum) -> dict[str, Any]:
        return {
            "name": client.name,
            "workspaces": [self._workspace(place, running) for place in client.workspaces],
            "total": self._figures(client.lines()),
        }

    def _workspace(self, workspace: WorkspaceEarnings, running: RunningSum) -> dict[str, Any]:
        usage = [line for line in workspace.lines if line.source == "usage"]
        fees = [line for line in workspace.lines if line.source == "fee"]
        return {
            "name": workspace.name,
            "lines": [{**running.add(line.net), **self._line(line)} for line in (*usage, *fees)],
        }

    def _line(self, line: EarningLine) -> dict[str, Any]:
        quantity = "" if line.quantity is None else self.formats.quantity(line.quantity)
        return {
            "description": capfirst(line.description),
            "is_fee": line.source == "fee",
            "quantity": quantity,
            "figures": self._figures([line]),
        }

    def _figures(self, lines: Iterable[EarningLine]) -> list[str]:
        """Revenue, routed cost, platform fee and net of `lines`, as the columns print them."""
        sums = [Decimal(0)] * 4
        for line in lines:
            parts = (line.revenue, line.routed_cost, line.platform_fee, line.net)
            sums = [total + part for total, part in zip(sums, parts, strict=True)]
        return [self.formats.money(total) for total in sums]

    def _adjustments(self) -> list[dict[str, Any]]:
        running = RunningSum(self.formats)
        return [
            {
                **running.add(line.amount),
                "day": self.formats.day(line.happened_on),
                "kind": ADJUSTMENT_KINDS[line.kind],
                "client": line.client,
                "description": line.description,
                "amount": self.formats.money(line.amount),
            }
            for line in self.snapshot.adjustments
        ]

    def _invoices(self) -> list[dict[str, Any]]:
        running = RunningSum(self.formats)
        return [
            {
                **running.add(invoice.net),
                "number": invoice.number,
                "client": invoice.client,
                "paid_on": self.formats.day(invoice.paid_on),
                "partial": invoice.partial,
                "net": self.formats.money(invoice.net),
            }
            for invoice in self.snapshot.invoices
        ]

    def _collected(self) -> list[dict[str, Any]]:
        return [
            {
                "client": fee.client,
                "workspace": fee.workspace,
                "description": fee.description,
                "invoice": fee.invoice,
                "amount": self.formats.money(fee.amount),
            }
            for fee in self.snapshot.collected_by_agency
        ]

    def _reconciliation(self) -> Iterator[tuple[str, str, str]]:
        """Opening + earned - deducted - paid = closing, as one column that adds up."""
        totals, money = self.snapshot.totals, self.formats.money
        yield "", _("Opening balance"), money(totals.opening)
        yield "", _("Earned"), money(totals.earned)
        yield "", _("Costs, fees and adjustments"), money(totals.deducted)
        yield "", _("Payout"), money(-totals.paid_out)
        yield "sum", _("Closing balance, carried forward"), money(totals.closing)
