"""How an automatic top-up stands: stopped, waiting, and what its month still has room for.

What is here is called with the row of the automatic top-up locked, inside its transaction.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db.models import F

from agencyportal.core.locks import lock_row
from agencyportal.core.periods import local_date, local_day_start
from billing.models import (
    AutomaticTopUp,
    AutomaticTopUpEvent,
    AutomaticTopUpMonth,
    TopUpConsent,
)
from clients.models import User

from .automatic_mail import tell_stopped

_States = AutomaticTopUp.State
LONGEST_DETAIL = 500


def lock_automatic(pk: int) -> AutomaticTopUp:
    """Lock one, after its workspace where that is locked, too; with all that is asked of it."""
    related = ("workspace", "unit", "client__agency", "consent__band__unit")
    return lock_row(AutomaticTopUp.objects.select_related(*related).filter(pk=pk))


def note_event(
    automatic: AutomaticTopUp,
    consent: TopUpConsent,
    kind: str,
    now: dt.datetime,
    *,
    by: User | None = None,
    detail: str = "",
) -> AutomaticTopUpEvent:
    """Write down what was decided; a consent begins and ends once, by constraint."""
    return AutomaticTopUpEvent.objects.create(
        agency_id=automatic.agency_id,
        client_id=automatic.client_id,
        automatic=automatic,
        consent=consent,
        kind=kind,
        reason=automatic.reason,
        detail=detail[:LONGEST_DETAIL],
        done_by=by,
        happened_at=now,
        created_at=now,
    )


def stop(
    automatic: AutomaticTopUp,
    reason: str,
    now: dt.datetime,
    *,
    detail: str = "",
    tells: bool = True,
) -> None:
    """Nothing more is bought until somebody of the client says that it goes on. One that is not
    on stays as it is."""
    if automatic.state != _States.ON or automatic.consent is None:
        return
    automatic.state = _States.STOPPED
    automatic.reason, automatic.detail = reason, detail[:LONGEST_DETAIL]
    automatic.save(update_fields=["state", "reason", "detail"])
    kind = AutomaticTopUpEvent.Kind.STOPPED
    event = note_event(automatic, automatic.consent, kind, now, detail=detail)
    if tells:
        tell_stopped(automatic=automatic, event=event, now=now)


def wait(automatic: AutomaticTopUp, reason: str, until: dt.datetime, *, detail: str = "") -> None:
    """It stays on, and is looked at again ``until`` then at the earliest."""
    automatic.reason, automatic.detail = reason, detail[:LONGEST_DETAIL]
    automatic.look_at, automatic.looked_used = until, None
    automatic.save(update_fields=["reason", "detail", "look_at", "looked_used"])


# --- Months ----------------------------------------------------------------------------------


def first_day_of(now: dt.datetime, timezone: str) -> dt.date:
    """The first day of the calendar month in a zone."""
    return local_date(now, timezone).replace(day=1)


def next_month_at(now: dt.datetime, timezone: str) -> dt.datetime:
    """When the next calendar month begins in a zone."""
    first = first_day_of(now, timezone)
    return local_day_start((first + dt.timedelta(days=32)).replace(day=1), timezone)


def month_of(
    automatic: AutomaticTopUp, consent: TopUpConsent, now: dt.datetime
) -> AutomaticTopUpMonth:
    """The month of ``now``, with the maxima of the consent."""
    month, _ = AutomaticTopUpMonth.objects.get_or_create(
        automatic=automatic,
        first_day=first_day_of(now, automatic.client.timezone),
        defaults={
            "agency_id": automatic.agency_id,
            "client_id": automatic.client_id,
            "max_count": consent.max_count,
            "max_amount": consent.max_amount,
        },
    )
    month.max_count = max(consent.max_count, month.count)
    month.max_amount = max(consent.max_amount, month.amount)
    month.save(update_fields=["max_count", "max_amount"])
    return month


def count_in(month_id: int, gross: Decimal) -> bool:
    """Count one more purchase in its month; False where the maxima leave no room. One statement,
    and a check in the database behind it."""
    room = AutomaticTopUpMonth.objects.filter(
        pk=month_id, count__lt=F("max_count"), amount__lte=F("max_amount") - gross
    )
    return bool(room.update(count=F("count") + 1, amount=F("amount") + gross))


def take_out(month_id: int, gross: Decimal) -> None:
    """A purchase was not made: its month has room for it again."""
    mine = AutomaticTopUpMonth.objects.filter(pk=month_id)
    mine.update(count=F("count") - 1, amount=F("amount") - gross)
