"""What the invoice's template prints: the snapshot in words, in order, formatted.

Figures are taken as they are frozen; only their order and wording are decided here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agencyportal.core.charts import daily_bars
from agencyportal.core.formats import Formats
from agencyportal.core.printing import Palette, PartyBlock, RunningSum
from billing.documents.invoice_snapshot import (
    InvoiceLine,
    InvoiceSnapshot,
    TaxLine,
    UsageSummary,
    WorkspaceSection,
)

KINDS: dict[str, Promise] = {
    "implementation": gettext_lazy("Implementation"),
    "base": gettext_lazy("Base package"),
    "support": gettext_lazy("Support"),
    "top_up": gettext_lazy("Top-ups"),
    "overage": gettext_lazy("Overage"),
    "minimum": gettext_lazy("Minimum"),
    "late_usage": gettext_lazy("Late usage"),
    "credit": gettext_lazy("Credits"),
    "discount": gettext_lazy("Discounts"),
}
"""In the order in which they are printed: fees, usage, what is taken off."""

LONG_GROUP = 12
"""More lines of one kind than this may run over a page: each then names its kind."""

TAX_CATEGORIES: dict[str, Promise] = {
    "Z": gettext_lazy("Zero rated"),
    "E": gettext_lazy("Exempt"),
    "AE": gettext_lazy("Reverse charge"),
    "K": gettext_lazy("Intra-community supply"),
    "G": gettext_lazy("Export"),
    "O": gettext_lazy("Outside the scope of tax"),
}


class InvoiceView:
    """Builds the template's context. Use inside the document's language."""

    def __init__(self, snapshot: InvoiceSnapshot) -> None:
        self.snapshot = snapshot
        self.formats = Formats(snapshot.locale, snapshot.currency)
        self.palette = Palette.of(snapshot.agency)
        self.running = RunningSum(self.formats)

    @property
    def tax_name(self) -> str:
        return self.snapshot.tax_name or _("Tax")

    def context(self) -> dict[str, Any]:
        snapshot, formats = self.snapshot, self.formats
        sections = self._sections()
        return {
            "invoice": snapshot,
            "is_credit_note": snapshot.kind == "credit_note",
            "seller": PartyBlock.of(snapshot.seller, formats),
            "buyer": PartyBlock.of(snapshot.buyer, formats),
            "tax_name": snapshot.tax_name,
            "facts": list(self._facts()),
            "due_amount": formats.money(snapshot.totals.due),
            "due_date": formats.long_day(snapshot.due_date) if snapshot.due_date else "",
            "is_settled": snapshot.totals.due <= 0,
            "sections": sections,
            "brought_to_totals": self.running.brought,
            "shows_tax_column": len(snapshot.taxes) > 1,
            "taxes": [self._tax(tax) for tax in snapshot.taxes],
            "tax_reasons": list(dict.fromkeys(t.reason for t in snapshot.taxes if t.reason)),
            "totals": list(self._totals()),
            "collected": self._collected(),
        }

    def _facts(self) -> Iterator[tuple[str, str]]:
        snapshot, formats = self.snapshot, self.formats
        yield _("Issued on"), formats.long_day(snapshot.issue_date)
        if snapshot.due_date:
            yield _("Due on"), formats.long_day(snapshot.due_date)
        for span in snapshot.service_periods:
            yield _("Service period"), formats.span(span)
        if snapshot.buyer_reference:
            yield _("Your reference"), snapshot.buyer_reference
        if snapshot.corrects:
            issued = formats.day(snapshot.corrects.issue_date)
            yield _("Corrects invoice"), f"{snapshot.corrects.number} ({issued})"
        yield _("Currency"), snapshot.currency

    def _sections(self) -> list[dict[str, Any]]:
        sections = [self._section(section) for section in self.snapshot.sections]
        charted = (s for s in sections if any(usage["chart"] for usage in s["usage"]))
        if first := next(charted, None):
            first["shows_legend"] = True
        return sections

    def _section(self, section: WorkspaceSection) -> dict[str, Any]:
        order = list(KINDS)
        lines = sorted(section.lines, key=lambda line: order.index(line.kind))
        rows = []
        for kind, group in groupby(lines, key=lambda line: line.kind):
            same_kind = list(group)
            runs_on = len(same_kind) > LONG_GROUP
            for position, line in enumerate(same_kind):
                label = KINDS[kind] if runs_on or position == 0 else ""
                running = self.running.add(line.net)
                rows.append({"kind": label, **running, **self._line(line, section)})
        usage = [self._usage(summary) for summary in section.usage]
        return {
            "name": section.name or _("General"),
            "package": section.package,
            "period": self.formats.span(section.period) if section.period else "",
            "rows": rows,
            "net": self.formats.money(section.net),
            "brought": self.running.brought,
            "carried": self.running.carried,
            "usage": usage,
        }

    def _line(self, line: InvoiceLine, section: WorkspaceSection) -> dict[str, Any]:
        formats, details = self.formats, list(line.details)
        if line.period and line.period != section.period:
            details.insert(0, formats.span(line.period))
        if line.margin_rule:
            details.append(_("Priced by margin rule: %(rule)s") % {"rule": line.margin_rule})
        return {
            "description": line.description,
            "details": details,
            "quantity": "" if line.quantity is None else formats.quantity(line.quantity),
            "unit": line.unit,
            "unit_price": "" if line.unit_price is None else formats.unit_price(line.unit_price),
            "tax": formats.percent(line.tax_rate),
            "net": formats.money(line.net),
        }

    def _usage(self, usage: UsageSummary) -> dict[str, Any]:
        formats = self.formats
        figures = [
            (_("from the allowance"), usage.included, True),
            (_("from top-ups"), usage.top_up, False),
            (_("overage"), usage.overage, True),
            (_("top-ups left"), usage.left, False),
            (_("rolled over"), usage.rolled_over, False),
            (_("expired unused"), usage.expired, False),
        ]
        return {
            "unit": usage.unit,
            "period": formats.span(usage.period),
            "used": formats.quantity(usage.used),
            "allowance": formats.quantity(usage.allowance),
            "figures": [
                (formats.quantity(value), label)
                for label, value, always in figures
                if value or always
            ],
            "resets_on": formats.day(usage.resets_on) if usage.resets_on else "",
            "chart": self._chart(usage),
            "first": formats.short_day(usage.period.first),
            "last": formats.short_day(usage.period.last),
            "peak": formats.quantity(max(usage.daily)) if usage.daily else "",
        }

    def _chart(self, usage: UsageSummary) -> SafeString:
        svg = daily_bars(usage.daily, allowance=usage.allowance, colours=self.palette.chart)
        return mark_safe(svg)  # noqa: S308 - numbers and checked colours only

    def _tax(self, tax: TaxLine) -> dict[str, str]:
        label = f"{self.tax_name} {self.formats.percent(tax.rate)}"
        if tax.category in TAX_CATEGORIES:
            label = f"{label} · {TAX_CATEGORIES[tax.category]}"
        return {
            "label": label,
            "base": self.formats.money(tax.base),
            "tax": self.formats.money(tax.tax),
        }

    def _totals(self) -> Iterator[tuple[str, str, str]]:
        """(row class, label, amount), from the net total down to what is due."""
        totals, money = self.snapshot.totals, self.formats.money
        yield "", _("Net total"), money(totals.net)
        for tax in self.snapshot.taxes:
            yield "", f"{self.tax_name} {self.formats.percent(tax.rate)}", money(tax.tax)
        yield "sum", _("Total"), money(totals.gross)
        for payment in self.snapshot.payments:
            when = f" ({self.formats.day(payment.paid_on)})" if payment.paid_on else ""
            yield "", f"{payment.description}{when}", money(-payment.amount)
        label = _("Amount credited") if self.snapshot.kind == "credit_note" else _("Amount due")
        yield "grand", label, money(totals.due)

    def _collected(self) -> list[dict[str, str]]:
        return [
            {
                "workspace": line.workspace,
                "description": line.description,
                "net": self.formats.money(line.net),
            }
            for line in self.snapshot.collected_by_agency
        ]
