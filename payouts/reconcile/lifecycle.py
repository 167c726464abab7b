"""What happened to payouts: each step follows the last, and nobody approved their own work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import F, Prefetch, Q

from payouts.models import CarriedOver, Payout, PayoutTransition
from payouts.selectors.review import involved_in
from payouts.services.lifecycle import MOVES

from .findings import Checked, Difference, Finding, compare, difference, missing, shown
from .payouts import name_of
from .scope import CHUNK, Scope

SUBJECT: Final = "States of payouts"
CARRIED: Final = "Cancelled payouts carried on"

_States = Payout.State


def check_lifecycles(scope: Scope) -> Iterator[Finding]:
    """Every payout's state is where its steps lead, and cancelled ones went into the next."""
    steps = PayoutTransition.objects.select_related("by").order_by("number")
    payouts = (
        scope.of(Payout.objects.defer("snapshot"))
        .select_related("agency")
        .prefetch_related(Prefetch("transitions", steps))
        .order_by("pk")
    )
    for payout in payouts.iterator(chunk_size=CHUNK // 20):
        yield from _check_steps(payout)
    yield from _check_carried(scope)


def _check_steps(payout: Payout) -> Iterator[Finding]:
    state = (_States.CARRIED if payout.amount == 0 else _States.DRAFT).value
    at = payout.built_at
    steps = list(payout.transitions.all())
    for number, step in enumerate(steps, start=1):
        name = f"{name_of(payout)}, step {step.number}"
        fields: dict[str, tuple[Any, Any]] = {
            "number": (step.number, number),
            "from_state": (step.from_state, state),
            "recorded_at": (step.recorded_at, max(step.recorded_at, at)),
            "happened_at": (step.happened_at, min(step.happened_at, step.recorded_at)),
        }
        yield from compare(SUBJECT, step, name, fields)
        if step.to_state not in MOVES[_States(step.from_state)]:
            possible = " or ".join(sorted(MOVES[_States(step.from_state)])) or "nothing"
            yield difference(SUBJECT, step, name, "to_state", step.to_state, possible)
        if step.to_state == _States.APPROVED:
            yield from _check_approval(payout, step, name)
        state, at = step.to_state, step.recorded_at
    yield from compare(SUBJECT, payout, name_of(payout), {"state": (payout.state, state)})
    yield Checked(SUBJECT, len(steps))


def _check_approval(payout: Payout, step: PayoutTransition, name: str) -> Iterator[Difference]:
    for person in involved_in(payout, until=step.recorded_at):
        if person.user_id == step.by_id:
            words = f"somebody else than who {person.deed}"
            yield difference(SUBJECT, step, name, "by", shown(step.by), words)


def _check_carried(scope: Scope) -> Iterator[Finding]:
    """A cancelled payout is in the first one of its agency and currency that was made up since."""
    rows = scope.of(CarriedOver.objects.select_related("cancelled", "into"))
    for row in rows.order_by("pk"):
        name = f"{name_of(row.cancelled)} in {name_of(row.into)}"
        fields: dict[str, tuple[Any, Any]] = {
            "agency": (row.into.agency_id, row.cancelled.agency_id),
            "currency": (row.into.currency, row.cancelled.currency),
            "cancelled.state": (row.cancelled.state, _States.CANCELLED.value),
        }
        yield from compare(CARRIED, row, name, fields)
        yield Checked(CARRIED, 1)
    later = Q(
        agency__payouts__currency=F("currency"),
        agency__payouts__built_at__gt=F("transitions__recorded_at"),
        transitions__to_state=_States.CANCELLED,
    )
    waiting = scope.of(Payout.objects.to_carry_over()).defer("snapshot")
    for payout in waiting.filter(later).distinct().order_by("pk"):
        yield missing(CARRIED, CarriedOver, name_of(payout), "its amount in the next payout")
