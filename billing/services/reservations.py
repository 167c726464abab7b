"""Units held before a call and settled after it: a cap is a cap (ENGINE 8).

The guard is one conditional UPDATE of the balance row, `used + reserved + q <= available`, and one
of each cap's balance (`cap_holding`); of any number at once, no more get in than fit. Everything
else here decides what happens around it.

Lock order: workspace (shared) -> reservation -> events ... -> windows -> balances of caps, as in
recording. Where what is available has to be worked out again, the workspace alone.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from agencyportal.core.fields import QuantityField
from agencyportal.core.money import plain
from agencyportal.core.periods import quarter_floor
from agencyportal.core.prepared import PreparedInsert, PreparedQuery, PreparedUpdate, Slots
from billing.models import Reservation
from billing.refusals import NotAdmittedError, RefusedError
from billing.selectors.balances import held_by
from clients.caps import month_of
from clients.listed_prices import LIST_CURRENCY
from clients.models import CapBalance, UsageUnit, UsageWindow, Workspace
from clients.services import windows
from clients.services.pricing import to_client_currency

from . import capacity, spend
from .attention import attend
from .cap_balances import BalancesMissingError
from .cap_holding import hold as hold_caps
from .caps import make_missing
from .questions import passes_credit, refusal_of
from .settling import (
    Committed,
    ConflictError,
    commit_reservation,
    expire_each,
    expire_of,
    expire_reservations,
    release_reservation,
)
from .suspensions import refusal_for

__all__ = [
    "Committed",
    "ConflictError",
    "NotAdmittedError",
    "commit_reservation",
    "expire_reservations",
    "release_reservation",
    "reserve",
]

DEFAULT_TTL: Final = dt.timedelta(minutes=5)
LONGEST_TTL: Final = dt.timedelta(hours=1)
"""Well inside the usual grace, so that what was held in a period is settled before it closes."""

LONGEST_KEY: Final = 255
ZERO = Decimal(0)


def reserve(
    *,
    workspace: Workspace,
    unit: UsageUnit,
    quantity: Decimal,
    now: dt.datetime,
    cost: Decimal | None = None,
    cost_currency: str = LIST_CURRENCY,
    ttl: dt.timedelta = DEFAULT_TTL,
    key: str | None = None,
) -> Reservation:
    """Hold ``quantity`` of a unit until it is settled, or ``ttl`` has passed.

    ``cost``: what the call may cost, held against cost caps in the client's currency at the rate
    of ``now``. ``key`` is the caller's idempotency key within the workspace: asked for again, it
    answers with the reservation that is there, whatever has become of it.

    Raises NotAdmittedError where what is left or a cap does not cover it, outside a package that
    has the unit, and while the client is suspended (`suspensions`); RefusedError for a quantity,
    cost or time that is none, for a cost without an exchange rate, and for a key that held
    something else. Commits on its own.
    """
    _refuse_unfit(quantity, ttl, key)
    client_cost = None if cost is None else _client_cost(workspace, cost, cost_currency, now)
    wanted = _Wanted(workspace, unit, quantity, client_cost, now, ttl, key)
    try:
        outcome = _attempt(wanted)
    except IntegrityError:
        earlier = _earlier(wanted)  # somebody with the same key came first
        if earlier is None:
            raise
        return earlier
    if isinstance(outcome, NotAdmittedError):
        raise outcome
    _ask_if_passed(outcome, now)
    return outcome


def _ask_if_passed(held: Reservation, now: dt.datetime) -> None:
    """After the commit: what is held may be more than the credit, where a client is asked first."""
    if held.window.attention_at is not None and passes_credit(window=held.window):
        attend(workspace_id=held.workspace_id, now=now)


def _attempt(wanted: _Wanted) -> Reservation | NotAdmittedError:
    """Reserve; again once what a cap counts in is made, or what ran out of others is freed."""
    while True:
        try:
            outcome = _reserve_shared(wanted) or _reserve_alone(wanted)
        except BalancesMissingError as error:
            make_missing(error.missing)
            continue
        is_capped = isinstance(outcome, NotAdmittedError) and bool(outcome.cap)
        if is_capped and _expire_of_agency(wanted.workspace.agency_id, wanted.now):
            continue
        return outcome


def _expire_of_agency(agency_id: int, now: dt.datetime) -> int:
    """Free what ran out at any workspace that counts in the same caps."""
    overdue = Reservation.objects.overdue(now).filter(agency=agency_id)
    return expire_each(overdue, now, limit=None)


def _client_cost(workspace: Workspace, cost: Decimal, currency: str, now: dt.datetime) -> Decimal:
    if cost < 0:
        raise RefusedError("A call costs nothing or more.", field="cost")
    try:
        converted = to_client_currency(workspace=workspace, amount=cost, currency=currency, at=now)
    except ValueError as error:
        raise RefusedError(str(error), field="cost") from None
    if converted is None:
        raise RefusedError(
            f"There is no exchange rate from {currency} to {workspace.client.currency}, so the "
            f"cost cannot be held; name it in {workspace.client.currency}.",
            field="cost_currency",
        )
    return converted


@dataclass(frozen=True, slots=True)
class _Wanted:
    workspace: Workspace
    unit: UsageUnit
    quantity: Decimal
    cost: Decimal | None
    """In the client's currency; None: not known."""
    now: dt.datetime
    ttl: dt.timedelta
    key: str | None


