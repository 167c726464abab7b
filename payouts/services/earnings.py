"""Posts what agencies gain and lose: revenue of payments and what goes back of it, the platform's
fee, routed cost.

Sweeps, safe to run twice or at once: an invoice (or a period) is locked while its earnings are
posted, all of a payment's (or period's) rows are written in one transaction, and every row's
``key`` is unique.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from agencyportal.core.locks import lock_row
from billing.models import (
    BillingPeriod,
    CreditNote,
    Invoice,
    InvoiceMovement,
    LateSettlement,
    PeriodUsage,
)
from clients.models import Agency, CostPayer, UsageEvent, UsageUnit
from clients.selectors import known_cost
from payouts.accrual import credit_of, late_cost_of, revenue_of, routed_cost_of
from payouts.models import DisputeReserve, Earning, PlatformFeeRule
from payouts.revenue import FeeRule
from payouts.services.reserves import release_reserve

_logger = logging.getLogger(__name__)


class EarningsNotPostedError(Exception):
    """Some invoices or periods could not be posted; all others were. ``failures`` says which."""

    def __init__(self, posted: int, failures: list[str]) -> None:
        super().__init__("; ".join(failures))
        self.posted = posted
        self.failures = failures


def post_due_earnings(*, now: dt.datetime) -> int:
    """Post the earnings of every payment received and every period closed by ``now``.

    Returns how many rows were new. What cannot be posted holds up nothing else: the others are
    posted first, then EarningsNotPostedError names each failure. One transaction per invoice or
    period.
    """
    posted = 0
    failures = []
    for what, post in _due(now):
        try:
            posted += post()
        except Exception as error:
            _logger.exception("earnings of %s were not posted", what)
            failures.append(f"{what}: {error}")
    if failures:
        raise EarningsNotPostedError(posted, failures)
    return posted


def _due(now: dt.datetime) -> Iterator[tuple[str, Callable[[], int]]]:
    for pk in list(invoices_to_post(now)):
        yield f"invoice {pk}", partial(post_revenue, invoice_id=pk, now=now)
    for pk in list(credit_notes_to_post(now)):
        yield f"credit note {pk}", partial(post_credit, note_id=pk, now=now)
    for pk in list(periods_to_post(now)):
        yield f"period {pk}", partial(post_routed_cost, period_id=pk, now=now)
    for pk in list(reserves_to_release(now)):
        yield f"reserve {pk}", partial(release_reserve, reserve_id=pk, now=now)
    for pk in list(late_periods_to_post(now)):
        yield f"late usage of period {pk}", partial(post_late_cost, period_id=pk, now=now)


def unposted_before(*, agency_id: int, until: dt.datetime) -> bool:
    """Whether anything of an agency's up to an instant has brought no earning yet."""
    return (
        invoices_to_post(until).filter(invoice__agency=agency_id).exists()
        or credit_notes_to_post(until).filter(agency=agency_id).exists()
        or periods_to_post(until).filter(agency=agency_id).exists()
        or reserves_to_release(until).filter(payout__agency=agency_id).exists()
        or late_periods_to_post(until).filter(period__agency=agency_id).exists()
    )


def invoices_to_post(now: dt.datetime) -> QuerySet[InvoiceMovement, int]:
    """Ids of invoices with a movement by ``now`` that has brought no earning yet: a payment, or
    anything else but a dispute that was lost, which brings none."""
    kinds = InvoiceMovement.Kind
    paid = Earning.objects.filter(payment=OuterRef("payment"))
    moved = Earning.objects.filter(movement=OuterRef("pk"))
    waiting = Q(kind=kinds.PAYMENT) & ~Exists(paid) | ~Q(kind=kinds.PAYMENT) & ~Exists(moved)
    return (
        InvoiceMovement.objects.filter(waiting, occurred_at__lte=now)
        .exclude(kind=kinds.DISPUTE_LOST)
        .order_by("invoice_id")
        .values_list("invoice_id", flat=True)
        .distinct()
    )


def credit_notes_to_post(now: dt.datetime) -> QuerySet[CreditNote, int]:
    """Ids of credit notes by ``now`` over what was on no invoice, not posted yet."""
    posted = Earning.objects.filter(credit_line__credit_note=OuterRef("pk"))
    notes = CreditNote.objects.filter(~Exists(posted), invoice=None, issued_at__lte=now)
    return notes.order_by("pk").values_list("pk", flat=True)


