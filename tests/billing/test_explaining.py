"""Any grant, overage or line opens into the days, labels, models and runs that consumed it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import CreditGrant
from billing.selectors.explaining import explain, explain_grant
from billing.services.purchases import buy_on_account
from clients.models import Meter, UsageUnit
from clients.services.corrections import correct_event
from clients.services.recording import SubmittedEvent, record_events

from .plan_samples import NEW_YORK_2026, allowance, band, starter
from .story import close, periods_of, subscribe

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR


def send(workspace, *events, now=None):
    """Events of one unit: (id, when, quantity, label, more)."""
    record_events(
        workspace=workspace,
        events=[
            SubmittedEvent(
                id=name,
                unit="conversation",
                time=at,
                quantity=Decimal(quantity),
                label=label,
                **(more[0] if more else {}),
            )
            for name, at, quantity, label, *more in events
        ],
        now=now or FEBRUARY,
    )


@pytest.fixture
def january(acme_support, conversation):
    """10 included, Growth of 5 bought on the 20th, 18 used: 3 of them overage."""
    plan = starter(
        allowances=[allowance(included="10")], top_ups=[band(quantity="5", expires="never")]
    )
    subscription = subscribe(acme_support, plan, JANUARY)
    growth = subscription.plan_version.top_ups.get()
    buy_on_account(workspace=acme_support, band=growth, now=JANUARY + 19 * DAY, key="growth")
    send(
        acme_support,
        ("a", JANUARY + HOUR, 6, "orders", {"run_id": "r1", "model": "gpt-4.1"}),
        ("b", JANUARY + 20 * DAY, 3, "returns"),
        ("c", JANUARY + 20 * DAY + dt.timedelta(minutes=5), 2, "orders", {"run_id": "r1"}),
        ("d", JANUARY + 21 * DAY, 4, "orders"),
        ("e", JANUARY + 22 * DAY, 3, "returns", {"run_id": "r9"}),
        ("failed", JANUARY + 23 * DAY, 1, "returns", {"status": "error"}),
    )
    return periods_of(acme_support)[0]


def told(explanation):
    return [
        (
            taken.kind,
            int(taken.quantity),
            {day.day: int(quantity) for day, quantity in taken.days},
            {part.name: (int(part.quantity), part.events) for part in taken.labels},
            {part.name: int(part.quantity) for part in taken.runs},
        )
        for taken in explanation.taken
    ]


WHERE_IT_WENT = [
    # 6 + 3 + 1 of the two: the allowance ran out in the middle of event c.
    (
        "allowance",
        10,
        {1: 6, 21: 4},
        {"orders": (7, 2), "returns": (3, 1)},
        {"r1": 7},
    ),
    ("top_up", 5, {21: 1, 22: 4}, {"orders": (5, 1)}, {"r1": 1}),
    ("overage", 3, {23: 3}, {"returns": (3, 2)}, {"r9": 3}),
]


def test_a_closed_period_opens_into_what_consumed_each_grant(january, conversation):
    explanation = explain(period=close(january), unit=conversation, now=FEBRUARY + 2 * DAY)

    assert told(explanation) == WHERE_IT_WENT
    assert explanation.used == 18
    assert not explanation.is_provisional


def test_an_open_one_says_the_same_so_far(january, conversation):
    explanation = explain(period=january, unit=conversation, now=FEBRUARY - HOUR)

    assert told(explanation) == WHERE_IT_WENT
    assert explanation.is_provisional


def test_an_open_one_that_has_ended_is_explained_too(january, conversation):
    assert told(explain(period=january, unit=conversation, now=FEBRUARY + HOUR)) == WHERE_IT_WENT


def test_models_and_cost(january, conversation):
    allowance_, *_ = explain(period=january, unit=conversation, now=FEBRUARY).taken

    assert [(part.name, int(part.quantity)) for part in allowance_.models] == [
        ("gpt-4.1", 6),
        ("", 4),
    ]


def test_a_grant_is_explained_over_all_its_periods(january, acme_support, conversation):
    """All 5 of the band were burned in January, so February adds nothing."""
    grant = CreditGrant.objects.get(kind="top_up")
    close(january)

    found = explain_grant(grant=grant, now=FEBRUARY + 2 * DAY)

    assert [(one.period.pk, told(one)) for one in found] == [(january.pk, WHERE_IT_WENT[1:2])]


def test_a_grant_that_carries_over_shows_both_periods(acme_support, conversation):
    plan = starter(
        allowances=[allowance(included="1")], top_ups=[band(quantity="5", expires="never")]
    )
    subscription = subscribe(acme_support, plan, JANUARY)
    band_ = subscription.plan_version.top_ups.get()
    buy_on_account(workspace=acme_support, band=band_, now=JANUARY, key="growth")
    send(acme_support, ("jan", JANUARY + HOUR, 3, "orders"), now=JANUARY + DAY)
    close(periods_of(acme_support)[0])
    send(acme_support, ("feb", FEBRUARY + HOUR, 3, "returns"), now=FEBRUARY + DAY)

    found = explain_grant(grant=CreditGrant.objects.get(kind="top_up"), now=FEBRUARY + 2 * DAY)

    assert [(int(one.taken[0].quantity), one.taken[0].labels[0].name) for one in found] == [
        (2, "returns"),
        (2, "orders"),
    ]


def test_a_subject_counts_where_its_first_event_is(acme_support, northwind):
    lead = UsageUnit.objects.create(
        agency=northwind, slug="conversation", name="lead", plural="leads"
    )
    Meter.objects.create(
        unit=lead, version=1, aggregation="unique", effective_from=JANUARY - 400 * DAY
    )
    subscribe(acme_support, starter(allowances=[allowance(included="1")]), JANUARY)
    send(
        acme_support,
        ("late", JANUARY + 2 * HOUR, 1, "again", {"subject": "ada"}),
        ("first", JANUARY + HOUR, 1, "form", {"subject": "ada"}),
        ("other", JANUARY + 3 * HOUR, 1, "form", {"subject": "bob"}),
    )

    explanation = explain(period=periods_of(acme_support)[0], unit=lead, now=FEBRUARY - HOUR)

    assert [(row[0], row[1], row[3]) for row in told(explanation)] == [
        ("allowance", 1, {"form": (1, 1)}),
        ("overage", 1, {"form": (1, 1), "again": (0, 1)}),
    ]


def test_nothing_to_say(january, acme_support, conversation, page):
    february = periods_of(acme_support)[1]

    assert explain(period=january, unit=page, now=FEBRUARY) is None
    assert explain(period=february, unit=conversation, now=JANUARY) is None
    assert explain(period=february, unit=conversation, now=FEBRUARY).taken == []


def test_queries_do_not_grow_with_events(january, acme_support, conversation):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            explain(period=january, unit=conversation, now=FEBRUARY)
        return len(queries)

    before = count()
    send(
        acme_support,
        *((f"x{n}", JANUARY + 24 * DAY + n * HOUR, 1, f"label {n}") for n in range(40)),
    )
    assert count() == before


def test_a_corrected_event_is_explained_by_what_it_counts_after_all(
    january, acme_support, conversation
):
    """6, 3 and one of the two are the allowance; 4 and one of three the top-up's."""
    for event_id, quantity in (("c", 1), ("a", 5), ("a", 6)):
        correct_event(
            workspace=acme_support,
            event_id=event_id,
            quantity=Decimal(quantity),
            reason="Counted twice",
            key=f"{event_id} is {quantity}",
            now=FEBRUARY - 2 * HOUR,
        )
    where_it_went = [
        (
            "allowance",
            10,
            {1: 6, 21: 4},
            {"orders": (7, 2), "returns": (3, 1)},
            {"r1": 7},
        ),
        ("top_up", 5, {22: 4, 23: 1}, {"orders": (4, 1), "returns": (1, 1)}, {"r9": 1}),
        ("overage", 2, {23: 2}, {"returns": (2, 1)}, {"r9": 2}),
    ]

    assert told(explain(period=january, unit=conversation, now=FEBRUARY - HOUR)) == where_it_went
    closed = close(january)
    assert told(explain(period=closed, unit=conversation, now=FEBRUARY + 2 * DAY)) == where_it_went

    correct_event(
        workspace=acme_support,
        event_id="c",
        quantity=Decimal(0),
        reason="Too late for January",
        key="c is nothing",
        now=FEBRUARY + 2 * DAY,
    )
    assert told(explain(period=closed, unit=conversation, now=FEBRUARY + 2 * DAY)) == where_it_went