def _refuse_unfit(quantity: Decimal, ttl: dt.timedelta, key: str | None) -> None:
    if quantity <= 0:
        raise RefusedError("Reserve more than nothing.")
    if not dt.timedelta(0) < ttl <= LONGEST_TTL:
        raise RefusedError(f"Hold it for up to {LONGEST_TTL.total_seconds():.0f} seconds.")
    if key is not None and not (key.strip() and len(key) <= LONGEST_KEY):
        raise RefusedError(f"A key has 1 to {LONGEST_KEY} characters.")


@transaction.atomic
def _reserve_shared(wanted: _Wanted) -> Reservation | NotAdmittedError | None:
    """The usual way, beside recorders and others who reserve; None: look closer."""
    held = windows.hold_workspace(wanted.workspace.pk)
    if (earlier := _earlier(wanted)) is not None:
        return earlier
    if (refused := refusal_for(wanted.workspace.client_id)) is not None:
        return refused
    window = _window(wanted)
    if (outcome := _admit(window, wanted, is_capped=held.is_capped)) is not None:
        return outcome
    window.refresh_from_db()
    overdue = Reservation.objects.overdue(wanted.now).filter(workspace=wanted.workspace)
    if capacity.is_known(window, wanted.now) and not overdue.exists():
        return _not_admitted(window, wanted)
    return None


@transaction.atomic
def _reserve_alone(wanted: _Wanted) -> Reservation | NotAdmittedError:
    """Free what ran out, work out what is available if that is void, and try again.

    A refusal is returned, not raised, so that what was found out is kept for the next one."""
    workspace = windows.lock_workspace(wanted.workspace.pk, changes_credit=False)
    if (earlier := _earlier(wanted)) is not None:
        return earlier
    is_capped = CapBalance.objects.over(workspace).exists()
    held = windows.Held(workspace.settled_until, is_capped)
    expire_of(workspace.pk, wanted.now, held, limit=None)
    window = _window(wanted)
    if not capacity.is_known(window, wanted.now):
        capacity.work_out(workspace=wanted.workspace, now=wanted.now)
    if (outcome := _admit(window, wanted, is_capped=is_capped)) is not None:
        return outcome
    window.refresh_from_db()
    return _not_admitted(window, wanted)


