"""Stripe's events: kept when they come, done afterwards, once (billing/README.md, "Stripe").

Keeping one takes a row and nothing else, so that Stripe's call is answered at once. Doing it:
claim, commit, call the handlers outside of any transaction, record.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.db.models import F, Q, QuerySet

from agencyportal.core.claims import claim
from billing.models import StripeEvent
from billing.refusals import RefusedError
from billing.stripe_gateway import GatewayError
from billing.stripe_handlers import handlers_of

STALE_AFTER: Final = dt.timedelta(minutes=5)
"""A worker that has not come back for so long is thought dead."""

BACK_OFF: Final = tuple(dt.timedelta(minutes=m) for m in (0.25, 1, 5, 15, 60, 240, 720, 1440))
"""How long to wait after each failure. After the last one the event is given up, and shown."""

MOST_TRIES: Final = len(BACK_OFF) + 1
LONGEST_WORDS: Final = 500
NOBODY: Final = "Nothing here is about events of this type."
OTHER_MODE: Final = (
    "It is of Stripe's other mode (test and live are kept apart); this portal uses {mode}."
)

_logger = logging.getLogger(__name__)
_States = StripeEvent.State


def keep_event(body: Mapping[str, Any], *, now: dt.datetime) -> StripeEvent:
    """Write down an event that is known to be Stripe's. Sent again, it is the row that is there.

    Raises KeyError for a body that is no event. One statement, or two for what is there already;
    it may be called inside a transaction.
    """
    about = body["data"]["object"]
    event = StripeEvent(
        event_id=body["id"],
        type=body["type"],
        object_id=about.get("id") or "",
        account=body.get("account") or "",
        is_live=bool(body["livemode"]),
        body=dict(body),
        occurred_at=dt.datetime.fromtimestamp(body["created"], dt.UTC),
        received_at=now,
        not_before=now,
        deliveries=0,
    )
    StripeEvent.objects.bulk_create([event], ignore_conflicts=True)
    mine = StripeEvent.objects.filter(event_id=event.event_id)
    mine.update(deliveries=F("deliveries") + 1)
    return mine.get()


def process_due_events(*, now: dt.datetime, limit: int | None = None) -> int:
    """Do what is due, at most ``limit`` events; returns how many were done. One that fails is
    tried again later, and holds up no other."""
    tried = done = 0
    while limit is None or tried < limit:
        event = _claim(due_events(now=now), now)
        if event is None:
            break
        tried += 1
        done += _process(event, now)
    return done


def process_event(*, event_id: int, now: dt.datetime) -> bool:
    """Do one event, if it is due and nobody else is at it; whether it was done."""
    event = _claim(due_events(now=now).filter(pk=event_id), now)
    return event is not None and _process(event, now)


def replay_event(*, event: StripeEvent, now: dt.datetime) -> None:
    """Do an event again from the start, whatever became of it.

    Raises RefusedError for one that is waiting, or that a worker is at.
    """
    ended = (_States.DONE, _States.IGNORED, _States.FAILED)
    mine = StripeEvent.objects.filter(pk=event.pk, state__in=ended)
    if not mine.update(state=_States.PENDING, not_before=now, tries=0, said="", done_at=None):
        raise RefusedError("It is waiting to be done, or being done just now.")


def due_events(*, now: dt.datetime) -> QuerySet[StripeEvent]:
    """What would be done now: due, or left by a worker that died."""
    ready = Q(state=_States.PENDING, not_before__lte=now)
    stale = Q(state=_States.WORKING, claimed_at__lte=now - STALE_AFTER)
    return StripeEvent.objects.filter(ready | stale)


def _claim(events: QuerySet[StripeEvent], now: dt.datetime) -> StripeEvent | None:
    claimed = claim(
        events.order_by("not_before", "occurred_at", "pk"),
        set={
            "state": _States.WORKING,
            "claimed_at": now,
            "tries": F("tries") + 1,
            "attempts": F("attempts") + 1,
        },
        limit=1,
    )
    return StripeEvent.objects.get(pk=claimed[0]) if claimed else None


def _process(event: StripeEvent, now: dt.datetime) -> bool:
    try:
        state, said = _handle(event, now)
    except Exception as error:
        if isinstance(error, GatewayError):
            _logger.warning("%s: %s", event, error)
        else:
            _logger.exception("%s failed", event)
        _record_failure(event, f"{type(error).__name__}: {error}", now)
        return False
    _record(event, state=state, said=said[:LONGEST_WORDS], done_at=now)
    return True


def _handle(event: StripeEvent, now: dt.datetime) -> tuple[str, str]:
    """What became of it, and in words."""
    if event.is_live != settings.STRIPE_LIVE_MODE:
        mode = "live mode" if settings.STRIPE_LIVE_MODE else "test mode"
        return _States.IGNORED, OTHER_MODE.format(mode=mode)
    handlers = handlers_of(event.type)
    if not handlers:
        return _States.IGNORED, NOBODY
    said = [words for handler in handlers if (words := handler(event, now=now))]
    return (_States.DONE if said else _States.IGNORED), " ".join(said)


def _record_failure(event: StripeEvent, said: str, now: dt.datetime) -> None:
    is_last = event.tries >= MOST_TRIES
    wait = BACK_OFF[min(event.tries, len(BACK_OFF)) - 1]
    state = _States.FAILED if is_last else _States.PENDING
    _record(event, state=state, said=said[:LONGEST_WORDS], not_before=now + wait)


def _record(event: StripeEvent, **outcome: Any) -> None:
    """Write an outcome down, unless another worker has taken over since."""
    StripeEvent.objects.filter(pk=event.pk, state=_States.WORKING, attempts=event.attempts).update(
        **outcome
    )
