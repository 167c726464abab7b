"""Automatic top-ups in the books: usage buys, once, at most to the maxima."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from billing.refusals import NotAdmittedError
from billing.services.attention import attend, attend_all
from billing.services.caps import set_cap
from billing.services.reservations import reserve
from clients.models import UsageWindow, Workspace
from clients.services.recording import SubmittedEvent, record_events

from .plan_samples import NEW_YORK_2026, allowance, band, starter
from .story import close, lines_of, periods_of, subscribe

pytestmark = pytest.mark.django_db

JANUARY = NEW_YORK_2026[1]
NOON = JANUARY + dt.timedelta(hours=12, minutes=7)
QUARTER = JANUARY + dt.timedelta(hours=12)


def package(**policy: Any) -> dict[str, Any]:
    """100 conversations; 50 more are bought for 5.00 when 10 or fewer are left."""
    overage = {
        "policy": "top_up",
        "top_up": "Fifty",
        "at": "10",
        "max_count": 2,
        "then": "block",
        **policy,
    }
    fifty = band("Fifty", quantity="50", price="5")
    return starter(allowances=[allowance(included="100", overage=overage)], top_ups=[fifty])


@pytest.fixture
def workspace(acme_support, conversation) -> Workspace:
    subscribe(acme_support, package(), JANUARY)
    return acme_support


def record(workspace: Workspace, quantity: int, at: dt.datetime = NOON) -> None:
    number = workspace.events.count()
    event = SubmittedEvent(
        id=f"event {number}", unit="conversation", quantity=Decimal(quantity), time=at
    )
    record_events(workspace=workspace, events=[event], now=at)


def bought(workspace: Workspace) -> list[tuple[str, dt.datetime]]:
    rows = workspace.purchases.select_related("grant").order_by("pk")
    assert all(row.grant.effective_at == row.purchased_at for row in rows)
    return [(row.key.rpartition(":")[2], row.purchased_at) for row in rows]


def test_recording_buys_after_its_commit(workspace, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        record(workspace, 89)
    assert bought(workspace) == []

    with django_capture_on_commit_callbacks(execute=True):
        record(workspace, 1)

    assert bought(workspace) == [("1", QUARTER)]
    assert workspace.purchases.get().purchased_by is None


def test_recording_looks_only_when_the_threshold_is_reached(
    workspace, django_capture_on_commit_callbacks, django_assert_num_queries
):
    with django_capture_on_commit_callbacks(execute=True):
        record(workspace, 1)
    window = UsageWindow.objects.get(workspace=workspace, start=JANUARY)
    assert (window.attention_at, window.attended) == (90, 1)

    with django_capture_on_commit_callbacks() as callbacks:
        record(workspace, 1)
    with django_assert_num_queries(1):
        for callback in callbacks:
            callback()


def test_one_batch_may_call_for_several_and_stops_at_the_maximum(workspace):
    record(workspace, 500)

    attend(workspace_id=workspace.pk, now=NOON)
    attend(workspace_id=workspace.pk, now=NOON)

    assert bought(workspace) == [("1", QUARTER), ("2", QUARTER)]


def test_the_schedule_looks_where_usage_changed_and_nowhere_else(
    workspace, django_assert_num_queries
):
    record(workspace, 95)

    assert attend_all(now=NOON) == 1
    with django_assert_num_queries(1):
        assert attend_all(now=NOON + dt.timedelta(hours=1)) == 0


def test_time_alone_buys_nothing(acme_support, conversation):
    subscribe(acme_support, package(at="100"), JANUARY)

    attend(workspace_id=acme_support.pk, now=NOON)

    assert bought(acme_support) == []


def test_then_applies_once_the_maximum_is_reached(workspace, conversation):
    record(workspace, 199)
    attend(workspace_id=workspace.pk, now=NOON)

    reserve(workspace=workspace, unit=conversation, quantity=Decimal(1), now=NOON)
    with pytest.raises(NotAdmittedError):
        reserve(workspace=workspace, unit=conversation, quantity=Decimal(1), now=NOON)


def test_a_maximum_amount_counts_what_was_bought_automatically(acme_support, conversation):
    subscribe(acme_support, package(max_count=None, max_amount="14.99"), JANUARY)
    record(acme_support, 1000)

    attend(workspace_id=acme_support.pk, now=NOON)

    assert len(bought(acme_support)) == 2


def test_a_spend_cap_is_a_maximum_too(workspace, acme):
    set_cap(
        agency=acme.agency,
        client=acme,
        kind="spend",
        limit=Decimal("9.99"),
        now=JANUARY,
        set_by=None,
    )
    record(workspace, 500)

    attend(workspace_id=workspace.pk, now=NOON)

    assert len(bought(workspace)) == 1


def test_the_maxima_begin_anew_with_the_period(workspace):
    record(workspace, 500)
    attend(workspace_id=workspace.pk, now=NOON)
    february = NEW_YORK_2026[2] + dt.timedelta(hours=1)

    record(workspace, 95, at=february)
    attend(workspace_id=workspace.pk, now=february)

    assert [key for key, _ in bought(workspace)] == ["1", "2", "1"]


def test_usage_of_a_period_that_has_ended_buys_in_that_period(workspace):
    last = NEW_YORK_2026[2] - dt.timedelta(minutes=15)
    record(workspace, 95, at=last)

    attend(workspace_id=workspace.pk, now=NEW_YORK_2026[2] + dt.timedelta(hours=1))

    assert bought(workspace) == [("1", last)]
    january = close(periods_of(workspace)[0])
    assert [line for line in lines_of(january) if line[0] == "top_up"] == [("top_up", "50", "5.00")]
