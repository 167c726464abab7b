"""Corrections in an open period: the sums move at the event's own time."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agencyportal.core.append_only import AppendOnlyError
from clients.models import UniqueSubject, UsageCorrection, UsageEvent, UsageWindow
from clients.services.corrections import (
    CorrectionConflictError,
    CorrectionRefusedError,
    correct_event,
)
from clients.services.units import create_unit
from clients.services.windows import open_window

from .recorder import APRIL, MARCH, NOW, at, days, event, march_window, quarters, record

pytestmark = pytest.mark.django_db


def correct(workspace, event_id: str, quantity: int | str, **fields) -> UsageCorrection:
    return correct_event(
        workspace=workspace,
        event_id=event_id,
        quantity=Decimal(quantity),
        reason=fields.pop("reason", "Checked"),
        key=fields.pop("key", f"{event_id}:{quantity}"),
        now=NOW,
        **fields,
    ).correction


def used(workspace) -> Decimal:
    return UsageWindow.objects.get(workspace=workspace).used


def test_quarter_day_and_window_move(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, event("a", time="2026-03-09 12:05", quantity=4, label="triage"))
    record(acme_support, event("b", time="2026-03-09 12:10", quantity=1))

    correct(acme_support, "a", "2.5")

    assert quarters(acme_support) == {("conversation", "03-09 12:00"): (Decimal("3.5"), 2)}
    assert days(acme_support)["conversation", "2026-03-09", "triage", ""] == (Decimal("2.5"), 1)
    assert used(acme_support) == Decimal("3.5")
    assert UsageEvent.objects.get(external_id="a").quantity == 4  # it stays as it was reported


def test_up_works_as_down_does(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, event("a", quantity=4))

    correct(acme_support, "a", 9)
    correct(acme_support, "a", 6)

    assert used(acme_support) == 6


def test_usage_outside_a_window_is_corrected_for_when_one_opens(acme_support, conversation):
    record(acme_support, event("a", quantity=4))

    assert correct(acme_support, "a", 3).standing == "unbilled"
    open_window(workspace=acme_support, unit=conversation, start=MARCH, end=APRIL)

    assert used(acme_support) == 3


def test_a_key_corrects_once_and_nothing_else(acme_support, conversation):
    march_window(acme_support, conversation)
    record(acme_support, event("a", quantity=4), event("b", quantity=4))
    first = correct(acme_support, "a", 1, key="k")

    assert correct(acme_support, "a", 1, key="k") == first
    for event_id, quantity in (("a", 2), ("b", 1)):
        with pytest.raises(CorrectionConflictError):
            correct(acme_support, event_id, quantity, key="k")
    assert used(acme_support) == 5


def test_it_takes_a_reason(acme_support, conversation):
    record(acme_support, event("a"))

    with pytest.raises(CorrectionRefusedError, match="Say why"):
        correct(acme_support, "a", 0, reason=" ")


def test_a_correction_cannot_be_changed(acme_support, conversation):
    record(acme_support, event("a"))
    correct(acme_support, "a", 0)

    with pytest.raises(AppendOnlyError):
        UsageCorrection.objects.update(quantity=5)


class TestUniqueSubjects:
    @pytest.fixture(autouse=True)
    def leads(self, acme_support, northwind):
        """Ann on Monday (mail) and Tuesday (web)."""
        unit = create_unit(
            agency=northwind,
            slug="lead",
            name="lead",
            plural="leads",
            aggregation="unique",
            effective_from=at("2026-01-01 00:00"),
        )
        march_window(acme_support, unit)
        record(
            acme_support,
            event("monday", "lead", time="2026-03-09 12:00", subject="Ann", label="mail"),
            event("tuesday", "lead", time="2026-03-10 11:00", subject="Ann", label="web"),
        )

    def counted(self, workspace) -> dict[str, int]:
        rows = quarters(workspace).items()
        return {at_: int(quantity) for (_unit, at_), (quantity, _events) in rows if quantity}

    def test_a_void_moves_the_count_to_the_next_event(self, acme_support):
        correct(acme_support, "monday", 0)

        assert self.counted(acme_support) == {"03-10 11:00": 1}
        assert UniqueSubject.objects.get().event.external_id == "tuesday"
        assert used(acme_support) == 1

    def test_with_all_of_them_void_nobody_stands_for_the_subject(self, acme_support):
        correct(acme_support, "monday", 0)
        correct(acme_support, "tuesday", 0)

        assert self.counted(acme_support) == {}
        assert not UniqueSubject.objects.exists()

        record(acme_support, event("again", "lead", time="2026-03-10 11:30", subject="Ann"))
        assert self.counted(acme_support) == {"03-10 11:30": 1}

    def test_what_does_not_stand_for_its_subject_changes_nothing(self, acme_support):
        correct(acme_support, "tuesday", 0)

        assert self.counted(acme_support) == {"03-09 12:00": 1}

    def test_a_void_taken_back_moves_the_count_back(self, acme_support):
        correct(acme_support, "monday", 0)
        correct(acme_support, "monday", 1)

        assert self.counted(acme_support) == {"03-09 12:00": 1}

    def test_an_earlier_event_takes_over_what_was_corrected(self, acme_support):
        correct(acme_support, "monday", 2)
        record(acme_support, event("sunday", "lead", time="2026-03-08 12:00", subject="Ann"))

        assert self.counted(acme_support) == {"03-08 12:00": 1}
        assert used(acme_support) == 1
