"""Which discounts are in force in which periods, and what their charges come to so far."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, cast

from billing.discounts import Agreed, DiscountDocument, Group, Start
from billing.models import (
    BillingPeriod,
    Charge,
    CollectedBy,
    LineKind,
    Subscription,
    SubscriptionDiscount,
)
from billing.services.plans import Terms, discount_document, terms_in

ZERO = Decimal(0)


class InForce(NamedTuple):
    """A discount of a period; ``source`` names its row: `plan:7`, `subscription:7`."""

    source: str
    discount: DiscountDocument


def discounts_in_force(
    periods: Sequence[BillingPeriod], terms: Mapping[int, Terms]
) -> dict[int, list[InForce]]:
    """The discounts of each period that has any, in the order in which they apply: the package's,
    then those agreed for the subscription or one that it continues. ``terms``: of plan versions,
    by id. One query, and two more where there are any."""
    workspaces = {period.workspace_id for period in periods}
    agreed = list(
        SubscriptionDiscount.objects.filter(workspace__in=workspaces).order_by("effective_at", "pk")
    )
    lines = _Lines.load(workspaces if agreed else ())
    candidates = {
        period.pk: [
            *_of_package(terms_in(terms, period), period),
            *_of_subscription(agreed, lines.of(period.subscription_id)),
        ]
        for period in periods
    }
    begun = _starts(workspaces) if any(candidates.values()) else {}
    found: dict[int, list[InForce]] = {}
    for period in periods:
        earlier = begun.get(period.workspace_id, [])
        in_force = [
            InForce(each.source, each.agreed.discount)
            for each in candidates[period.pk]
            if _applies(each, period, earlier)
        ]
        if in_force:
            found[period.pk] = in_force
    return found


class _Begun(NamedTuple):
    """A period of a workspace: its subscription, where it starts, and, where it asks for fees, the
    start of the whole interval that these are for."""

    subscription_id: int
    start: Start
    fees_full_start: dt.datetime | None


def _applies(candidate: _Candidate, period: BillingPeriod, begun: Iterable[_Begun]) -> bool:
    """Whether a discount is taken off in a period. On fees, only where fees begin counts."""
    full_start: dt.datetime | None = period.full_start
    earlier = [
        each
        for each in begun
        if each.subscription_id in candidate.subscriptions and each.start.start < period.start
    ]
    starts = [each.start for each in earlier]
    if candidate.agreed.discount.on == "fees":
        full_start = fees_full_start(period)
        starts = [
            Start(each.start.start, each.fees_full_start)
            for each in earlier
            if each.fees_full_start is not None
        ]
    return full_start is not None and candidate.agreed.applies(period.start, full_start, starts)


def fees_full_start(period: BillingPeriod) -> dt.datetime | None:
    """Where the whole interval starts that a period asks fees for; None where it asks for none."""
    return (period.fees_full_start or period.full_start) if period.asks_fees else None


class _Candidate(NamedTuple):
    """A discount that may hold in a period, and whose periods count for how long it does."""

    source: str
    agreed: Agreed
    subscriptions: frozenset[int]


def _of_package(terms: Terms, period: BillingPeriod) -> Iterator[_Candidate]:
    for row in terms.discounts:
        own = frozenset({period.subscription_id})
        yield _Candidate(f"plan:{row.pk}", Agreed(discount_document(row)), own)


def _of_subscription(
    agreed: Iterable[SubscriptionDiscount], line: frozenset[int]
) -> Iterator[_Candidate]:
    """What was agreed for a subscription, or for one that it continues."""
    for row in agreed:
        if row.subscription_id in line:
            held = Agreed(discount_document(row), row.effective_at, row.expires_at)
            yield _Candidate(f"subscription:{row.pk}", held, line)


class _Lines(dict[int, int | None]):
    """Which subscription each one continues."""

    @classmethod
    def load(cls, workspaces: Iterable[int]) -> _Lines:
        rows = Subscription.objects.filter(workspace__in=workspaces)
        return cls(rows.values_list("pk", "continues_id")) if workspaces else cls()

    def of(self, subscription_id: int) -> frozenset[int]:
        """A subscription and all that it continues."""
        found = set()
        current: int | None = subscription_id
        while current is not None and current not in found:
            found.add(current)
            current = self.get(current)
        return frozenset(found)


def _starts(workspaces: Iterable[int]) -> dict[int, list[_Begun]]:
    """By workspace, where its paid periods start."""
    paid = BillingPeriod.objects.filter(workspace__in=workspaces, is_trial=False)
    rows = paid.order_by("start")
    columns = (
        "workspace_id",
        "subscription_id",
        "start",
        "full_start",
        "asks_fees",
        "fees_full_start",
    )
    found: dict[int, list[_Begun]] = defaultdict(list)
    for row in rows.only(*columns):
        start = Start(row.start, row.full_start)
        found[row.workspace_id].append(_Begun(row.subscription_id, start, fees_full_start(row)))
    return found


class Taken(NamedTuple):
    """What was written of one discount on one group of one period's charges: what its standing
    lines take off, and how many there ever were."""

    name: str
    off: Decimal = ZERO
    lines: int = 0
    standing: tuple[Charge, ...] = ()


def group_of(charge: Charge) -> Group | None:
    """What discounts take a charge for; None where none can be on it. A credit on a fee, which
    names it as well, counts against it; what the agency collects itself is its own to discount."""
    if charge.collected_by != CollectedBy.PLATFORM:
        return None
    if charge.kind in (LineKind.OVERAGE, LineKind.LATE_USAGE):
        return "overage"
    if charge.kind == LineKind.DISCOUNT or "fee" not in charge.details:
        return None
    return "once" if charge.details.get("when") == "once" else "fees"


def charged_by_group(
    charges: Iterable[Charge], voided: Collection[int] = ()
) -> dict[int, dict[Group, Decimal]]:
    """What charges come to, by period and group, without those that were taken back."""
    found: dict[int, dict[Group, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for charge in charges:
        group = group_of(charge)
        if group is not None and charge.pk not in voided:
            found[charge.period_id][group] += _discountable(charge)
    return found


def _discountable(charge: Charge) -> Decimal:
    """A charge, but for what late usage changed in the minimum, which is never discounted."""
    if charge.kind == LineKind.LATE_USAGE:
        return Decimal(charge.details["overage_amount"])
    return charge.amount


def taken_by_group(
    charges: Iterable[Charge], voided: Collection[int] = ()
) -> dict[tuple[int, str, Group], Taken]:
    """What discount lines took off so far, by period, source and group. ``voided``: ids of charges
    that were taken back; they count as written."""
    found: dict[tuple[int, str, Group], Taken] = {}
    for charge in charges:
        if charge.kind == LineKind.DISCOUNT:
            details = charge.details
            place = (charge.period_id, str(details["discount"]), cast(Group, details["group"]))
            was = found.get(place, Taken(details["name"]))._replace(name=details["name"])
            if charge.pk not in voided:
                standing = (*was.standing, charge)
                was = was._replace(off=was.off - charge.amount, standing=standing)
            found[place] = was._replace(lines=was.lines + 1)
    return found
