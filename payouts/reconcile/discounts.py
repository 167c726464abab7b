"""Discount lines against what is agreed and what the periods are charged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from billing.discounts import GROUPS, Group, taken_off
from billing.models import BillingPeriod, Charge, CollectedBy, LineKind
from billing.proration import share_of
from billing.selectors.discounts import InForce, charged_by_group, discounts_in_force
from billing.selectors.periods import bounds_of, fees_time_of

from .fees import Voids
from .findings import Checked, Finding, compare, difference, missing, unexpected
from .periods import WorkspaceBooks, period_name

SUBJECT: Final = "Discounts"
ZERO: Final = Decimal(0)

Place = tuple[str, Group]
"""A discount and what it is taken off."""


class DiscountCheck:
    """The discounts of a workspace's periods, worked out again from its other charges.

    Those are proved elsewhere. What several lines of one discount take off one period counts as
    one: each brought it to what was called for at its time.
    """

    def __init__(self, books: WorkspaceBooks, charges: Iterable[Charge], voids: Voids) -> None:
        periods = [*books.withdrawn, *books.periods]
        self.periods = {period.pk: period for period in periods}
        rows = list(charges)
        voided = {row.pk for row in rows if row.key in voids.by_charge}
        self.lines = [row for row in rows if row.kind == LineKind.DISCOUNT]
        self.standing = [row for row in self.lines if row.pk not in voided]
        # A line that was taken back is called for by what the others come to.
        voids.called_for |= {row.key for row in self.lines}
        in_force = discounts_in_force(periods, books.terms)
        at_close = [row for row in rows if row.kind != LineKind.LATE_USAGE]

        def due(charges: Iterable[Charge]) -> dict[int, dict[Place, Decimal]]:
            charged = charged_by_group(charges, voided)
            return {
                period.pk: dict(
                    self._due(period, in_force.get(period.pk, []), charged.get(period.pk, {}))
                )
                for period in periods
            }

        self.due, self.due_at_close = due(rows), due(at_close)

    @property
    def taken_off_overage(self) -> dict[int, Decimal]:
        """What had to be taken off the overage of each period when it closed."""
        return {
            period_id: sum((off for (_, group), off in due.items() if group == "overage"), ZERO)
            for period_id, due in self.due_at_close.items()
        }

    @staticmethod
    def _due(
        period: BillingPeriod, in_force: list[InForce], charged: Mapping[Group, Decimal]
    ) -> Iterator[tuple[Place, Decimal]]:
        asked = fees_time_of(period)
        amounts = taken_off(
            [each.discount for each in in_force],
            charged,
            share_of(bounds_of(period), period.timezone),
            period.currency,
            fees_share=share_of(asked, period.timezone) if asked else None,
        )
        for each, by_group in zip(in_force, amounts, strict=True):
            for group, off in by_group.items():
                yield (each.source, group), off

    def findings(self) -> Iterator[Finding]:
        """Every period's discounts come to what is due, and each line stands where it belongs."""
        written: dict[tuple[int, Place], list[Charge]] = {}
        for row in self.lines:
            yield from self._check_line(row)
        for row in self.standing:
            place = (str(row.details.get("discount")), row.details.get("group"))
            written.setdefault((row.period_id, place), []).append(row)
        for period_id, due in self.due.items():
            for place, off in due.items():
                rows = written.pop((period_id, place), [])
                yield from self._check_sum(self.periods[period_id], place, rows, off)
        for (period_id, place), rows in written.items():
            period = self.periods.get(period_id)
            if period is None or place[1] not in GROUPS:
                for row in rows:
                    yield unexpected(SUBJECT, row, row.description, row.amount)
            else:
                yield from self._check_sum(period, place, rows, ZERO)
        yield Checked(SUBJECT, len(self.lines))

    def _check_line(self, row: Charge) -> Iterator[Finding]:
        period = self.periods.get(row.period_id)
        if period is None:
            return
        bill_at = period.end if row.details.get("group") == "overage" else period.start
        fields = {
            "agency_id": (row.agency_id, period.agency_id),
            "client_id": (row.client_id, period.client_id),
            "workspace_id": (row.workspace_id, period.workspace_id),
            "currency": (row.currency, period.currency),
            "collected_by": (row.collected_by, CollectedBy.PLATFORM.value),
            "bill_at": (row.bill_at, bill_at),
        }
        yield from compare(SUBJECT, row, f"{row.description}, {row.key}", fields)

    def _check_sum(
        self, period: BillingPeriod, place: Place, rows: list[Charge], off: Decimal
    ) -> Iterator[Finding]:
        name = f"{place[0]} on {place[1]}, {period_name(period)}"
        if not rows:
            yield missing(SUBJECT, Charge, name, -off)
        elif sum((row.amount for row in rows), ZERO) != -off:
            for row in rows:
                must = f"so that all lines of it come to {(-off).normalize():f}"
                yield difference(SUBJECT, row, name, "amount", row.amount, must)
