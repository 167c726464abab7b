"""Earnings, worked out again from payments, fee rules and closed periods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from django.db.models import Exists, OuterRef, Prefetch

from billing.models import (
    BillingPeriod,
    CreditNote,
    Invoice,
    InvoiceLine,
    InvoiceMovement,
    LateSettlement,
    PeriodUsage,
)
from clients.models import UsageUnit
from payouts.accrual import COMPARED, credit_of, late_cost_of, revenue_of, routed_cost_of
from payouts.models import Earning
from payouts.revenue import FeeRule
from payouts.services.earnings import (
    credited_lines,
    fee_rules,
    in_time,
    late_settlements,
    movements_of,
    routed_costs,
    unbilled_routed,
)

from .findings import Checked, Finding, compare, difference, missing, unexpected
from .scope import CHUNK, Scope

SUBJECT: Final = "Earnings"


def name_of(earning: Earning) -> str:
    return f"{earning.description}, {earning.key}"


def check_earnings(scope: Scope) -> Iterator[Finding]:
    """Every earning of payments and periods. A payment or period without any is waiting to be
    posted; one with some of its earnings is not."""
    rules: dict[int, list[FeeRule]] = {}
    yield from _check_revenue(scope, rules)
    yield from _check_credits(scope, rules)
    yield from _check_routed_cost(scope)
    yield from _check_late_cost(scope)


def _check_revenue(scope: Scope, rules: dict[int, list[FeeRule]]) -> Iterator[Finding]:
    moved = Exists(InvoiceMovement.objects.filter(invoice=OuterRef("pk")))
    lines = InvoiceLine.objects.select_related("charge").order_by("position")
    movements = (
        movements_of().select_related("payment").prefetch_related("earnings", "payment__earnings")
    )
    invoices = (
        scope.of(Invoice.objects.filter(moved))
        .prefetch_related(Prefetch("lines", lines), Prefetch("movements", movements))
        .order_by("pk")
    )
    for invoice in invoices.iterator(chunk_size=CHUNK // 20):
        if invoice.agency_id not in rules:
            rules[invoice.agency_id] = fee_rules(invoice.agency_id)
        yield from _check_invoice(invoice, rules[invoice.agency_id])


def _check_invoice(invoice: Invoice, rules: list[FeeRule]) -> Iterator[Finding]:
    movements = list(invoice.movements.all())
    try:
        expected = list(revenue_of(invoice, invoice.lines.all(), movements, rules))
    except ValueError as error:
        name = f"invoice {invoice.number}"
        yield difference(SUBJECT, invoice, name, "payments", "as they are", f"split ({error})")
        return
    by_cause: dict[tuple[int | None, int | None], list[Earning]] = defaultdict(list)
    for earning in expected:
        by_cause[earning.payment_id, earning.movement_id].append(earning)
    for movement in movements:
        if movement.payment is not None:
            stored = list(movement.payment.earnings.all())
            yield from _match(by_cause[movement.payment_id, None], stored)
        else:
            yield from _match(by_cause[None, movement.pk], list(movement.earnings.all()))


def _check_credits(scope: Scope, rules: dict[int, list[FeeRule]]) -> Iterator[Finding]:
    """Credit notes over what was on no invoice."""
    notes = scope.of(CreditNote.objects.filter(pk__in=credited_lines().values("pk")))
    notes = notes.prefetch_related("lines__charge", "lines__earnings").order_by("pk")
    for note in notes.iterator(chunk_size=CHUNK // 20):
        if note.agency_id not in rules:
            rules[note.agency_id] = fee_rules(note.agency_id)
        stored = [earning for line in note.lines.all() for earning in line.earnings.all()]
        yield from _match(credit_of(note, rules[note.agency_id]), stored)


def _check_routed_cost(scope: Scope) -> Iterator[Finding]:
    """Closed periods with platform-paid cost, or with an earning that says so."""
    counted = PeriodUsage.objects.filter(period=OuterRef("pk"), platform_cost__gt=0)
    unbilled = unbilled_routed().filter(
        workspace=OuterRef("workspace"),
        occurred_at__gte=OuterRef("start"),
        occurred_at__lt=OuterRef("end"),
    )
    costs = in_time()
    posted = costs.filter(period=OuterRef("pk"))
    periods = (
        scope.of(BillingPeriod.objects.all())
        .filter(Exists(counted) | Exists(unbilled) | Exists(posted))
        .prefetch_related(Prefetch("earnings", costs, to_attr="routed"))
        .order_by("pk")
    )
    units: dict[int, UsageUnit] = {}
    for period in periods.iterator(chunk_size=CHUNK // 10):
        stored: list[Earning] = period.routed  # type: ignore[attr-defined]
        expected: list[Earning] = []
        if period.state == BillingPeriod.State.CLOSED:
            amounts = routed_costs(period)
            units |= UsageUnit.objects.in_bulk(amounts.keys() - units.keys())
            expected = list(routed_cost_of(period, amounts, units))
        yield from _match(expected, stored)


def _check_late_cost(scope: Scope) -> Iterator[Finding]:
    """Late usage with platform-paid cost, each settlement by itself: it waits for its own."""
    costly = LateSettlement.objects.filter(period=OuterRef("pk"), platform_cost__gt=0)
    posted = Earning.objects.filter(late_settlement__period=OuterRef("pk"))
    periods = scope.of(BillingPeriod.objects.filter(Exists(costly) | Exists(posted)))
    for period in periods.order_by("pk").iterator(chunk_size=CHUNK // 10):
        by_cause: dict[int | None, list[Earning]] = defaultdict(list)
        for earning in Earning.objects.filter(late_settlement__period=period):
            by_cause[earning.late_settlement_id].append(earning)
        for expected in late_cost_of(period, routed_costs(period), late_settlements(period)):
            yield from _match([expected], by_cause.pop(expected.late_settlement_id, []))
        for stored in by_cause.values():
            yield from _match([], stored)


def _match(expected: Iterable[Earning], stored: list[Earning]) -> Iterator[Finding]:
    """Stored earnings of one cause against what it brings."""
    wanted = {earning.key: earning for earning in expected}
    if wanted and not stored:
        yield Checked(SUBJECT, 0, open=len(wanted))
        return
    for earning in stored:
        recomputed = wanted.pop(earning.key, None)
        if recomputed is None:
            yield unexpected(SUBJECT, earning, name_of(earning), earning.amount)
            continue
        fields = {
            name.removesuffix("_id"): (getattr(earning, name), getattr(recomputed, name))
            for name in COMPARED
        }
        yield from compare(SUBJECT, earning, name_of(earning), fields)
    for earning in wanted.values():
        yield missing(SUBJECT, Earning, name_of(earning), earning.amount)
    yield Checked(SUBJECT, len(stored))
