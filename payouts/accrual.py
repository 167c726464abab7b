"""Which earnings a paid invoice and a closed period bring: unsaved rows from stored ones.

Queries and writes nothing. services/earnings.py stores what is missing; reconcile compares.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from agencyportal.core.money import round_money
from agencyportal.core.periods import local_date
from billing.models import (
    BillingPeriod,
    CollectedBy,
    Invoice,
    InvoiceLine,
    LateSettlement,
    Payment,
)
from clients.models import UsageUnit
from payouts.models import Earning
from payouts.revenue import FeeRule, fee_percent, platform_fees, split_payments

COMPARED = (
    "agency_id",
    "client_id",
    "workspace_id",
    "unit_id",
    "kind",
    "amount",
    "currency",
    "occurred_at",
    "payment_id",
    "invoice_line_id",
    "period_id",
    "late_settlement_id",
)
"""The fields in which a stored earning must be what is worked out here."""


def revenue_of(
    invoice: Invoice,
    lines: Iterable[InvoiceLine],
    payments: Sequence[Payment],
    rules: Sequence[FeeRule],
) -> Iterator[Earning]:
    """Revenue and platform fee of every payment of an invoice.

    ``lines`` come with their charge, ``payments`` in the order they were recorded (by key), all of
    them. Only lines that the platform collects bring revenue. A line that gets less than half a
    minor unit of a part payment has no row for it.
    """
    mine = [line for line in lines if line.collected_by == CollectedBy.PLATFORM]
    split = split_payments(
        [line.net for line in mine],
        invoice.total,
        [payment.applied for payment in payments],
        invoice.currency,
    )
    fees = [
        _fees_of_line(line, [parts[index] for parts in split], payments, rules)
        for index, line in enumerate(mine)
    ]
    for number, (payment, parts) in enumerate(zip(payments, split, strict=True)):
        for line, revenue, of_line in zip(mine, parts, fees, strict=True):
            if revenue:
                yield _of_line(invoice, payment, line, Earning.Kind.REVENUE, revenue)
            if fee := of_line[number]:
                yield _of_line(invoice, payment, line, Earning.Kind.PLATFORM_FEE, -fee)


def _fees_of_line(
    line: InvoiceLine,
    parts: Sequence[Decimal],
    payments: Sequence[Payment],
    rules: Sequence[FeeRule],
) -> list[Decimal]:
    """The platform's fee on what each payment brings one line."""
    percents = [fee_percent(rules, line.kind, payment.received_at) for payment in payments]
    return list(platform_fees(zip(parts, percents, strict=True), line.currency))


def _of_line(
    invoice: Invoice, payment: Payment, line: InvoiceLine, kind: Earning.Kind, amount: Decimal
) -> Earning:
    is_fee = kind is Earning.Kind.PLATFORM_FEE
    words = f"Platform fee: {line.description}" if is_fee else line.description
    return Earning(
        agency_id=invoice.agency_id,
        client_id=invoice.client_id,
        workspace_id=line.workspace_id,
        unit_id=line.unit_id,
        kind=kind.value,
        amount=amount,
        currency=invoice.currency,
        occurred_at=payment.received_at,
        payment_id=payment.pk,
        invoice_line_id=line.pk,
        period_id=line.charge.period_id,
        description=_cut(words),
        key=f"{'fee' if is_fee else 'revenue'}:{payment.pk}:{line.pk}",
    )


def routed_cost_of(
    period: BillingPeriod, costs: Mapping[int, Decimal], units: Mapping[int, UsageUnit]
) -> Iterator[Earning]:
    """What the platform paid for the model calls of a closed period, a row for each unit.

    ``costs``: the exact cost by unit id, in the period's currency; it is rounded here, once. A
    cost of less than half a minor unit has a row of 0, which says that it was looked at.
    """
    for unit_id, cost in sorted(costs.items()):
        if not cost:
            continue
        yield Earning(
            agency_id=period.agency_id,
            client_id=period.client_id,
            workspace_id=period.workspace_id,
            unit_id=unit_id,
            kind=Earning.Kind.ROUTED_COST.value,
            amount=-round_money(cost, period.currency) or Decimal(0),
            currency=period.currency,
            occurred_at=period.closed_at or period.end,
            period_id=period.pk,
            description=_cut(f"Routed cost: {units[unit_id].plural}, {_days(period)}"),
            key=f"cost:{period.pk}:{unit_id}",
        )


def late_cost_of(
    period: BillingPeriod,
    costs: Mapping[int, Decimal],
    settlements: Iterable[LateSettlement],
) -> Iterator[Earning]:
    """What the platform paid for late usage of a closed period, a row for each settlement that
    cost anything.

    ``costs``: the period's own, as for `routed_cost_of`. ``settlements``: all of the period, in
    order, with their units. Rounded once for all that a unit cost so far; each takes what that
    adds.
    """
    totals = dict(costs)
    for settled in settlements:
        if not settled.platform_cost:
            continue
        before = totals.get(settled.unit_id, Decimal(0))
        after = totals[settled.unit_id] = before + settled.platform_cost
        added = round_money(after, period.currency) - round_money(before, period.currency)
        yield Earning(
            agency_id=period.agency_id,
            client_id=period.client_id,
            workspace_id=period.workspace_id,
            unit_id=settled.unit_id,
            kind=Earning.Kind.ROUTED_COST.value,
            amount=-added or Decimal(0),
            currency=period.currency,
            occurred_at=settled.settled_at,
            period_id=period.pk,
            late_settlement_id=settled.pk,
            description=_cut(f"Routed cost, late: {settled.unit.plural}, {_days(period)}"),
            key=f"late-cost:{settled.pk}",
        )


def _days(period: BillingPeriod) -> str:
    return f"{_day(period, period.start)} to {_day(period, period.end, last=True)}"


def _day(period: BillingPeriod, instant: dt.datetime, *, last: bool = False) -> str:
    """A local day as people write a period's bounds: the last day belongs to it."""
    if last:
        instant -= dt.timedelta(microseconds=1)
    return local_date(instant, period.timezone).isoformat()


def _cut(words: str) -> str:
    limit = Earning._meta.get_field("description").max_length
    return words[:limit]
