"""Many recorders at the threshold at once: one purchase for each time that it is reached."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import IntegrityError

from billing.services import attention
from clients.models import Workspace
from clients.services import recording, windows
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.plan_samples import NEW_YORK_2026, allowance, band, starter
from tests.billing.story import subscribe

from .at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)

JANUARY = NEW_YORK_2026[1]
NOW = JANUARY + dt.timedelta(hours=1)
RECORDERS = 64


@pytest.fixture
def workspace(acme_support, conversation) -> Workspace:
    """100 included, 50 more are bought when 40 or fewer are left, at most five times."""
    policy = {"policy": "top_up", "top_up": "Fifty", "at": "40", "max_count": 5, "then": "block"}
    fifty = band("Fifty", quantity="50", price="5")
    plan = starter(allowances=[allowance(included="100", overage=policy)], top_ups=[fifty])
    subscribe(acme_support, plan, JANUARY)
    return acme_support


def record(workspace: Workspace, number: int) -> object:
    event = SubmittedEvent(id=str(number), unit="conversation", time=NOW)
    return record_events(workspace=workspace, events=[event], now=NOW)


def test_64_recorders_buy_once(workspace):
    results = at_once(RECORDERS, lambda number: record(workspace, number))

    assert not [result for result in results if isinstance(result, Exception)]
    assert [row.key.rpartition(":")[2] for row in workspace.purchases.all()] == ["1"]


@pytest.mark.postgres
def test_without_the_lock_the_key_still_lets_one_through(monkeypatch, workspace):
    """All have found that it is called for before anybody buys."""
    with monkeypatch.context() as unheard:
        unheard.setattr(recording, "call_attention", lambda *_: None)
        used = SubmittedEvent(id="used", unit="conversation", quantity=Decimal(70), time=NOW)
        record_events(workspace=workspace, events=[used], now=NOW)
    found = Barrier(8)
    buy = attention._buy

    def together(*args, **kwargs):
        found.wait(20)
        return buy(*args, **kwargs)

    def unlocked(workspace_id: int, **_: object) -> Workspace:
        return Workspace.objects.select_related("client").get(pk=workspace_id)

    monkeypatch.setattr(attention, "_buy", together)
    monkeypatch.setattr(windows, "lock_workspace", unlocked)

    results = at_once(8, lambda _: attention.attend(workspace_id=workspace.pk, now=NOW))

    refused = [result for result in results if isinstance(result, IntegrityError)]
    assert len(refused) == 7, results
    assert workspace.purchases.count() == 1
