"""Sums that would no longer fit into 64 bits are refused, and the event is named."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clients.models import CostPayer, UsageEvent, UsageWindow
from clients.services.recording import EventsRefused
from tests.clients.recorder import event, march_window, record, windows

pytestmark = pytest.mark.django_db

MOST = Decimal(9_223_372_036_854)
BILLION = 10**9


def test_a_window_counts_up_to_what_64_bits_hold(acme_support, conversation):
    window = march_window(acme_support, conversation)
    UsageWindow.objects.filter(pk=window.pk).update(used=MOST - 2 * BILLION)

    record(acme_support, event("a", quantity=BILLION), event("b", quantity=BILLION))

    assert windows(acme_support) == {("conversation", "03-01"): (MOST, 2)}


def test_past_that_the_event_and_the_limit_are_named_and_nothing_is_stored(
    acme_support, conversation
):
    window = march_window(acme_support, conversation)
    UsageWindow.objects.filter(pk=window.pk).update(used=MOST - 2 * BILLION)
    batch = [event(name, quantity=BILLION) for name in ("a", "b", "c", "d")]

    with pytest.raises(EventsRefused) as refused:
        record(acme_support, *batch)

    ((index, field, message),) = refused.value.errors
    assert (index, field) == (2, "quantity")
    assert "9,223,372,036,854 in one period" in message
    assert not UsageEvent.objects.exists()
    assert windows(acme_support) == {("conversation", "03-01"): (MOST - 2 * BILLION, 0)}


def test_a_batch_that_is_too_large_in_itself_is_refused(acme_support, conversation):
    march_window(acme_support, conversation)
    acme_support.cost_payer = CostPayer.AGENCY
    batch = [event(str(number), cost=BILLION, quantity=1) for number in range(12)]

    with pytest.raises(
        EventsRefused, match=r"event 9, cost: .* more than 9,223,372,036 in one day"
    ):
        record(acme_support, *batch)

    assert not UsageEvent.objects.exists()
