"""Prices usage that was recorded without a cost, once its price or its exchange rate is known.

The event stays as it is; a `UsagePricing` beside it says what it cost, by what was in force when
it happened. In an open period the sums move at the event's own time. For a closed one they stay,
and billing settles the cost in the open period (billing/services/late_usage.py).
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from agencyportal.core.money import scaled
from clients import costing, record_sql
from clients.costing import Cost, Tokens, in_client_currency
from clients.models import CostPayer, UsageEvent, UsagePricing, User, Workspace
from clients.services import cap_balances, windows
from clients.services.counting import Windows, place_of
from clients.services.pricing import PriceBook
from clients.tally import Tally

AT_ONCE: Final = 500
"""Events of one transaction: others of the workspace wait meanwhile."""

Flag = UsageEvent.CostFlag
FLAGS: Final = (Flag.NO_PRICE, Flag.NO_RATE)
"""What a price or a rate that is added later can mend. Tokens that nobody counted it cannot."""

Standing = UsagePricing.Standing
Progress = Callable[[int], object]
"""Called with how many events were looked at since the last call."""

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """What became of flagged events. ``cost``: by the clients' currencies. ``left``: by model, how
    many are still without."""

    priced: int = 0
    cost: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    left: Counter[str] = field(default_factory=Counter)

    def add(self, workspace: Workspace, priced: Sequence[tuple[UsageEvent, Cost]]) -> None:
        for event, cost in priced:
            if cost.client_amount is None:
                self.left[event.model or event.cost_currency] += 1
            else:
                self.priced += 1
                self.cost[workspace.client.currency] += cost.client_amount


def flagged_events() -> QuerySet[UsageEvent]:
    """Events without a cost for want of a price or a rate, and not priced later."""
    return UsageEvent.objects.filter(cost_flag__in=FLAGS, pricing=None)


def price_again(
    *,
    workspaces: Iterable[Workspace],
    now: dt.datetime,
    created_by: User | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Price the flagged events of workspaces by what was in force when each happened.

    In parts of `AT_ONCE`, each a transaction that holds its workspace alone: killed, or run again
    or by several, each event is priced once. ``limit``: look at most at so many events.
    """
    outcome = Outcome()
    for workspace, ids in _parts(workspaces, limit):
        with transaction.atomic():
            locked = windows.lock_workspace(workspace.pk)
            events = list(flagged_events().filter(pk__in=ids).order_by("pk"))
            found = list(_priced(locked, events))
            _write(locked, found, now, created_by)
        outcome.add(locked, found)
        if progress is not None:
            progress(len(ids))
    return outcome


def look_again(*, workspaces: Iterable[Workspace], limit: int | None = None) -> Outcome:
    """What `price_again` would come to now; writes nothing."""
    outcome = Outcome()
    for workspace, ids in _parts(workspaces, limit):
        events = list(flagged_events().filter(pk__in=ids).order_by("pk"))
        outcome.add(workspace, list(_priced(workspace, events)))
    return outcome


def _parts(
    workspaces: Iterable[Workspace], limit: int | None
) -> Iterator[tuple[Workspace, list[int]]]:
    """Flagged events of each workspace, part by part, in the order in which they came: those that
    stay without a cost are not met again."""
    left = limit
    for workspace in workspaces:
        last = 0
        while left is None or left > 0:
            waiting = flagged_events().filter(workspace=workspace, pk__gt=last).order_by("pk")
            most = AT_ONCE if left is None else min(AT_ONCE, left)
            ids = list(waiting.values_list("pk", flat=True)[:most])
            if not ids:
                break
            yield workspace, ids
            last = ids[-1]
            left = None if left is None else left - len(ids)


# --- What they cost ----------------------------------------------------------------------------


def _priced(
    workspace: Workspace, events: Sequence[UsageEvent]
) -> Iterator[tuple[UsageEvent, Cost]]:
    """Each event with its cost by now; without an amount in the client's currency where that is
    still unknown."""
    for cost_payer in CostPayer.values:
        mine = [event for event in events if event.cost_payer == cost_payer]
        if not mine:
            continue
        book = PriceBook.load(
            workspace,
            models={event.model for event in mine if event.model},
            currencies={event.cost_currency for event in mine},
            earliest=min(event.occurred_at for event in mine),
            latest=max(event.occurred_at for event in mine),
            cost_payer=cost_payer,
        )
        for event in mine:
            yield event, _cost(book, event)


def _cost(book: PriceBook, event: UsageEvent) -> Cost:
    """A cost that was known, and lacked a rate, is converted as it is."""
    try:
        if event.cost is not None:
            known = Cost(event.cost, event.cost_currency, event.price_source)
            rate = book.rate(event.cost_currency, event.occurred_at)
            return in_client_currency(known, rate)
        tokens = Tokens(
            event.input_tokens,
            event.cached_input_tokens,
            event.output_tokens,
            event.reasoning_tokens,
        )
        return book.cost_of(
            provider=event.provider, model=event.model, tokens=tokens, at=event.occurred_at
        )
    except ValueError:
        # More than one event may cost: no price that is meant. It stays flagged, and is named.
        _logger.warning("event %s would cost more than can be stored", event.pk, exc_info=True)
        return Cost(flag="no_price")


# --- Writing -----------------------------------------------------------------------------------


def _write(
    workspace: Workspace,
    found: Sequence[tuple[UsageEvent, Cost]],
    now: dt.datetime,
    created_by: User | None,
) -> None:
    """The rows, and the sums of what is counted in an open period. Holds the workspace alone."""
    rows = [
        UsagePricing(
            workspace=workspace,
            event=event,
            standing=_standing(event, workspace),
            cost=cost.amount,
            cost_currency=cost.currency,
            price_source=cost.source,
            exchange_rate=cost.exchange_rate,
            client_cost=cost.client_amount,
            recorded_at=now,
            created_by=created_by,
        )
        for event, cost in found
        if cost.amount is not None
        and cost.exchange_rate is not None
        and cost.client_amount is not None
    ]
    UsagePricing.objects.bulk_create(rows)
    counted = [row for row in rows if row.standing == Standing.COUNTED]
    if counted:
        _move_sums(workspace, counted)


def _standing(event: UsageEvent, workspace: Workspace) -> str:
    settled = workspace.settled_until
    is_closed = settled is not None and event.occurred_at < settled
    if is_closed or event.standing == UsageEvent.Standing.LATE:
        return Standing.LATE
    if event.standing == UsageEvent.Standing.UNBILLED:
        return Standing.UNBILLED
    return Standing.COUNTED


def _move_sums(workspace: Workspace, rows: Sequence[UsagePricing]) -> None:
    events = [row.event for row in rows]
    known = Windows.load(
        workspace,
        min(event.occurred_at for event in events),
        max(event.occurred_at for event in events),
    )
    tally = Tally(workspace.client.timezone, known.zones)
    for row in rows:
        event = row.event
        window_id = known.find(event.unit_id, event.occurred_at)
        if window_id is None:
            raise ValueError(f"Event {event} is counted, and no window holds it.")
        cost = scaled(row.client_cost, costing.PLACES)
        platform_pays = event.cost_payer == CostPayer.PLATFORM
        tally.add_cost(
            place_of(event, window_id),
            platform=cost if platform_pays else 0,
            agency=0 if platform_pays else cost,
        )
    record_sql.add_to_rollups(workspace.pk, tally)
    cap_balances.count(workspace, tally)
