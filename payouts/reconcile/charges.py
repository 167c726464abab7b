"""Charges against the plans, purchases and settlements that call for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from agencyportal.core.money import round_money
from billing.models import (
    BillingPeriod,
    Charge,
    CollectedBy,
    LineKind,
    TopUpPurchase,
)
from billing.rating import minimum_shortfall
from billing.selectors.periods import bounds_of
from billing.terms import minimum_due

from .discounts import DiscountCheck
from .fees import Voids, check_voids, fees_of
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
    rows = list(Charge.objects.filter(workspace=books.workspace).select_related("period"))
    voids = Voids.load(books)
    discounts = DiscountCheck(books, rows, voids)
    yield from discounts.findings()
    by_key = {row.key: row for row in rows}
    expected = dict(_expected(books, purchases, by_key, voids, discounts.taken_off_overage))
    expected |= {key: _late(charge) for key, charge in books.late_charges.items()}
    for row in rows:
        if row.kind == LineKind.DISCOUNT:
            continue
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
    yield from check_voids(books, voids)


def _expected(
    books: WorkspaceBooks,
    purchases: list[TopUpPurchase],
    rows: Mapping[str, Charge],
    voids: Voids,
    taken_off: Mapping[int, Decimal],
) -> Iterator[tuple[str, Expected]]:
    bought: dict[int, Decimal] = {}
    for purchase in purchases:
        row = rows.get(f"top_up:{purchase.pk}")
        within = _bought_in(books, purchase, row)
        if within is None:
            continue
        amount = round_money(purchase.price, purchase.currency)
        bought[within.pk] = bought.get(within.pk, ZERO) + amount
        yield (
            f"top_up:{purchase.pk}",
            _top_up(purchase, within, amount, _due_at(books, within, row)),
        )
    for period in [*books.withdrawn, *books.periods]:
        terms = books.terms_in(period)
        for key, name, fields in fees_of(books, period, voids):
            yield key, Expected(name, fields)
        if period.pk in books.settled:
            yield from _of_closed(
                period,
                books.settled[period.pk],
                terms.plan.minimum_commitment,
                bought.get(period.pk, ZERO) - taken_off.get(period.pk, ZERO),
            )


def _bought_in(
    books: WorkspaceBooks, purchase: TopUpPurchase, row: Charge | None
) -> BillingPeriod | None:
    """The period that a purchase was made in, as it was then: its end may have moved since."""
    at = purchase.purchased_at
    found = [
        period
        for period in [*books.periods, *books.withdrawn]
        if period.start <= at < max(books.ends_of(period))
    ]
    named = (period for period in found if row is not None and period.pk == row.period_id)
    return next(named, found[0] if found else None)


def _due_at(books: WorkspaceBooks, period: BillingPeriod, row: Charge | None) -> dt.datetime:
    """When what was bought in a period is due: its end, as it was then."""
    is_one = row is not None and row.bill_at in books.ends_of(period)
    return row.bill_at if row is not None and is_one else period.end


def _late(charge: Charge) -> Expected:
    """A charge for late usage, which names the closed period."""
    names = (*_of_period(charge.period, charge.kind, charge.amount), "description")
    return Expected(charge.description, {name: getattr(charge, name) for name in names})


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


def _top_up(
    purchase: TopUpPurchase, period: BillingPeriod, amount: Decimal, due_at: dt.datetime
) -> Expected:
    fields = _of_period(
        period,
        LineKind.TOP_UP.value,
        amount,
        unit_id=purchase.unit_id,
        quantity=purchase.quantity,
        bill_at=due_at,
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
            quantity=unit.price.quantity,
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
