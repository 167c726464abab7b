"""Which earnings a paid invoice and a closed period bring: unsaved rows from stored ones.

Queries and writes nothing. services/earnings.py stores what is missing; reconcile compares.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from agencyportal.core.money import exact_arithmetic, round_money
from agencyportal.core.periods import local_date
from billing.models import (
    BillingPeriod,
    CollectedBy,
    CreditNote,
    Invoice,
    InvoiceLine,
    InvoiceMovement,
    LateSettlement,
)
from clients.models import UsageUnit
from payouts.models import Earning
from payouts.revenue import FeeRule, Movement, fee_percent, platform_fees, split_movements

REVENUE_KINDS = {
    InvoiceMovement.Kind.PAYMENT: Earning.Kind.REVENUE,
    InvoiceMovement.Kind.REVERSAL: Earning.Kind.REFUND,
    InvoiceMovement.Kind.CREDIT_NOTE: Earning.Kind.REFUND,
    InvoiceMovement.Kind.DISPUTE_OPENED: Earning.Kind.DISPUTE,
    InvoiceMovement.Kind.DISPUTE_WON: Earning.Kind.DISPUTE,
}
"""What revenue is called that a movement brings or takes."""

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
    "movement_id",
    "credit_line_id",
    "invoice_line_id",
    "period_id",
    "late_settlement_id",
)
"""The fields in which a stored earning must be what is worked out here."""


def revenue_of(
    invoice: Invoice,
    lines: Iterable[InvoiceLine],
    movements: Sequence[InvoiceMovement],
    rules: Sequence[FeeRule],
) -> Iterator[Earning]:
    """Revenue and platform fee of every movement of an invoice: payments, money that went back,
    credit notes, disputes.

    ``lines`` come with their charge, ``movements`` in their order, all of them, with what caused
    them and the lines of credit notes. Only lines that the platform collects bring revenue. A line
    that gets less than half a minor unit of a movement has no row for it; where nothing moves at
    all, a row of 0 says that it was looked at. A dispute that is lost changes nothing any more: its
    share was held back when it was opened.
    """
    mine = [line for line in lines if line.collected_by == CollectedBy.PLATFORM]
    counted = [m for m in movements if m.kind != InvoiceMovement.Kind.DISPUTE_LOST]
    as_facts = _facts_of(counted, mine)
    split = split_movements([line.net for line in mine], invoice.total, as_facts, invoice.currency)
    restores = [fact.restores for fact in as_facts]
    fees = [
        _fees_of_line(line, [parts[index] for parts in split], counted, restores, rules)
        for index, line in enumerate(mine)
    ]
    for number, (movement, parts) in enumerate(zip(counted, split, strict=True)):
        kind = REVENUE_KINDS[InvoiceMovement.Kind(movement.kind)]
        moved = False
        for line, revenue, of_line in zip(mine, parts, fees, strict=True):
            if revenue:
                yield _of_line(invoice, movement, line, kind, revenue)
            if fee := of_line[number]:
                yield _of_line(invoice, movement, line, Earning.Kind.PLATFORM_FEE, -fee)
            moved = moved or bool(revenue or fee)
        if mine and not moved and kind is not Earning.Kind.REVENUE:
            yield _of_line(invoice, movement, mine[0], kind, Decimal(0))


def _facts_of(movements: Sequence[InvoiceMovement], lines: Sequence[InvoiceLine]) -> list[Movement]:
    """Stored movements as the pure core's; what is disputed counts as gone."""
    facts: list[Movement] = []
    opened: dict[int | None, int] = {}
    for number, movement in enumerate(movements):
        if movement.kind == InvoiceMovement.Kind.DISPUTE_OPENED:
            opened[movement.dispute_id] = number
        credited: dict[int | None, Decimal] = {}
        if movement.credit_note is not None:
            credited = {row.invoice_line_id: row.net for row in movement.credit_note.lines.all()}
        won = movement.kind == InvoiceMovement.Kind.DISPUTE_WON
        facts.append(
            Movement(
                paid=movement.paid - movement.held,
                credited=movement.credited,
                nets=tuple(credited.get(line.pk, Decimal(0)) for line in lines),
                restores=opened.get(movement.dispute_id) if won else None,
            )
        )
    return facts


def _fees_of_line(
    line: InvoiceLine,
    parts: Sequence[Decimal],
    movements: Sequence[InvoiceMovement],
    restores: Sequence[int | None],
    rules: Sequence[FeeRule],
) -> list[Decimal]:
    """The platform's fee on what each movement brings one line."""
    percents = [fee_percent(rules, line.kind, _charged_at(movement)) for movement in movements]
    return list(platform_fees(zip(parts, percents, strict=True), line.currency, restores))


def _charged_at(movement: InvoiceMovement) -> dt.datetime:
    """Whose instant's rule holds: of money that comes back after a dispute, that of its payment."""
    if movement.dispute is not None:
        return movement.dispute.payment.received_at
    return movement.occurred_at


def _of_line(
    invoice: Invoice,
    movement: InvoiceMovement,
    line: InvoiceLine,
    kind: Earning.Kind,
    amount: Decimal,
) -> Earning:
    is_fee = kind is Earning.Kind.PLATFORM_FEE
    words = f"Platform fee: {line.description}" if is_fee else line.description
    paid = movement.kind == InvoiceMovement.Kind.PAYMENT
    if not paid:
        words = f"{movement.get_kind_display()}: {words}"
    cause = str(movement.payment_id) if paid else f"movement-{movement.pk}"
    return Earning(
        agency_id=invoice.agency_id,
        client_id=invoice.client_id,
        workspace_id=line.workspace_id,
        unit_id=line.unit_id,
        kind=kind.value,
        amount=amount,
        currency=invoice.currency,
        occurred_at=movement.occurred_at,
        payment_id=movement.payment_id,
        movement_id=None if paid else movement.pk,
        invoice_line_id=line.pk,
        period_id=line.charge.period_id,
        description=_cut(words),
        key=f"{'fee' if is_fee else 'revenue'}:{cause}:{line.pk}",
    )


def credit_of(note: CreditNote, rules: Sequence[FeeRule]) -> Iterator[Earning]:
    """What a credit note over charges that were on no invoice takes back of an agency.

    ``note``: with its lines and their charges. The fee is given back at the rate of the day.
    """
    for line in note.lines.all():
        charge = line.charge
        if charge is None or not line.net:
            continue
        percent = fee_percent(rules, charge.kind, note.issued_at)
        with exact_arithmetic():
            fee = round_money(line.net * percent / 100, note.currency)
        for kind, amount in (
            (Earning.Kind.REFUND, -line.net),
            (Earning.Kind.PLATFORM_FEE, fee),
        ):
            if not amount:
                continue
            is_fee = kind is Earning.Kind.PLATFORM_FEE
            words = f"Platform fee: {line.description}" if is_fee else line.description
            yield Earning(
                agency_id=note.agency_id,
                client_id=note.client_id,
                workspace_id=charge.workspace_id,
                unit_id=charge.unit_id,
                kind=kind.value,
                amount=amount,
                currency=note.currency,
                occurred_at=note.issued_at,
                credit_line_id=line.pk,
                period_id=charge.period_id,
                description=_cut(f"Credit note: {words}"),
                key=f"{'fee' if is_fee else 'revenue'}:credit-line-{line.pk}",
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
