"""Windows: where usage counts, and what is settled."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import transaction

from clients.models import UsageEvent, UsageWindow
from clients.selectors import by_label_and_model, counted_quarters, daily
from clients.services import windows as windows_service
from clients.services.units import create_unit
from clients.services.windows import lock_workspace, open_window, settle
from tests.clients.recorder import (
    APRIL,
    MARCH,
    MAY,
    NOW,
    at,
    event,
    march_window,
    record,
    subjects,
    whole_state,
    windows,
)

pytestmark = pytest.mark.django_db


class TestOpening:
    def test_the_same_window_again_is_kept(self, acme_support, conversation):
        first = march_window(acme_support, conversation)
        record(acme_support, event("a"))
        assert march_window(acme_support, conversation) == first
        assert windows(acme_support) == {("conversation", "03-01"): (Decimal(1), 1)}

    def test_usage_stored_before_counts_as_if_it_had_come_after(
        self, acme_support, acme_docs, northwind, conversation, monkeypatch
    ):
        monkeypatch.setattr(windows_service, "CHUNK", 3)
        lead = create_unit(
            agency=northwind, slug="lead", template="qualified-lead", effective_from=MARCH
        )
        events = [
            event(
                f"e{number}",
                ("conversation", "lead")[number % 2],
                subject=f"s{number % 3}",
                model="gpt-4o" if number % 4 else "",
                status="error" if number == 5 else None,
                attempts=2,
                time=NOW - dt.timedelta(hours=7 * number),
            )
            for number in range(12)
        ]
        record(acme_support, *events, event("april", time=NOW - dt.timedelta(days=40)))
        assert not UsageWindow.objects.exists()
        for workspace in (acme_support, acme_docs):
            march_window(workspace, conversation)
            march_window(workspace, lead)
        record(acme_docs, *events)

        assert whole_state(acme_support) == whole_state(acme_docs)
        uncounted = UsageEvent.objects.exclude(standing="counted")
        assert [row.external_id for row in uncounted] == ["april"]

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (MARCH, MAY),
            (MARCH - dt.timedelta(days=1), MARCH + dt.timedelta(minutes=15)),
            (APRIL - dt.timedelta(minutes=15), MAY),
            (MARCH + dt.timedelta(days=1), MARCH + dt.timedelta(days=2)),
        ],
    )
    def test_windows_of_a_unit_never_overlap(self, acme_support, conversation, page, start, end):
        march_window(acme_support, conversation)
        with pytest.raises(ValueError, match="already counted"):
            open_window(workspace=acme_support, unit=conversation, start=start, end=end)

        open_window(workspace=acme_support, unit=page, start=start, end=end)
        open_window(workspace=acme_support, unit=conversation, start=APRIL, end=MAY)
        assert UsageWindow.objects.count() == 3

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (MARCH, MARCH),
            (APRIL, MARCH),
            (MARCH + dt.timedelta(minutes=1), APRIL),
            (MARCH, NOW + dt.timedelta(seconds=1)),
        ],
    )
    def test_they_lie_on_the_grain_and_are_not_empty(self, acme_support, conversation, start, end):
        with pytest.raises(ValueError, match="A window"):
            open_window(workspace=acme_support, unit=conversation, start=start, end=end)
        assert not UsageWindow.objects.exists()

    def test_what_is_settled_is_not_opened_again(self, acme_support, conversation):
        settle(workspace=acme_support, until=APRIL)
        with pytest.raises(ValueError, match="settled until"):
            march_window(acme_support, conversation)
        open_window(workspace=acme_support, unit=conversation, start=APRIL, end=MAY)


class TestSettling:
    def test_it_only_moves_forward(self, acme_support):
        settle(workspace=acme_support, until=MARCH)
        settle(workspace=acme_support, until=APRIL)
        settle(workspace=acme_support, until=APRIL)
        with pytest.raises(ValueError, match="settled until"):
            settle(workspace=acme_support, until=MARCH)

        acme_support.refresh_from_db()
        assert acme_support.settled_until == APRIL

    @pytest.mark.django_db(transaction=True)
    def test_a_workspace_is_locked_inside_a_transaction_only(self, acme_support):
        with pytest.raises(transaction.TransactionManagementError):
            lock_workspace(acme_support.pk)
        with transaction.atomic():
            assert lock_workspace(acme_support.pk) == acme_support


class TestAppendOnly:
    def test_an_event_stays_as_it_was_recorded(self, acme_support, conversation):
        record(acme_support, event("a"))
        stored = UsageEvent.objects.get()
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            UsageEvent.objects.update(quantity=Decimal(5))
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            stored.delete()
        UsageEvent.objects.update(standing="counted")

        stored.refresh_from_db()
        assert (stored.quantity, stored.standing) == (Decimal(1), "counted")


class TestSelectors:
    def test_quarters_days_and_labels(self, acme_support, conversation):
        march_window(acme_support, conversation)
        record(
            acme_support,
            event("a", quantity=2, time="2026-03-10 03:59", label="chat"),
            event("b", quantity=3, time="2026-03-10 04:00", label="chat"),
            event("c", quantity=1, time="2026-03-10 04:14", label="mail", status="error"),
            event("late", time="2026-04-02 04:00"),
            now=at("2026-04-03 00:00"),
        )

        rows = counted_quarters(
            workspace_id=acme_support.pk, unit_id=conversation.pk, start=MARCH, end=APRIL
        )
        assert [(row.start, row.quantity) for row in rows] == [
            (at("2026-03-10 03:45"), Decimal(2)),
            (at("2026-03-10 04:00"), Decimal(3)),
        ]
        first_of_two = counted_quarters(
            workspace_id=acme_support.pk,
            unit_id=conversation.pk,
            start=MARCH,
            end=at("2026-03-10 04:00"),
        )
        assert [row.quantity for row in first_of_two] == [Decimal(2)]

        days = daily(
            workspace_id=acme_support.pk,
            unit_ids=[conversation.pk],
            first=dt.date(2026, 3, 9),
            last=dt.date(2026, 3, 10),
        )
        assert [(row.day.day, row.quantity, row.events, row.errors) for row in days] == [
            (9, Decimal(2), 1, 0),
            (10, Decimal(3), 2, 1),
        ]

        labels = by_label_and_model(
            workspace_id=acme_support.pk, first=dt.date(2026, 3, 1), last=dt.date(2026, 3, 31)
        )
        assert [(row.label, row.quantity, row.events) for row in labels] == [
            ("chat", Decimal(5), 2),
            ("mail", Decimal(0), 1),
        ]

    def test_a_subject_is_counted_where_it_stands(self, acme_support, northwind):
        lead = create_unit(
            agency=northwind, slug="lead", template="qualified-lead", effective_from=MARCH
        )
        march_window(acme_support, lead)
        record(acme_support, event("b", "lead", subject="ann"))
        record(acme_support, event("a", "lead", subject="ann", time="2026-03-09 12:00"))

        rows = counted_quarters(
            workspace_id=acme_support.pk, unit_id=lead.pk, start=MARCH, end=APRIL
        )
        assert [(row.start, row.quantity) for row in rows] == [
            (at("2026-03-09 12:00"), Decimal(1)),
            (NOW, Decimal(0)),
        ]
        assert subjects(acme_support) == {"ann": "a"}