def _admit(
    window: UsageWindow, wanted: _Wanted, *, is_capped: bool
) -> Reservation | NotAdmittedError | None:
    """Take it from the window and from every cap, or from none. None: the window has no room."""
    if not is_capped:
        return _hold(window, wanted, ZERO) if _take(window, wanted) else None
    try:
        with transaction.atomic():
            if not _take(window, wanted):
                return None
            month = month_of(window.start)
            overage = hold_caps(
                wanted.workspace,
                month=month,
                unit_id=wanted.unit.pk,
                quantity=wanted.quantity,
                cost=wanted.cost,
                spend=lambda: _more_overage(wanted, month),
                covered=lambda: spend.is_covered(window, wanted.now),
                now=wanted.now,
            )
            return _hold(window, wanted, overage)
    except NotAdmittedError as refused:
        return refused


def _more_overage(wanted: _Wanted, month: dt.date) -> Decimal:
    """What the units would add to overage, priced as the next ones after all that is held."""
    held = held_by(wanted.workspace)
    held[wanted.unit.pk].append((quarter_floor(wanted.now), wanted.quantity, wanted.cost or ZERO))
    return spend.hold_more(wanted.workspace, month, held)


def _take(window: UsageWindow, wanted: _Wanted) -> bool:
    """The guard."""
    return _TAKEN.run(window=window.pk, now=wanted.now, quantity=wanted.quantity) == 1


def _taken(slots: Slots) -> tuple[QuerySet[UsageWindow], dict[str, Any]]:
    now, more = slots.instant("now"), slots.like(QuantityField, "quantity")
    room = Q(available=None) | Q(available__gte=F("used") + F("reserved") + more)
    known = Q(available_since__lte=now, available_until__gt=now)
    mine = UsageWindow.objects.filter(room, known, pk=slots.number("window"))
    return mine, {"reserved": F("reserved") + more}


_TAKEN: Final = PreparedUpdate(_taken)


def _hold(window: UsageWindow, wanted: _Wanted, overage: Decimal) -> Reservation:
    return _HELD.insert(
        Reservation(
            public_id=uuid.uuid4(),
            agency_id=wanted.workspace.agency_id,
            workspace=wanted.workspace,
            unit=wanted.unit,
            window=window,
            quantity=wanted.quantity,
            cost=wanted.cost or ZERO,
            spend=overage,
            reserved_at=wanted.now,
            expires_at=wanted.now + wanted.ttl,
            key=wanted.key,
            created_at=wanted.now,
        )
    )


_HELD: Final = PreparedInsert(Reservation)


def _window(wanted: _Wanted) -> UsageWindow:
    window = _NOW.first(workspace=wanted.workspace.pk, unit=wanted.unit.pk, now=wanted.now)
    if window is None:
        raise NotAdmittedError(
            f"{wanted.unit.plural} are not in the package that {wanted.workspace} is on now."
        )
    return window


_NOW: Final = PreparedQuery[UsageWindow](
    lambda slots: UsageWindow.objects.filter(
        workspace=slots.number("workspace"),
        unit=slots.number("unit"),
        start__lte=slots.instant("now"),
        end__gt=slots.instant("now"),
    )
)


def _earlier(wanted: _Wanted) -> Reservation | None:
    if wanted.key is None:
        return None
    held = Reservation.objects.select_related("unit", "event")
    found = held.filter(workspace=wanted.workspace, key=wanted.key).first()
    if found is not None and (found.unit_id, found.quantity) != (wanted.unit.pk, wanted.quantity):
        raise ConflictError(
            f"The key has held {plain(found.quantity)} {found.unit.plural} already; use a new one."
        )
    return found


def _not_admitted(window: UsageWindow, wanted: _Wanted) -> NotAdmittedError:
    taken = window.used + window.reserved
    left = max(ZERO, (window.available or ZERO) - taken)
    refused = (
        f"{plain(wanted.quantity)} {wanted.unit.plural} were asked for and {plain(left)} are free "
        f"of {plain(window.available or ZERO)}: {plain(window.used)} are used and "
        f"{plain(window.reserved)} are held. The period ends at {window.end:%Y-%m-%d %H:%M} UTC."
    )
    asked, question = refusal_of(wanted.workspace, wanted.unit, wanted.now)
    return NotAdmittedError(refused + asked, question=question)
