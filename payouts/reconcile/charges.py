"""Charges against the plans, purchases and settlements that call for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from agencyportal.core.money import plain, round_money
from billing.models import (
    BillingPeriod,
    Charge,
    CollectedBy,
    LineKind,
    PlanFee,
    TopUpPurchase,
)
from billing.plan_documents import FeeDocument
from billing.proration import share_of
from billing.rating import minimum_shortfall
from billing.services.periods import bounds_of
from billing.terms import fee_amount, is_prorated, minimum_due

from .findings import Checked, Finding, compare, missing, unexpected
from .periods import Settled, WorkspaceBooks

SUBJECT: Final = "Charges"
ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a charge must be; the fields that are compared, by name."""

    name: str
    fields: dict[str, Any]


def check_charges(books: WorkspaceBooks) -> Iterator[Finding]:
    """Every charge that is called for exists once with its amount, and no other does."""
    purchases = list(TopUpPurchase.objects.filter(workspace=books.workspace))
    expected = dict(_expected(books, purchases))
    rows = list(Charge.objects.filter(workspace=books.workspace).select_related("period"))
    for row in rows:
        name = f"{row.description}, {row.key}"
        wanted = expected.pop(row.key, None)
        if wanted is None:
            yield unexpected(SUBJECT, row, name, row.amount)
            continue
        fields = {field: (getattr(row, field), value) for field, value in wanted.fields.items()}
        yield from compare(SUBJECT, row, name, fields)
    for key, wanted in expected.items():
        name = f"{wanted.name}, {key}"
        yield missing(SUBJECT, Charge, name, wanted.fields["amount"])
    yield Checked(SUBJECT, len(rows))


def _expected(
    books: WorkspaceBooks, purchases: list[TopUpPurchase]
) -> Iterator[tuple[str, Expected]]:
    first: dict[int, int] = {}
    for period in books.periods:
        first.setdefault(period.subscription_id, period.pk)
    bought: dict[int, Decimal] = {}
    for purchase in purchases:
        within = _bought_in(books, purchase)
        if within is None:
            continue
        amount = round_money(purchase.price, purchase.currency)
        bought[within.pk] = bought.get(within.pk, ZERO) + amount
        yield f"top_up:{purchase.pk}", _top_up(purchase, within, amount)
    for period in books.periods:
        terms = books.terms[period.plan_version_id]
        for fee, row in zip(terms.plan.fees, terms.fees, strict=True):
            if fee.when == "period" or first[period.subscription_id] == period.pk:
                key = f"fee:{period.subscription_id}:{period.start.isoformat()}:{row.pk}"
                yield key, _fee(period, fee, row)
        if period.pk in books.settled:
            yield from _of_closed(
                period,
                books.settled[period.pk],
                terms.plan.minimum_commitment,
                bought.get(period.pk, ZERO),
            )


def _bought_in(books: WorkspaceBooks, purchase: TopUpPurchase) -> BillingPeriod | None:
    return next(
        (p for p in books.periods if p.start <= purchase.purchased_at < p.end),
        None,
    )


def _of_period(period: BillingPeriod, kind: str, amount: Decimal, **more: Any) -> dict[str, Any]:
    """Fields of a charge of a period; by default due when it ends."""
    return {
        "agency_id": period.agency_id,
        "client_id": period.client_id,
        "workspace_id": period.workspace_id,
        "period_id": period.pk,
        "unit_id": None,
        "kind": kind,
        "quantity": Decimal(1),
        "unit_amount": "",
        "amount": amount,
        "currency": period.currency,
        "collected_by": CollectedBy.PLATFORM.value,
        "margin_rule_id": None,
        "bill_at": period.end,
        **more,
    }


def _fee(period: BillingPeriod, fee: FeeDocument, row: PlanFee) -> Expected:
    bounds = bounds_of(period)
    is_part = is_prorated(fee) and not share_of(bounds, period.timezone).is_whole
    fields = _of_period(
        period,
        fee.kind,
        fee_amount(fee, bounds, period.timezone, period.currency),
        unit_amount="" if is_part else plain(fee.amount),
        collected_by=fee.collected_by,
        bill_at=period.start,
    )
    return Expected(f"{row.name} of {period.workspace}", fields)


def _top_up(purchase: TopUpPurchase, period: BillingPeriod, amount: Decimal) -> Expected:
    fields = _of_period(
        period,
        LineKind.TOP_UP.value,
        amount,
        unit_id=purchase.unit_id,
        quantity=purchase.quantity,
    )
    # What one of them cost is for reading; the amount is what counts.
    del fields["unit_amount"]
    return Expected(f"top-up of {period.workspace}", fields)


def _of_closed(
    period: BillingPeriod, settled: list[Settled], minimum: Decimal | None, top_ups: Decimal
) -> Iterator[tuple[str, Expected]]:
    overage = ZERO
    for unit in settled:
        if unit.price is None:
            continue
        overage += unit.price.amount
        fields = _of_period(
            period,
            LineKind.OVERAGE.value,
            unit.price.amount,
            unit_id=unit.unit.pk,
            quantity=unit.result.overage,
            unit_amount=unit.price.unit_amount,
            margin_rule_id=unit.price.rule_id,
        )
        key = f"overage:{period.pk}:{unit.unit.pk}"
        yield key, Expected(f"overage of {period.workspace}", fields)
    if minimum is not None:
        due = minimum_due(minimum, bounds_of(period), period.timezone, period.currency)
        lacking = minimum_shortfall(due, overage + top_ups)
        if lacking:
            fields = _of_period(period, LineKind.MINIMUM.value, lacking)
            yield f"minimum:{period.pk}", Expected(f"minimum of {period.workspace}", fields)
