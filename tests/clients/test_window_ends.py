"""Windows that are shortened, extended and taken back: the sums are those of what is left."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import transaction

from clients.models import UsageDay, UsageEvent, UsageQuarter, UsageWindow
from clients.services import windows as windows_service
from clients.services.units import create_unit
from clients.services.window_ends import move_end, withdraw
from clients.services.windows import lock_workspace, open_window, settle
from tests.clients.recorder import (
    APRIL,
    MARCH,
    MAY,
    at,
    days,
    event,
    march_window,
    record,
    whole_state,
    windows,
)

pytestmark = pytest.mark.django_db

TENTH = at("2026-03-10 04:00")
"""The first instant of 10 March in New York."""


@pytest.fixture
def lead(northwind):
    return create_unit(
        agency=northwind, slug="lead", template="qualified-lead", effective_from=MARCH
    )


def leads_and_conversations():
    """Both before and after the 10th, with subjects seen on both sides of it."""
    return [
        event(
            f"e{number}",
            ("conversation", "lead")[number % 2],
            subject=f"s{number % 3}",
            model="gpt-4o" if number % 4 else "",
            label="triage" if number % 5 else "",
            status="error" if number == 5 else None,
            attempts=2,
            time=TENTH + dt.timedelta(hours=7 * (number - 8)),
        )
        for number in range(16)
    ]


def test_a_shortened_window_counts_what_one_that_ended_there_would_have(
    acme_support, acme_docs, conversation, lead, monkeypatch
):
    monkeypatch.setattr(windows_service, "CHUNK", 3)
    units = (conversation, lead)
    long = [march_window(acme_support, unit) for unit in units]
    for unit in units:
        open_window(workspace=acme_docs, unit=unit, start=MARCH, end=TENTH)
    for workspace in (acme_support, acme_docs):
        record(workspace, *leads_and_conversations(), now=APRIL)
    assert whole_state(acme_support) != whole_state(acme_docs)

    for window in long:
        move_end(workspace=acme_support, window=window, end=TENTH)

    assert whole_state(acme_support) == whole_state(acme_docs)
    assert not UsageQuarter.objects.filter(start__gte=TENTH).exists()
    assert not UsageDay.objects.filter(day__gte="2026-03-10").exists()
    after = UsageEvent.objects.filter(occurred_at__gte=TENTH)
    assert set(after.values_list("standing", flat=True)) == {"unbilled"}


def test_extended_again_it_counts_what_it_did(acme_support, acme_docs, conversation, lead):
    for workspace in (acme_support, acme_docs):
        for unit in (conversation, lead):
            march_window(workspace, unit)
        record(workspace, *leads_and_conversations(), now=APRIL)

    for window in UsageWindow.objects.filter(workspace=acme_support):
        shortened = move_end(workspace=acme_support, window=window, end=TENTH)
        move_end(workspace=acme_support, window=shortened, end=APRIL)

    assert whole_state(acme_support) == whole_state(acme_docs)


def test_what_falls_out_is_counted_by_the_next_window(acme_support, conversation):
    window = march_window(acme_support, conversation)
    record(acme_support, event("a", time=TENTH - dt.timedelta(minutes=1)), event("b", time=TENTH))

    move_end(workspace=acme_support, window=window, end=TENTH)
    open_window(workspace=acme_support, unit=conversation, start=TENTH, end=APRIL)

    assert windows(acme_support) == {
        ("conversation", "03-01"): (Decimal(1), 1),
        ("conversation", "03-10"): (Decimal(1), 1),
    }


def test_an_end_inside_a_day_leaves_the_rest_of_that_day(acme_support, conversation):
    window = march_window(acme_support, conversation)
    record(
        acme_support,
        event("a", time=TENTH + dt.timedelta(hours=1)),
        event("b", time=TENTH + dt.timedelta(hours=3), quantity="2"),
    )

    move_end(workspace=acme_support, window=window, end=TENTH + dt.timedelta(hours=2))

    assert days(acme_support) == {("conversation", "2026-03-10", "", ""): (Decimal(1), 1)}


def test_a_window_that_is_taken_back_leaves_nothing(acme_support, conversation, lead):
    record(acme_support, *leads_and_conversations(), now=APRIL)
    before = whole_state(acme_support)
    taken = [march_window(acme_support, unit) for unit in (conversation, lead)]

    for window in taken:
        withdraw(workspace=acme_support, window=window)

    assert whole_state(acme_support) == before
    assert not UsageEvent.objects.counted().exists()


def test_nothing_moves_on_what_is_settled(acme_support, conversation):
    window = march_window(acme_support, conversation)
    with transaction.atomic():
        settle(workspace=lock_workspace(acme_support.pk), until=APRIL)

    with pytest.raises(ValueError, match="is settled until"):
        move_end(workspace=acme_support, window=window, end=TENTH)
    with pytest.raises(ValueError, match="is settled until"):
        withdraw(workspace=acme_support, window=window)


def test_an_end_off_the_grain_and_one_in_the_next_window_are_refused(acme_support, conversation):
    window = march_window(acme_support, conversation)
    open_window(workspace=acme_support, unit=conversation, start=APRIL, end=MAY)

    with pytest.raises(ValueError, match="on a quarter hour"):
        move_end(workspace=acme_support, window=window, end=TENTH + dt.timedelta(minutes=1))
    with pytest.raises(ValueError, match="Another window"):
        move_end(workspace=acme_support, window=window, end=APRIL + dt.timedelta(hours=1))
    with pytest.raises(ValueError, match="ends after it starts"):
        move_end(workspace=acme_support, window=window, end=MARCH)


def test_a_window_counts_its_days_in_the_zone_it_was_opened_in(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, event("a", time=at("2026-03-10 06:00")))
    acme_support.client.timezone = "America/Los_Angeles"
    acme_support.client.save()
    open_window(workspace=acme_support, unit=conversation, start=APRIL, end=MAY)

    record(
        acme_support,
        event("b", time=at("2026-03-10 06:30")),
        event("c", time=at("2026-04-10 06:30")),
        now=MAY,
    )

    assert {day for _, day, _, _ in days(acme_support)} == {"2026-03-10", "2026-04-09"}
