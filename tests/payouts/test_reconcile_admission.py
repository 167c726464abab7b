"""`manage.py reconcile` proves what is held and what people were told, and names what differs."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import models

from agencyportal.core import append_only
from billing.models import Alert, AlertCrossing, AlertRule, Reservation
from billing.services.alerts import check_alerts
from billing.services.caps import set_cap
from billing.services.reservations import (
    commit_reservation,
    expire_reservations,
    release_reservation,
    reserve,
)
from clients.models import CapBalance, UsageWindow
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.plan_samples import NEW_YORK_2026, allowance, starter
from tests.billing.story import subscribe

pytestmark = pytest.mark.django_db

NOW = NEW_YORK_2026[1] + dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def books(acme_support, conversation):
    """100 conversations, blocked beyond: 90 used, told of; reservations in every state."""
    block = {"policy": "block"}
    plan = starter(allowances=[allowance(included="100", overage=block)])
    subscribe(acme_support, plan, NEW_YORK_2026[1])
    used = SubmittedEvent(id="used", unit="conversation", quantity=Decimal(85), time=NOW)
    record_events(workspace=acme_support, events=[used], now=NOW)

    def hold(quantity: int, seconds: int = 600) -> Reservation:
        return reserve(
            workspace=acme_support,
            unit=conversation,
            quantity=Decimal(quantity),
            now=NOW,
            ttl=dt.timedelta(seconds=seconds),
        )

    event = SubmittedEvent(id="more", unit="conversation", quantity=Decimal(5))
    commit_reservation(reservation=hold(2), event=event, now=NOW)
    release_reservation(reservation=hold(1), now=NOW)
    hold(1, seconds=1)
    expire_reservations(now=NOW + dt.timedelta(seconds=1))
    hold(4)
    check_alerts(now=NOW)
    for kind in ("units", "cost", "spend"):
        set_cap(
            agency=acme_support.agency,
            client=acme_support.client,
            kind=kind,
            unit=conversation if kind == "units" else None,
            limit=Decimal(1000),
            now=NOW,
            set_by=None,
        )


def reconcile(capsys) -> tuple[int, str]:
    try:
        call_command("reconcile")
    except CommandError as error:
        return error.returncode, capsys.readouterr().out
    return 0, capsys.readouterr().out


def test_honest_books_are_proved(capsys):
    code, said = reconcile(capsys)

    assert code == 0, said
    proved = {line.split()[0]: line.split()[1] for line in said.splitlines() if "proved" in line}
    assert proved["Caps"] == "4"
    assert (proved["Reservations"], proved["Limits"], proved["Alerts"]) == ("4", "1", "1")


def committed() -> Reservation:
    return Reservation.objects.get(state="committed")


def opened() -> Reservation:
    return Reservation.objects.get(state="open")


def window() -> UsageWindow:
    return UsageWindow.objects.order_by("start")[0]


def counted(kind: str, level: int = 2) -> CapBalance:
    return CapBalance.objects.get(kind=kind, level=level)


Row = Callable[[], models.Model]


@pytest.mark.parametrize(
    ("row", "values"),
    [
        (window, {"reserved": Decimal(3)}),
        (window, {"available": Decimal(101)}),
        (window, {"available": None}),
        (committed, {"overshoot": Decimal(0)}),
        (committed, {"event": None}),
        (committed, {"cost_overshoot": Decimal(1)}),
        (lambda: counted("units"), {"units_used": Decimal(89)}),
        (lambda: counted("units"), {"units_held": Decimal(5)}),
        (lambda: counted("cost"), {"cost_used": Decimal("0.01")}),
        (lambda: counted("cost"), {"cost_held": Decimal("0.01")}),
        (lambda: counted("spend"), {"spend_used": Decimal("0.01")}),
        (lambda: counted("spend", level=1), {"spend_held": Decimal("0.01")}),
        (Alert.objects.get, {"used": Decimal(79)}),
        (Alert.objects.get, {"entitled": Decimal(1000)}),
        (AlertCrossing.objects.get, {"level": Decimal(95)}),
        (AlertCrossing.objects.get, {"arming": 3}),
    ],
)
def test_what_differs_is_named(capsys, row: Row, values):
    changed = row()
    with append_only.lifted(reason="a test tampers"):
        type(changed)._base_manager.filter(pk=changed.pk).update(**values)

    code, said = reconcile(capsys)

    assert code == 1
    named = Alert.objects.get() if isinstance(changed, AlertCrossing) else changed
    rows = (f"{row._meta.label} {row.pk} (" for row in (changed, named))
    assert any(text in said for text in rows), said


def test_what_is_held_by_nothing_that_is_there_is_named(capsys):
    row = opened()
    row.pk, row.public_id, row.quantity = None, uuid.uuid4(), Decimal(2)
    row.save(force_insert=True)

    code, said = reconcile(capsys)

    assert code == 1
    assert f"clients.UsageWindow {window().pk} (conversations of acme-support" in said
    assert "reserved: 4, but it must be 6" in said


def test_the_story_has_an_alert_and_a_rule():
    assert Alert.objects.get().used == 90
    assert AlertRule.objects.get().levels == ["80", "100"]
