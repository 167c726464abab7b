"""Recording: events stored once, counted where they belong, the same in any order."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients.models import Meter, UsageDay, UsageEvent, UsageQuarter, UsageUnit, Workspace
from clients.services.recording import EventsRefused, TokenUsage
from clients.services.units import create_unit
from clients.services.windows import lock_workspace, open_window, settle
from tests.clients.recorder import (
    APRIL,
    MARCH,
    MAY,
    NOW,
    at,
    days,
    event,
    march_window,
    quarters,
    record,
    subjects,
    windows,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(northwind) -> UsageUnit:
    """A unit whose meter counts each subject once per period."""
    return create_unit(
        agency=northwind,
        slug="lead",
        name="lead",
        plural="leads",
        aggregation=Meter.Aggregation.UNIQUE,
        effective_from=at("2026-01-01 00:00"),
    )


class TestCounting:
    def test_an_event_adds_to_its_quarter_its_local_day_and_its_window(
        self, acme_support, conversation
    ):
        march_window(acme_support, conversation)

        recorded = record(
            acme_support, event("a", quantity=2, time="2026-03-10 03:59", label="chat")
        )

        assert (recorded.accepted, recorded.duplicates, recorded.conflicts) == (1, 0, [])
        assert quarters(acme_support) == {("conversation", "03-10 03:45"): (Decimal(2), 1)}
        # 03:59 UTC is still the ninth in New York.
        assert days(acme_support) == {("conversation", "2026-03-09", "chat", ""): (Decimal(2), 1)}
        assert windows(acme_support) == {("conversation", "03-01"): (Decimal(2), 1)}

    def test_later_batches_add_to_the_same_rows(self, acme_support, conversation):
        march_window(acme_support, conversation)
        record(acme_support, event("a", time="2026-03-10 12:00"))
        record(
            acme_support,
            event("b", time="2026-03-10 12:14", quantity="0.5"),
            event("c", time="2026-03-10 11:59:59"),
        )

        assert quarters(acme_support) == {
            ("conversation", "03-10 12:00"): (Decimal("1.5"), 2),
            ("conversation", "03-10 11:45"): (Decimal(1), 1),
        }
        assert windows(acme_support) == {("conversation", "03-01"): (Decimal("2.5"), 3)}

    def test_defaults_are_one_unit_now(self, acme_support, conversation):
        record(acme_support, event("a", time=None))

        stored = UsageEvent.objects.get()
        assert stored.quantity == Decimal(1)
        assert (stored.occurred_at, stored.recorded_at) == (NOW, NOW)
        assert (stored.source, stored.attempts, stored.status) == ("", 1, "ok")
        assert (stored.cost, stored.cost_flag) == (None, "no_model")

    def test_a_failed_call_counts_no_units_but_its_tokens_retries_and_cost(
        self, acme_support, conversation
    ):
        march_window(acme_support, conversation)
        record(
            acme_support,
            event(
                "a",
                status="error",
                attempts=3,
                provider="openai",
                model="gpt-4o",
                usage=TokenUsage(
                    input_tokens=1000, cached_input_tokens=200, output_tokens=0, tool_calls=2
                ),
            ),
        )

        day = UsageDay.objects.get()
        assert day.quantity == Decimal(0)
        assert (day.events, day.errors, day.retries) == (1, 1, 2)
        assert (day.input_tokens, day.cached_input_tokens, day.tool_calls) == (1000, 200, 2)
        # 800 x 2.50 + 200 x 1.25 dollars per million.
        assert day.platform_cost == UsageQuarter.objects.get().platform_cost == Decimal("0.00225")

    def test_an_unpriced_call_is_flagged_and_counted_as_such_never_zero(
        self, acme_support, conversation
    ):
        march_window(acme_support, conversation)
        usage = TokenUsage(input_tokens=10, output_tokens=10)
        record(
            acme_support,
            event("a", model="unheard-of", usage=usage),
            event("b", model="gpt-4o"),
            event("c"),
        )

        flags = dict(UsageEvent.objects.values_list("external_id", "cost_flag"))
        assert flags == {"a": "no_price", "b": "no_tokens", "c": "no_model"}
        assert set(UsageEvent.objects.values_list("cost", "client_cost")) == {(None, None)}
        assert sum(UsageDay.objects.values_list("unpriced", flat=True)) == 2
        assert sum(UsageDay.objects.values_list("platform_cost", flat=True)) == 0

    def test_everything_submitted_is_stored(self, acme_support, conversation):
        record(
            acme_support,
            event(
                "a",
                source="shop/eu",
                subject="s",
                label="chat",
                run_id="r",
                provider="openai",
                model="gpt-4o",
                usage=TokenUsage(
                    input_tokens=100,
                    cached_input_tokens=40,
                    output_tokens=20,
                    reasoning_tokens=5,
                    tool_calls=1,
                ),
                attempts=2,
                properties={"pages": Decimal("1.50"), "ünï": ["x", None, True], "q": {"a": "'\""}},
                time="2026-03-10 11:22:33.123456",
            ),
        )

        stored = UsageEvent.objects.get(workspace=acme_support, source="shop/eu", external_id="a")
        assert stored.properties == {"pages": 1.5, "ünï": ["x", None, True], "q": {"a": "'\""}}
        assert stored.occurred_at == at("2026-03-10 11:22:33.123456")
        assert (stored.subject, stored.label, stored.run_id) == ("s", "chat", "r")
        assert (stored.input_tokens, stored.cached_input_tokens) == (100, 40)
        assert (stored.output_tokens, stored.reasoning_tokens, stored.tool_calls) == (20, 5, 1)
        assert (stored.attempts, stored.cost_currency) == (2, "USD")
        assert stored.exchange_rate == Decimal(1)
        # 60 x 2.50 + 40 x 1.25 + 20 x 10 dollars per million.
        assert stored.cost == stored.client_cost == Decimal("0.0004")
        assert stored.price_source == "genai-prices 0.2.3"

    def test_an_empty_batch_is_nothing(self, acme_support):
        assert record(acme_support).accepted == 0


class TestRepeats:
    def test_a_repeated_event_is_stored_and_counted_once(self, acme_support, conversation):
        march_window(acme_support, conversation)
        first = record(acme_support, event("a"), event("a"), event("b"))
        second = record(acme_support, event("b"), event("c"))

        assert (first.accepted, first.duplicates, first.conflicts) == (2, 1, [])
        assert (second.accepted, second.duplicates, second.conflicts) == (1, 1, [])
        assert windows(acme_support) == {("conversation", "03-01"): (Decimal(3), 3)}

    def test_one_that_comes_back_different_is_named_and_the_first_stands(
        self, acme_support, conversation
    ):
        march_window(acme_support, conversation)
        first = record(acme_support, event("a", quantity=1), event("a", quantity=5), event("b"))
        second = record(acme_support, event("a", quantity=2), event("a", quantity=1), event("b"))

        assert (first.accepted, first.duplicates, first.conflicts) == (2, 1, ["a"])
        assert (second.accepted, second.duplicates, second.conflicts) == (0, 3, ["a"])
        assert windows(acme_support) == {("conversation", "03-01"): (Decimal(2), 2)}

    def test_what_is_compared_is_what_was_submitted_before_defaults(
        self, acme_support, conversation
    ):
        record(acme_support, event("a", time=None))
        again = record(acme_support, event("a", time=None), now=NOW + dt.timedelta(hours=1))
        spelled_out = record(acme_support, event("a", time=None, quantity=1))

        assert again.conflicts == []
        assert spelled_out.conflicts == ["a"]

    def test_the_same_id_of_another_source_or_workspace_is_another_event(
        self, acme_support, acme_docs, conversation
    ):
        recorded = record(
            acme_support, event("a"), event("a", source="eu"), event("a", source="us")
        )
        elsewhere = record(acme_docs, event("a"))

        assert (recorded.accepted, elsewhere.accepted) == (3, 1)

    def test_a_body_is_compared_with_the_one_of_its_own_workspace_and_source(
        self, acme_support, acme_docs, conversation
    ):
        mine = [event("a", quantity=1), event("a", quantity=2, source="eu")]
        record(acme_support, *mine)
        record(acme_docs, event("a", quantity=3), event("a", quantity=4, source="eu"))

        assert record(acme_support, *mine).conflicts == []


class TestStanding:
    def test_outside_any_window_an_event_is_stored_unbilled(self, acme_support, conversation, page):
        march_window(acme_support, conversation)
        just_before_april = APRIL - dt.timedelta(microseconds=1)
        record(
            acme_support,
            event("inside", time=MARCH),
            event("last", time=just_before_april),
            event("after", time=APRIL),
            event("before", time=MARCH - dt.timedelta(microseconds=1)),
            event("other unit", unit="page", time=MARCH),
            now=APRIL,
        )

        assert dict(UsageEvent.objects.values_list("external_id", "standing")) == {
            "inside": "counted",
            "last": "counted",
            "after": "unbilled",
            "before": "unbilled",
            "other unit": "unbilled",
        }
        assert windows(acme_support) == {("conversation", "03-01"): (Decimal(2), 2)}

    def test_usage_before_what_is_settled_is_late_and_stays_out_of_the_sums(
        self, acme_support, conversation, django_capture_on_commit_callbacks
    ):
        march_window(acme_support, conversation)
        open_window(workspace=acme_support, unit=conversation, start=APRIL, end=MAY)
        lock_workspace(acme_support.pk)
        settle(workspace=acme_support, until=APRIL)
        record(
            acme_support,
            event("late", time=APRIL - dt.timedelta(microseconds=1)),
            event("in time", time=APRIL),
            now=APRIL,
        )

        standing = dict(UsageEvent.objects.values_list("external_id", "standing"))
        assert standing == {"late": "late", "in time": "counted"}
        assert windows(acme_support) == {
            ("conversation", "03-01"): (Decimal(0), 0),
            ("conversation", "04-01"): (Decimal(1), 1),
        }


class TestUniqueSubjects:
    def test_a_subject_counts_once_per_window_at_its_earliest_event(self, acme_support, lead):
        march_window(acme_support, lead)
        record(
            acme_support,
            event("later", "lead", subject="ann", time="2026-03-10 10:00"),
            event("first", "lead", subject="ann", time="2026-03-09 10:00"),
            event("bob", "lead", subject="bob", time="2026-03-10 10:01"),
        )

        assert subjects(acme_support) == {"ann": "first", "bob": "bob"}
        assert quarters(acme_support) == {
            ("lead", "03-09 10:00"): (Decimal(1), 1),
            ("lead", "03-10 10:00"): (Decimal(1), 2),
        }
        assert windows(acme_support) == {("lead", "03-01"): (Decimal(2), 3)}

    def test_an_earlier_event_moves_the_count_to_its_quarter_day_label_and_model(
        self, acme_support, lead
    ):
        march_window(acme_support, lead)
        record(acme_support, event("b", "lead", subject="ann", label="web"))
        record(
            acme_support,
            event("a", "lead", subject="ann", label="mail", time="2026-03-05 08:00"),
        )

        assert subjects(acme_support) == {"ann": "a"}
        assert quarters(acme_support) == {
            ("lead", "03-10 12:00"): (Decimal(0), 1),
            ("lead", "03-05 08:00"): (Decimal(1), 1),
        }
        assert days(acme_support) == {
            ("lead", "2026-03-10", "web", ""): (Decimal(0), 1),
            ("lead", "2026-03-05", "mail", ""): (Decimal(1), 1),
        }
        assert windows(acme_support) == {("lead", "03-01"): (Decimal(1), 2)}

    def test_a_later_event_moves_nothing(self, acme_support, lead):
        march_window(acme_support, lead)
        record(acme_support, event("a", "lead", subject="ann", time="2026-03-05 08:00"))
        record(acme_support, event("b", "lead", subject="ann"))

        assert subjects(acme_support) == {"ann": "a"}
        assert windows(acme_support) == {("lead", "03-01"): (Decimal(1), 2)}

    @pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
    def test_of_two_at_the_same_instant_the_lower_source_and_id_stands(
        self, acme_support, lead, order
    ):
        march_window(acme_support, lead)
        for name in order:
            record(acme_support, event(name, "lead", subject="ann"))
        assert subjects(acme_support) == {"ann": "a"}

        record(acme_support, event("z", "lead", subject="ann", source="", label="not lower"))
        assert subjects(acme_support) == {"ann": "a"}

    def test_a_subject_seen_in_two_periods_counts_in_both(self, acme_support, lead):
        march_window(acme_support, lead)
        open_window(workspace=acme_support, unit=lead, start=APRIL, end=MAY)
        record(
            acme_support,
            event("m", "lead", subject="ann", time=APRIL - dt.timedelta(seconds=1)),
            event("n", "lead", subject="ann", time=APRIL),
            now=APRIL,
        )

        assert windows(acme_support) == {
            ("lead", "03-01"): (Decimal(1), 1),
            ("lead", "04-01"): (Decimal(1), 1),
        }

    def test_a_failed_event_does_not_stand_for_its_subject(self, acme_support, lead):
        march_window(acme_support, lead)
        record(
            acme_support,
            event("a", "lead", subject="ann", status="error", time="2026-03-05 08:00"),
            event("b", "lead", subject="ann"),
        )

        assert subjects(acme_support) == {"ann": "b"}

    def test_an_earlier_event_of_another_weight_changes_what_the_subject_counts(
        self, acme_support, northwind
    ):
        heavy = create_unit(
            agency=northwind,
            slug="heavy",
            name="heavy",
            plural="heavies",
            aggregation="unique",
            weights=[
                {
                    "when": [{"field": "model", "op": "eq", "value": "big"}],
                    "multiply": "2.5",
                }
            ],
            effective_from=at("2026-01-01 00:00"),
        )
        march_window(acme_support, heavy)
        record(acme_support, event("b", "heavy", subject="ann", model="big"))
        assert windows(acme_support) == {("heavy", "03-01"): (Decimal("2.5"), 1)}

        record(acme_support, event("a", "heavy", subject="ann", time="2026-03-05 08:00"))
        assert windows(acme_support) == {("heavy", "03-01"): (Decimal(1), 2)}
        assert quarters(acme_support)["heavy", "03-10 12:00"] == (Decimal(0), 1)


class TestRefusals:
    def test_all_or_nothing_with_every_problem_named(self, acme_support, conversation):
        with pytest.raises(EventsRefused) as refused:
            record(
                acme_support,
                event("fine"),
                event("a", unit="nonsense"),
                event("b", time=NOW + dt.timedelta(minutes=15, microseconds=1)),
                event("", quantity="-1"),
                event("c", quantity="0.0000001"),
            )

        assert refused.value.errors == [
            (1, "unit", "This agency has no unit “nonsense”."),
            (2, "time", "More than 15 minutes in the future. Is the clock right?"),
            (3, "id", "Must not be empty."),
            (3, "quantity", "Must not be negative."),
            (4, "quantity", "At most 6 decimal places."),
        ]
        assert not UsageEvent.objects.exists()

    def test_a_quarter_of_an_hour_ahead_is_a_clock_that_differs(self, acme_support, conversation):
        recorded = record(acme_support, event("a", time=NOW + dt.timedelta(minutes=15)))
        assert recorded.accepted == 1

    def test_the_unit_of_another_agency_is_unknown(self, acme_support, harbor_conversation):
        with pytest.raises(EventsRefused, match="no unit “conversation”"):
            record(acme_support, event("a"))

    def test_a_unique_unit_wants_a_subject_a_sum_its_property(self, acme_support, lead, northwind):
        create_unit(
            agency=northwind,
            slug="paper",
            name="paper",
            plural="papers",
            aggregation="sum",
            property_name="pages",
            effective_from=NOW,
        )
        with pytest.raises(EventsRefused) as refused:
            record(
                acme_support,
                event("a", "lead"),
                event("b", "paper"),
                event("c", "paper", properties={"pages": "many"}),
            )

        assert refused.value.errors == [
            (0, "subject", "This unit counts subjects: name one, such as a conversation's id."),
            (1, "properties.pages", "This unit sums this property: it is missing."),
            (2, "properties.pages", "This unit sums this property: 'many' is no number."),
        ]


def _queries(workspace: Workspace, batch: int, prefix: str) -> int:
    events = [
        event(
            f"{prefix}-{i}",
            ("conversation", "lead")[i % 2],
            subject=f"s{i % 7}",
            model=f"model-{i % 5}",
            label=f"label-{i % 3}",
            time=NOW - dt.timedelta(minutes=17 * i),
        )
        for i in range(batch)
    ]
    record(workspace, *events[: batch // 2])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        record(workspace, *events)
    return len(queries)


def test_the_number_of_queries_does_not_depend_on_the_size_of_the_batch(
    acme_support, conversation, lead
):
    march_window(acme_support, conversation)
    march_window(acme_support, lead)

    assert _queries(acme_support, 20, "few") == _queries(acme_support, 400, "many")
