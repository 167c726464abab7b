"""The test bench: what a sample event would count and cost."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from clients.models import Meter, UsageEvent
from clients.services.bench import try_event
from clients.services.units import change_meter, create_unit

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
SOON = NOW + dt.timedelta(days=5)


@pytest.fixture
def pages(northwind):
    """Counts `properties.pages`; from the 15th on only of scans, and contracts three times."""
    unit = create_unit(
        agency=northwind,
        slug="sheet",
        name="sheet",
        plural="sheets",
        aggregation="sum",
        property_name="pages",
        effective_from=NOW - dt.timedelta(days=90),
    )
    change_meter(
        unit=unit,
        aggregation="sum",
        property_name="pages",
        filters=[{"field": "properties.kind", "op": "in", "value": ["scan", "contract"]}],
        weights=[
            {
                "when": [{"field": "properties.kind", "op": "eq", "value": "contract"}],
                "multiply": "3",
            }
        ],
        effective_from=SOON,
        now=NOW,
    )
    return unit


def tried(bench):
    return [(row.meter.version, row.is_in_force, row.quantity, row.words) for row in bench.tried]


def test_every_version_is_tried_and_the_one_at_the_events_time_is_in_force(pages):
    text = '{"time": "2026-03-10T11:00:00Z", "properties": {"pages": 2.5, "kind": "contract"}}'

    bench = try_event(unit=pages, text=text, workspace=None, now=NOW)

    assert tried(bench) == [
        (2, False, Decimal("7.5"), "Weighs 3: properties.kind eq 'contract'."),
        (1, True, Decimal("2.5"), "No weight applies."),
    ]


def test_a_dropped_event_says_by_what(pages):
    bench = try_event(unit=pages, text='{"properties": {"pages": 1}}', workspace=None, now=NOW)
    assert tried(bench)[0][2:] == (
        0,
        "Dropped: properties.kind in ('scan', 'contract') does not hold.",
    )


def test_what_a_version_cannot_measure_is_said(pages):
    bench = try_event(unit=pages, text="{}", workspace=None, now=NOW)
    assert tried(bench)[1][2:] == (
        None,
        "properties.pages: This unit sums this property: it is missing.",
    )


def test_cost_is_what_the_workspace_would_pay(conversation, acme_support):
    text = '{"model": "gpt-4.1", "usage": {"input_tokens": 1000, "output_tokens": 100}}'

    bench = try_event(unit=conversation, text=text, workspace=acme_support, now=NOW)

    assert bench.cost.amount == Decimal("0.0028")  # 1,000 x 2 + 100 x 8, per million


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("not json", "Not readable as JSON"),
        ("[]", "Expected"),
        ('{"unit": "page"}', "unit: This is the bench of “conversation”."),
        ('{"quantity": "-1"}', "quantity"),
        ('{"time": "2026-03-11T00:00:00Z"}', "time"),
        ('{"surprise": 1}', "surprise: Unknown field"),
    ],
)
def test_what_recording_would_refuse_is_refused_here(conversation, text, problem):
    (words,) = try_event(unit=conversation, text=text, workspace=None, now=NOW).problems[:1]
    assert problem in words


def test_nothing_is_written(conversation, acme_support):
    try_event(unit=conversation, text="{}", workspace=acme_support, now=NOW)
    assert not UsageEvent.objects.exists()
    assert Meter.objects.count() == 1
