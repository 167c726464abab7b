"""Late usage of closed periods, settled again: from late events, corrections and costs found
later, on top of the recomputed waterfalls, in the order in which it settled.

How much open usage had left of a grant when late usage drew from it is nowhere written down: what
was drawn is taken as stored, and has to fit. It is bounded by the grant's own account.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from billing.asking import billable
from billing.late_usage import (
    Change,
    LateResult,
    overage_by_time,
    settle_late,
)
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    LateEntry,
    LateGrantUse,
    LateSettlement,
)
from billing.rating import minimum_shortfall
from billing.selectors.late_usage import (
    Entry,
    changes_of,
    costs_of,
    pending_corrections,
    pending_events,
    pending_pricings,
)
from billing.selectors.periods import bounds_of
from billing.services.late_allowances import (
    Ahead,
)
from billing.services.late_books import write_buckets
from billing.services.late_settlements import (
    LateMarginRules,
    Totals,
    freed_grant,
    still_ahead,
)
from billing.services.late_usage import late_charge
from billing.services.overage import price_overage
from billing.terms import minimum_due
from clients.models import UsageEvent

from .findings import Checked, Finding, compare, difference, missing, unexpected
from .grants import GROWN
from .late_units import LateUnit, check_taken_late, credit_drawn, grow
from .periods import WorkspaceBooks, period_name

SUBJECT: Final = "Late usage"
GRANTS: Final = "Credit grants"
ZERO: Final = Decimal(0)
Source = LateGrantUse.Source


def check_late_usage(books: WorkspaceBooks) -> Iterator[Finding]:
    """Every settlement with its uses and the grants it gave back; fills ``books.late_charges``."""
    entries = _entries(books)
    returned: dict[str, CreditGrant] = {}
    for period in books.periods:
        late = [row for row in books.late if row.period_id == period.pk]
        if late:
            yield from _check_period(books, period, late, entries, returned)
    for entry in entries.get(None, []):
        yield from _check_outside(books, entry)
    yield from _check_returned(books, returned)
    yield from check_taken_late(books)
    yield from _check_charges(books)
    waiting = pending_events().filter(workspace=books.workspace).count()
    waiting += pending_corrections().filter(workspace=books.workspace).count()
    waiting += pending_pricings().filter(workspace=books.workspace).count()
    if books.late or waiting:
        yield Checked(SUBJECT, len(books.late), open=waiting)


def _entries(books: WorkspaceBooks) -> Mapping[int | None, list[LateEntry]]:
    found: dict[int | None, list[LateEntry]] = defaultdict(list)
    rows = LateEntry.objects.filter(workspace=books.workspace)
    for row in rows.select_related("event__meter", "correction", "pricing").order_by("pk"):
        found[row.settlement_id].append(row)
    return found


def _check_period(
    books: WorkspaceBooks,
    period: BillingPeriod,
    late: Sequence[LateSettlement],
    entries: Mapping[int | None, list[LateEntry]],
    returned: dict[str, CreditGrant],
) -> Iterator[Finding]:
    units = {s.unit.pk: LateUnit.of(s) for s in books.settled.get(period.pk, [])}
    charged = sum((unit.amount for unit in units.values()), ZERO)
    numbers: dict[int, int] = defaultdict(int)
    for row in late:
        numbers[row.unit_id] += 1
        name = f"late {row.unit.plural} {row.number}, {period_name(period)}"
        mine = entries.get(row.pk, [])
        for entry in mine:
            yield from _check_entry(entry, row, period, name)
        unit = units.get(row.unit_id)
        given = [Entry(entry.event, entry.correction, entry.pricing) for entry in mine]
        platform_cost, agency_cost = costs_of(given)
        expected: dict[str, Any] = {
            "agency_id": period.agency_id,
            "client_id": period.client_id,
            "workspace_id": period.workspace_id,
            "currency": period.currency,
            "number": numbers[row.unit_id],
            "platform_cost": platform_cost,
            "agency_cost": agency_cost,
        }
        if unit is None:
            nothing = ("quantity", "from_period", "from_grants", "overage")
            expected |= dict.fromkeys((*nothing, "overage_amount", "minimum_amount"), ZERO)
        else:
            try:
                changes = changes_of(period, row.unit_id, given, number=row.number)
                short = unit.short_allowance(books, period, row.number)
                if short is not None:
                    yield from grow(books, unit, row, short, changes, returned)
                result, buckets = _settle(unit, row, period, changes)
            except ValueError as error:
                yield difference(SUBJECT, row, name, "quantity", row.quantity, f"({error})")
                continue
            unit.cost += platform_cost + agency_cost
            price = _move_on(books, unit, row, period, given, result)
            added = price - unit.amount
            unit.amount = price
            expected |= {
                "quantity": result.quantity,
                "from_period": sum(result.from_period.values(), ZERO),
                "from_grants": sum(result.drawn.values(), ZERO),
                "overage": result.overage,
                "overage_amount": added,
                "minimum_amount": _minimum(books, period, charged, added),
                "buckets": buckets,
            }
            charged += added
            ahead = None if short is None else short.ahead()
            yield from _check_uses(books, unit, row, result, returned, ahead, name)
        fields = {key: (getattr(row, key), value) for key, value in expected.items()}
        yield from compare(SUBJECT, row, name, fields)


def _check_entry(
    entry: LateEntry, row: LateSettlement, period: BillingPeriod, name: str
) -> Iterator[Finding]:
    event = entry.event
    of = entry.correction or entry.pricing
    fields: dict[str, tuple[object, object]] = {
        "unit": (event.unit_id, row.unit_id),
        "workspace": (event.workspace_id, row.workspace_id),
        "in the period": (period.start <= event.occurred_at < period.end, True),
        "standing": ((of or event).standing, UsageEvent.Standing.LATE.value),
        "event": (entry.event_id, of.event_id if of is not None else entry.event_id),
    }
    yield from compare(SUBJECT, entry, f"event {event.external_id}, {name}", fields)


def _check_outside(books: WorkspaceBooks, entry: LateEntry) -> Iterator[Finding]:
    at = entry.event.occurred_at
    for period in books.periods:
        if period.start <= at < period.end and period.state == BillingPeriod.State.CLOSED:
            name = f"event {entry.event.external_id} of {books.workspace}"
            yield difference(SUBJECT, entry, name, "settlement", None, f"one of {period}")


# --- Settling again ----------------------------------------------------------------------------


def _settle(
    unit: LateUnit, row: LateSettlement, period: BillingPeriod, changes: Sequence[Change]
) -> tuple[LateResult, dict[str, str]]:
    return settle_late(unit.closed(period), changes, credit_drawn(row)), write_buckets(changes)


def _move_on(
    books: WorkspaceBooks,
    unit: LateUnit,
    row: LateSettlement,
    period: BillingPeriod,
    entries: Sequence[Entry],
    result: LateResult,
) -> Decimal:
    """Take a result into the unit; the price of all its overage then."""
    unit.buckets = result.buckets
    unit.used += result.quantity
    unit.overage += result.overage
    for grant_id, quantity in result.drawn.items():
        unit.drawn[int(grant_id)] = unit.drawn.get(int(grant_id), ZERO) + quantity
    terms = books.terms_in(period)
    allowance = next((a for a in terms.plan.allowances if a.unit == unit.settled.unit.slug), None)
    if allowance is None:
        return ZERO
    billed, ask = None, allowance.overage.ask
    if ask is not None:
        by_time = overage_by_time(unit.closed(period), unit.buckets, unit.overage)
        billed = billable(by_time, ask, books.questions.get((period.pk, row.unit_id)))
    price = price_overage(
        period,
        row.unit_id,
        allowance.overage,
        Totals(unit.used, unit.overage),
        unit.cost,
        LateMarginRules(period, entries, row.number),
        billed,
    )
    return price.amount if price else ZERO


def _minimum(
    books: WorkspaceBooks, period: BillingPeriod, charged: Decimal, added: Decimal
) -> Decimal:
    minimum = books.terms_in(period).plan.minimum_commitment
    if minimum is None:
        return ZERO
    due = minimum_due(minimum, bounds_of(period), period.timezone, period.currency)
    charged += books.bought.get(period.pk, ZERO)
    return minimum_shortfall(due, charged + added) - minimum_shortfall(due, charged)


def _check_uses(
    books: WorkspaceBooks,
    unit: LateUnit,
    row: LateSettlement,
    result: LateResult,
    returned: dict[str, CreditGrant],
    ahead: Ahead | None,
    name: str,
) -> Iterator[Finding]:
    grants = {grant.pk: grant for grant in books.grants}
    wanted = {(Source.PERIOD, int(g)): q for g, q in result.from_period.items()}
    wanted |= {(Source.CREDIT, int(g)): q for g, q in result.drawn.items()}
    stored = {(use.source, use.grant_id): use for use in row.uses.all()}
    for (source, grant_id), quantity in wanted.items():
        use_name = f"grant {grant_id}, {name}"
        use = stored.pop((source, grant_id), None)
        back = freed_grant(row, source, grants[grant_id], quantity, row.settled_at, ahead)
        ahead = still_ahead(ahead, grants[grant_id], source, quantity)
        if source == Source.PERIOD and grant_id in unit.allowances:
            unit.more_consumed += quantity
            unit.returned += back.quantity if back is not None else ZERO
        if back is not None:
            returned[back.key] = back
            if source == Source.PERIOD:
                unit.pool[grant_id] -= back.quantity
        if use is None:
            yield missing(SUBJECT, LateGrantUse, use_name, quantity)
            continue
        key = None if use.returned_as is None else use.returned_as.key
        if use.returned_as_id is not None:
            unit.came_back.add(use.returned_as_id)
        fields = {
            "quantity": (use.quantity, quantity),
            "returned_as": (key, None if back is None else back.key),
        }
        yield from compare(SUBJECT, use, use_name, fields)
    for use in stored.values():
        yield unexpected(SUBJECT, use, f"grant {use.grant_id}, {name}", use.quantity)


def _check_returned(
    books: WorkspaceBooks, expected: Mapping[str, CreditGrant]
) -> Iterator[Finding]:
    """Grants with which freed units came back, and by which allowances grew; every other one that
    says so is not called for."""
    wanted = dict(expected)
    for row in books.grants:
        name = f"{row.kind} grant {row.key} of {books.workspace}"
        if row.key not in wanted:
            if row.key.startswith(("late:", GROWN)):
                yield unexpected(GRANTS, row, name, row.quantity)
            continue
        back = wanted.pop(row.key)
        columns = ("kind", "quantity", "unit_id", "effective_at", "expires_at", "priority")
        fields = {column: (getattr(row, column), getattr(back, column)) for column in columns}
        yield from compare(GRANTS, row, name, fields)
    for key, back in wanted.items():
        yield missing(GRANTS, CreditGrant, f"{key} of {books.workspace}", back.quantity)


# --- Charges -----------------------------------------------------------------------------------


def _check_charges(books: WorkspaceBooks) -> Iterator[Finding]:
    """What each open period charged as it closed, and what those who left were charged at once;
    `check_charges` compares the charges themselves."""
    groups: dict[tuple[object, ...], list[LateSettlement]] = defaultdict(list)
    for row in books.late:
        # Where the client has left, one sweep is one group.
        when = row.settled_in_id or row.settled_at
        groups[when, row.period_id, row.unit_id].append(row)
    periods = {period.pk: period for period in books.periods}
    for rows in groups.values():
        settled_in = periods.get(rows[0].settled_in_id or 0)
        is_open = settled_in is not None and settled_in.state != BillingPeriod.State.CLOSED
        if rows[0].settled_in_id and settled_in is None and all(r.charge is None for r in rows):
            is_open = True  # withdrawn, and nobody has looked since
        expected: Charge | None = None
        if not is_open:
            expected = late_charge(rows, settled_in, rows[0].settled_at)
            if not expected.amount:
                expected = None
        if expected is not None:
            books.late_charges[expected.key] = expected
        yield from _check_charged(rows, expected)


def _check_charged(rows: Iterable[LateSettlement], expected: Charge | None) -> Iterator[Finding]:
    for row in rows:
        stored = None if row.charge is None else row.charge.key
        name = f"late {row.unit.plural} {row.number}, {period_name(row.period)}"
        wanted = None if expected is None else expected.key
        yield from compare(SUBJECT, row, name, {"charge": (stored, wanted)})
