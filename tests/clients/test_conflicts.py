"""A known id with another body: the first stands, the second is kept to be looked at."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from clients.models import EventConflict, UsageEvent
from clients.services.conflicts import settle_conflict
from clients.services.recording import SubmittedEvent, record_events

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


def send(workspace, *quantities: str, name: str = "a"):
    events = [
        SubmittedEvent(id=name, unit="conversation", quantity=Decimal(q), label="x")
        for q in quantities
    ]
    return record_events(workspace=workspace, events=events, now=NOW)


@pytest.fixture
def conflict(acme_support, conversation):
    send(acme_support, "1")
    send(acme_support, "2")
    return EventConflict.objects.get()


def test_what_came_is_kept_beside_the_event_that_stands(conflict, acme_support):
    assert conflict.event == UsageEvent.objects.get()
    assert conflict.event.quantity == 1
    assert conflict.workspace == acme_support
    assert conflict.body == {"id": "a", "unit": "conversation", "quantity": "2", "label": "x"}


def test_the_same_other_body_is_the_same_conflict(conflict, acme_support):
    assert send(acme_support, "2").conflicts == ["a"]
    assert EventConflict.objects.count() == 1
    send(acme_support, "3")
    assert EventConflict.objects.count() == 2


def test_within_one_batch_the_first_stands(acme_support, conversation):
    assert send(acme_support, "1", "2", "2", "1").conflicts == ["a"]
    assert [row.body["quantity"] for row in EventConflict.objects.all()] == ["2"]


def test_a_repeat_is_no_conflict(acme_support, conversation):
    send(acme_support, "1")
    send(acme_support, "1")
    assert not EventConflict.objects.exists()


def test_another_workspace_has_ids_of_its_own(acme_support, acme_docs, conversation):
    send(acme_support, "1")
    send(acme_docs, "2")
    assert not EventConflict.objects.exists()


def test_another_source_has_ids_of_its_own(acme_support, conversation):
    for source in ("one", "two"):
        event = SubmittedEvent(id="a", unit="conversation", source=source, label=source)
        record_events(workspace=acme_support, events=[event], now=NOW)
    assert not EventConflict.objects.exists()


def test_settling_says_what_was_found_once(conflict, owner):
    settle_conflict(conflict=conflict, remark=" Sent twice ", settled_by=owner, now=NOW)
    again = settle_conflict(conflict=conflict, remark="Other", settled_by=None, now=NOW)

    assert (again.remark, again.settled_by, again.settled_at) == ("Sent twice", owner, NOW)
    assert not EventConflict.objects.open().exists()


@pytest.mark.parametrize("remark", ["", "  ", "x" * 501])
def test_a_remark_is_needed(conflict, remark):
    with pytest.raises(ValidationError, match="Say what you found"):
        settle_conflict(conflict=conflict, remark=remark, settled_by=None, now=NOW)
    assert EventConflict.objects.open().exists()
