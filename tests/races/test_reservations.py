"""Many at once at the last units: a cap is a cap."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from threading import Barrier

import pytest
from django.db.models import F

from billing.models import Reservation
from billing.services import capacity, reservations
from billing.services.grants import adjust
from billing.services.reservations import (
    NotAdmittedError,
    commit_reservation,
    expire_reservations,
    release_reservation,
    reserve,
)
from clients.models import UsageEvent, UsageUnit, UsageWindow, Workspace
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.plan_samples import NEW_YORK_2026, allowance, starter
from tests.billing.story import subscribe

from .at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

JANUARY = NEW_YORK_2026[1]
NOW = JANUARY + dt.timedelta(hours=1)
CALLERS = 64
LEFT = 10


@pytest.fixture
def nearly_used(acme_support, conversation) -> Workspace:
    """25 conversations, nothing beyond them, 15 used."""
    block = {"policy": "block"}
    subscribe(acme_support, starter(allowances=[allowance(included="25", overage=block)]), JANUARY)
    used = SubmittedEvent(id="used", unit="conversation", quantity=Decimal(15), time=JANUARY)
    record_events(workspace=acme_support, events=[used], now=JANUARY)
    return acme_support


def call(workspace: Workspace, unit: UsageUnit, number: int) -> Reservation | None:
    """Hold one unit, and use it; None where the cap does not allow it."""
    try:
        held = reserve(workspace=workspace, unit=unit, quantity=Decimal(1), now=NOW)
    except NotAdmittedError:
        return None
    event = SubmittedEvent(id=f"call {number}", unit=unit.slug)
    return commit_reservation(reservation=held, event=event, now=NOW).reservation


def window_of(workspace: Workspace) -> UsageWindow:
    return workspace.windows.get(start=JANUARY)


def granted(results: list[object]) -> int:
    for result in results:
        assert result is None or isinstance(result, Reservation), result
    return sum(result is not None for result in results)


def test_64_at_the_last_ten_units_use_ten(nearly_used, conversation):
    results = at_once(CALLERS, lambda number: call(nearly_used, conversation, number))

    assert granted(results) == LEFT
    window = window_of(nearly_used)
    assert (window.used, window.reserved) == (25, 0)
    assert UsageEvent.objects.count() == 1 + LEFT


@pytest.mark.postgres
def test_without_the_guard_all_who_have_looked_get_in(monkeypatch, nearly_used, conversation):
    """A SELECT beforehand is no guard: everybody sees the same room before anybody takes it."""
    looked = Barrier(16)
    guarded = reservations._take

    def unguarded(window, wanted):
        if not capacity.is_known(window, NOW):
            return guarded(window, wanted)
        window.refresh_from_db()
        fits = window.used + window.reserved + wanted.quantity <= window.available
        looked.wait(20)
        if fits:
            rows = UsageWindow.objects.filter(pk=window.pk)
            rows.update(reserved=F("reserved") + wanted.quantity)
        return fits

    held = reserve(workspace=nearly_used, unit=conversation, quantity=Decimal(1), now=NOW)
    release_reservation(reservation=held, now=NOW)
    monkeypatch.setattr(reservations, "_take", unguarded)

    results = at_once(16, lambda number: call(nearly_used, conversation, number))

    assert granted(results) == 16
    assert window_of(nearly_used).used == 31


def test_one_key_from_many_connections_holds_once(nearly_used, conversation):
    def work(_number: int) -> Reservation:
        return reserve(
            workspace=nearly_used, unit=conversation, quantity=Decimal(6), now=NOW, key="same"
        )

    results = at_once(16, work)

    assert {result.pk for result in results} == {Reservation.objects.get().pk}
    assert window_of(nearly_used).reserved == 6


def test_one_reservation_settled_every_way_at_once_is_settled_once(nearly_used, conversation):
    held = reserve(workspace=nearly_used, unit=conversation, quantity=Decimal(6), now=NOW)
    event = SubmittedEvent(id="e", unit="conversation", quantity=Decimal(2))

    def work(number: int) -> object:
        match number % 3:
            case 0:
                return commit_reservation(reservation=held, event=event, now=NOW)
            case 1:
                return release_reservation(reservation=held, now=NOW)
        return expire_reservations(now=held.expires_at)

    at_once(12, work)

    held.refresh_from_db()
    window = window_of(nearly_used)
    assert window.reserved == 0
    assert window.used == 15 + (2 if held.state == "committed" else 0)
    assert UsageEvent.objects.count() == (2 if held.state == "committed" else 1)


def test_recorders_credit_and_reservations_together_never_pass_the_cap(nearly_used, conversation):
    """Credit comes, usage of an earlier quarter hour comes, and 24 callers take what is left."""

    def work(number: int) -> object:
        if number == 0:
            return adjust(
                workspace=nearly_used,
                unit=conversation,
                quantity=Decimal(7),
                reason="More",
                created_by=None,
                now=NOW,
                key="more",
            )
        if number < 4:
            sent = [
                SubmittedEvent(id=f"{number}-{n}", unit="conversation", time=JANUARY)
                for n in range(2)
            ]
            return record_events(workspace=nearly_used, events=sent, now=NOW)
        return [call(nearly_used, conversation, number * 10 + n) for n in range(2)]

    results = at_once(28, work)

    for result in results:
        assert not isinstance(result, Exception), result
    rest = [call(nearly_used, conversation, 1000 + n) for n in range(12)]
    window = window_of(nearly_used)
    # 25 and 7 are all there is; 6 plain events came whatever the cap says, before it was reached.
    assert window.reserved == 0
    assert window.used <= 32 + 6
    assert any(one is None for one in rest)
    counted = UsageEvent.objects.filter(external_id__startswith="call").count()
    assert counted <= 32 - 15
