"""Windows that open over earlier usage of several clients, while others record."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import OperationalError, transaction

from billing.selectors.cap_balances import Balance
from clients.caps import month_of
from clients.models import CapBalance, CapKind, Client, UsageUnit, UsageWindow, Workspace
from clients.services import cap_balances, windows
from clients.services.people import create_workspace
from clients.services.recording import record_events
from clients.services.windows import Opening, lock_workspaces, open_window, open_windows
from tests.clients.recorder import APRIL, MARCH, NOW, event
from tests.races.at_once import at_once

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def capped(unit: UsageUnit, client: Client | None) -> None:
    """A balance of units of a client, or of the agency."""
    Balance(
        agency_id=unit.agency_id,
        client_id=None if client is None else client.pk,
        workspace_id=None,
        kind=CapKind.UNITS,
        unit_id=unit.pk,
        currency="",
        month=month_of(MARCH),
    ).row().save()


@pytest.fixture
def recorder(birch: Client, conversation: UsageUnit) -> Workspace:
    """Another workspace of the second client, whose usage counts already."""
    workspace = create_workspace(client=birch, slug="birch-mail", name="Mail")
    with transaction.atomic():
        lock_workspaces([workspace.pk])
        open_window(workspace=workspace, unit=conversation, start=MARCH, end=APRIL)
    return workspace


def race(
    monkeypatch: pytest.MonkeyPatch,
    opened: list[Workspace],
    recorder: Workspace,
    unit: UsageUnit,
) -> list[object]:
    """Both of them: usage of two clients is counted as their windows open, and between the one
    and the other somebody records for the second client."""
    for workspace in opened:
        record_events(workspace=workspace, events=[event(f"early {workspace}")], now=NOW)
    first_is_counted = threading.Event()
    count = windows.count_what_came_before

    def slowly(workspace: Workspace, window: UsageWindow) -> None:
        count(workspace, window)
        if not first_is_counted.is_set():
            first_is_counted.set()
            time.sleep(0.7)

    monkeypatch.setattr(windows, "count_what_came_before", slowly)

    def work(number: int) -> None:
        if number == 0:
            with transaction.atomic():
                held = lock_workspaces(workspace.pk for workspace in opened)
                open_windows([Opening(workspace, unit, MARCH, APRIL) for workspace in held])
            return
        first_is_counted.wait(20)
        record_events(workspace=recorder, events=[event("meanwhile")], now=NOW)

    return at_once(2, work)


@pytest.fixture
def opened(acme_support: Workspace, birch_leads: Workspace, conversation: UsageUnit):
    for client in (acme_support.client, birch_leads.client, None):
        capped(conversation, client)
    return [acme_support, birch_leads]


def test_locked_client_by_client_they_wait_for_each_other_for_ever(
    monkeypatch, opened, recorder, conversation
):
    monkeypatch.setattr(cap_balances, "lock_over", lambda _: None)

    failed = [error for error in race(monkeypatch, opened, recorder, conversation) if error]

    assert len(failed) == 1
    assert isinstance(failed[0], OperationalError)
    assert "deadlock" in str(failed[0])


def test_locked_beforehand_in_one_order_both_are_counted(
    monkeypatch, opened, recorder, conversation
):
    assert race(monkeypatch, opened, recorder, conversation) == [None, None]

    used = CapBalance.objects.in_lock_order().values_list("client__slug", "units_used")
    assert dict(used) == {"acme": 1, "birch": 2, None: 3}