def periods_to_post(now: dt.datetime) -> QuerySet[BillingPeriod, int]:
    """Ids of periods closed by ``now`` with platform-paid cost that is not posted yet."""
    posted = in_time().filter(period=OuterRef("pk"))
    counted = PeriodUsage.objects.filter(period=OuterRef("pk"), platform_cost__gt=0)
    unbilled = unbilled_routed().filter(
        workspace=OuterRef("workspace"),
        occurred_at__gte=OuterRef("start"),
        occurred_at__lt=OuterRef("end"),
    )
    return (
        BillingPeriod.objects.filter(state=BillingPeriod.State.CLOSED, closed_at__lte=now)
        .filter(Exists(counted) | Exists(unbilled), ~Exists(posted))
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def reserves_to_release(now: dt.datetime) -> QuerySet[DisputeReserve, int]:
    """Ids of reserves for disputes whose days are over by ``now``, not given back yet."""
    due = DisputeReserve.objects.filter(release_at__lte=now, released=None)
    return due.order_by("pk").values_list("pk", flat=True)


def in_time() -> QuerySet[Earning]:
    """Routed cost that was posted as its period closed, late usage's left out."""
    return Earning.objects.filter(kind=Earning.Kind.ROUTED_COST, late_settlement=None)


def late_periods_to_post(now: dt.datetime) -> QuerySet[LateSettlement, int]:
    """Ids of periods whose late usage, settled by ``now``, has platform-paid cost to post."""
    posted = Earning.objects.filter(late_settlement=OuterRef("pk"))
    return (
        LateSettlement.objects.filter(~Exists(posted), platform_cost__gt=0, settled_at__lte=now)
        .order_by("period_id")
        .values_list("period_id", flat=True)
        .distinct()
    )


def unbilled_routed() -> QuerySet[UsageEvent]:
    """Events outside the package whose cost the platform paid, with that as ``known_cost``: they
    bring cost, not revenue. What was priced after their period had closed settles late."""
    unbilled = UsageEvent.objects.filter(
        standing=UsageEvent.Standing.UNBILLED, cost_payer=CostPayer.PLATFORM
    )
    cost = known_cost(settled_late=False)
    return unbilled.annotate(known_cost=cost).filter(known_cost__gt=0)


def post_revenue(*, invoice_id: int, now: dt.datetime) -> int:
    """Post what happened to one invoice by ``now``: payments, money that went back, credit notes,
    disputes; returns the new rows.

    All movements take part in the split, in the order they were recorded, so what one of them
    brings does not depend on when it is posted. Locks the invoice, as whatever moves it does,
    then the agency, so that no fee rule begins between reading the rules and posting by them.
    """
    with transaction.atomic():
        invoice = lock_row(Invoice.objects.filter(pk=invoice_id))
        lock_row(Agency.objects.filter(pk=invoice.agency_id))
        movements = list(movements_of().filter(invoice=invoice))
        lines = invoice.lines.select_related("charge").order_by("position")
        earnings = revenue_of(invoice, lines, movements, fee_rules(invoice.agency_id))
        return _store((e for e in earnings if e.occurred_at <= now), now)


def movements_of() -> QuerySet[InvoiceMovement]:
    """Movements of invoices in their order, with what working out their earnings needs."""
    related = ("payment", "dispute__payment", "credit_note")
    rows = InvoiceMovement.objects.select_related(*related).defer("credit_note__snapshot")
    return rows.prefetch_related("credit_note__lines").order_by("invoice_id", "number")


def post_credit(*, note_id: int, now: dt.datetime) -> int:
    """Post what a credit note over charges that were on no invoice takes back; returns the new
    rows. Locks the credit note, then the agency."""
    with transaction.atomic():
        note = lock_row(CreditNote.objects.filter(pk=note_id))
        lock_row(Agency.objects.filter(pk=note.agency_id))
        return _store(credit_of(credited_lines().get(pk=note_id), fee_rules(note.agency_id)), now)


def credited_lines() -> QuerySet[CreditNote]:
    """Credit notes over what was on no invoice, with their lines and charges."""
    return CreditNote.objects.filter(invoice=None).prefetch_related("lines__charge")


def fee_rules(agency_id: int) -> list[FeeRule]:
    """What the platform keeps of an agency's revenue."""
    rows = PlatformFeeRule.objects.filter(agency_id=agency_id)
    return [FeeRule(row.line_kind, row.percent, row.effective_from) for row in rows]


def post_routed_cost(*, period_id: int, now: dt.datetime) -> int:
    """Post what the platform paid for a closed period; returns the new rows. Locks the period."""
    with transaction.atomic():
        period = lock_row(BillingPeriod.objects.filter(pk=period_id))
        if period.state != BillingPeriod.State.CLOSED:
            return 0
        costs = routed_costs(period)
        units = UsageUnit.objects.in_bulk(costs)
        return _store(routed_cost_of(period, costs, units), now)


def post_late_cost(*, period_id: int, now: dt.datetime) -> int:
    """Post what the platform paid for late usage of a closed period that settled by ``now``;
    returns the new rows. Locks the period."""
    with transaction.atomic():
        period = lock_row(BillingPeriod.objects.filter(pk=period_id))
        earnings = late_cost_of(period, routed_costs(period), late_settlements(period))
        return _store((e for e in earnings if e.occurred_at <= now), now)


def late_settlements(period: BillingPeriod) -> QuerySet[LateSettlement]:
    """What settled late of a period, in order."""
    return period.late_settlements.select_related("unit").order_by("unit_id", "number")


def routed_costs(period: BillingPeriod) -> dict[int, Decimal]:
    """Exact platform-paid cost of a closed period by unit id: the frozen usage's, and that of
    events inside it that no package covers."""
    costs: dict[int, Decimal] = defaultdict(Decimal)
    for unit_id, cost in period.usage.values_list("unit_id", "platform_cost"):
        costs[unit_id] += cost
    inside = unbilled_routed().filter(
        workspace_id=period.workspace_id,
        occurred_at__gte=period.start,
        occurred_at__lt=period.end,
    )
    for unit_id, cost in inside.values_list("unit_id").annotate(cost=Sum("known_cost")):
        costs[unit_id] += cost
    return costs


def _store(earnings: Iterable[Earning], now: dt.datetime) -> int:
    """Write the rows that are not there yet. The caller holds the lock of what caused them."""
    wanted = {earning.key: earning for earning in earnings}
    stored = Earning.objects.filter(key__in=list(wanted)).values_list("key", flat=True)
    for key in list(stored):
        del wanted[key]
    for earning in wanted.values():
        earning.created_at = now
    Earning.objects.bulk_create(wanted.values())
    return len(wanted)
