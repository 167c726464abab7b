"""Payouts from their items, chained month by month, with every due earning in exactly one."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from django.db.models import Exists, OuterRef, Sum

from agencyportal.core.documents import SnapshotError
from payouts.documents.statement_snapshot import StatementSnapshot
from payouts.facts import facts_of
from payouts.models import CarriedOver, Earning, Payout, PayoutItem, StatementDocument
from payouts.statement import Figures, Source, breakdown, figures

from .earnings import name_of as earning_name
from .findings import Checked, Finding, compare, difference, missing
from .scope import CHUNK, Scope

SUBJECT: Final = "Payouts"
ITEMS: Final = "Payout items"
SNAPSHOTS: Final = "Statement snapshots"

ZERO: Final = Decimal(0)


def check_payouts(scope: Scope) -> Iterator[Finding]:
    """Each agency's and currency's payouts in order, then earnings that were left out."""
    payouts = scope.of(Payout.objects.all()).order_by("agency", "currency", "month")
    for _of, chain in groupby(
        payouts.iterator(chunk_size=CHUNK // 20), key=lambda p: (p.agency_id, p.currency)
    ):
        closing = ZERO
        for payout in chain:
            yield from _check_payout(payout, closing + _taken_over(payout))
            closing = payout.closing
    yield from _check_left_out(scope)


def check_payout(payout: Payout) -> Iterator[Finding]:
    """One payout by itself: opening, figures, items, statement."""
    before = (
        Payout.objects.filter(
            agency_id=payout.agency_id, currency=payout.currency, month__lt=payout.month
        )
        .defer("snapshot")
        .order_by("-month")
        .first()
    )
    closing = before.closing if before is not None else ZERO
    yield from _check_payout(payout, closing + _taken_over(payout))


def _taken_over(payout: Payout) -> Decimal:
    """What payouts that were cancelled bring it."""
    rows = CarriedOver.objects.filter(into=payout)
    return rows.aggregate(total=Sum("cancelled__amount"))["total"] or ZERO


def name_of(payout: Payout) -> str:
    return f"payout {payout.number}"


def _check_payout(payout: Payout, opening: Decimal) -> Iterator[Finding]:
    items = list(
        PayoutItem.objects.filter(payout=payout)
        .select_related("earning__invoice_line__charge", "earning__credit_line__charge")
        .order_by("pk")
    )
    for item in items:
        yield from _check_item(item, payout)
    earnings = [item.earning for item in items]
    made = figures(facts_of(earnings), opening=opening, minimum=ZERO)
    fields: dict[str, tuple[Any, Any]] = {
        "opening": (payout.opening, opening),
        "revenue": (payout.revenue, made.revenue),
        "routed_cost": (payout.routed_cost, made.routed_cost),
        "platform_fee": (payout.platform_fee, made.platform_fee),
        "refunds": (payout.refunds, made.refunds),
        "disputes": (payout.disputes, made.disputes),
        "reserve": (payout.reserve, made.reserve),
        "adjustments": (payout.adjustments, made.adjustments),
        "balance": (payout.amount + payout.closing, made.balance),
        # The minimum of that month is not kept; it pays the balance whole or nothing.
        "amount": (payout.amount, payout.amount if payout.amount == 0 else made.amount),
        "state": (payout.state, _state(payout)),
    }
    yield from compare(SUBJECT, payout, name_of(payout), fields)
    yield Checked(ITEMS, len(items))
    yield Checked(SUBJECT, 1)
    yield from _check_snapshot(payout, earnings, made)
    if not StatementDocument.objects.filter(payout=payout).exists():
        yield missing(SUBJECT, StatementDocument, name_of(payout), "a file of what was sent")


def _state(payout: Payout) -> str:
    """The state, unless it says that something is paid where nothing is, or the other way."""
    carried = Payout.State.CARRIED.value
    if payout.amount == 0:
        return carried
    return Payout.State.DRAFT.value if payout.state == carried else payout.state


def _check_item(item: PayoutItem, payout: Payout) -> Iterator[Finding]:
    earning = item.earning
    name = f"{earning_name(earning)} in {name_of(payout)}"
    fields = {
        "agency": (earning.agency_id, payout.agency_id),
        "currency": (earning.currency, payout.currency),
    }
    yield from compare(ITEMS, item, name, fields)
    if earning.occurred_at >= payout.month_end:
        words = f"before {payout.month_end:%Y-%m-%d %H:%M}"
        yield difference(ITEMS, item, name, "earning", earning.occurred_at, words)


def _check_left_out(scope: Scope) -> Iterator[Finding]:
    """An earning that was there when a payout of its month was built is in one."""
    built = Payout.objects.filter(
        agency=OuterRef("agency"),
        currency=OuterRef("currency"),
        month_end__gt=OuterRef("occurred_at"),
        built_at__gt=OuterRef("created_at"),
    )
    for earning in scope.of(Earning.objects.unpaid()).filter(Exists(built)).order_by("pk"):
        yield missing(ITEMS, PayoutItem, earning_name(earning), f"earning {earning.pk} paid out")


def _check_snapshot(payout: Payout, earnings: list[Earning], made: Figures) -> Iterator[Finding]:
    """The statement says the figures; names and addresses it keeps as they were."""
    name = name_of(payout)
    yield Checked(SNAPSHOTS, 1)
    try:
        snapshot = StatementSnapshot.from_dict(payout.snapshot)
    except SnapshotError as error:
        yield difference(SNAPSHOTS, payout, name, "snapshot", str(error), "a printable snapshot")
        return
    shares = breakdown(facts_of(earnings)).values()
    totals = snapshot.totals
    printed = sorted(
        (line.source, line.revenue, line.routed_cost, line.platform_fee)
        for line in snapshot.earning_lines()
    )
    fields: dict[str, tuple[Any, Any]] = {
        "snapshot.number": (snapshot.number, payout.number),
        "snapshot.month": (snapshot.month, payout.month),
        "snapshot.currency": (snapshot.currency, payout.currency),
        "snapshot.totals.opening": (totals.opening, payout.opening),
        "snapshot.totals.usage_revenue": (totals.usage_revenue, _revenue(shares, Source.USAGE)),
        "snapshot.totals.fee_revenue": (totals.fee_revenue, _revenue(shares, Source.FEE)),
        "snapshot.totals.routed_cost": (totals.routed_cost, -made.routed_cost),
        "snapshot.totals.platform_fees": (totals.platform_fees, -made.platform_fee),
        "snapshot.totals.refunds": (totals.refunds, made.refunds),
        "snapshot.totals.disputes": (totals.disputes, made.disputes),
        "snapshot.totals.reserve": (totals.reserve, made.reserve),
        "snapshot.totals.adjustments": (totals.adjustments, made.adjustments),
        "snapshot.totals.paid_out": (totals.paid_out, payout.amount),
        "snapshot.totals.closing": (totals.closing, payout.closing),
        "snapshot.clients": (
            printed,
            sorted(
                (share.place.source.value, share.revenue, share.routed_cost, share.platform_fee)
                for share in shares
            ),
        ),
    }
    yield from compare(SNAPSHOTS, payout, name, fields)


def _revenue(shares: Any, source: Source) -> Decimal:
    return sum((share.revenue for share in shares if share.place.source is source), ZERO)
