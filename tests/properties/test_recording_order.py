"""What recording adds up to depends on the set of events alone: not on their order, on how they
were batched, on repeats, or on whether a window was opened before or after them."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from clients.models import Client, ExchangeRate, UsageEvent, UsageUnit, Workspace
from clients.services.people import create_agency, create_client, create_workspace
from clients.services.recording import SubmittedEvent, TokenUsage, record_events
from clients.services.units import create_unit
from clients.services.windows import lock_workspace, open_window, settle
from tests.clients.recorder import APRIL, MARCH, MAY, NOW, whole_state

FEBRUARY = dt.datetime(2026, 2, 1, 5, tzinfo=dt.UTC)
RECORDED_AT = MAY
UNITS = ("conversation", "lead", "paper")

# Few values, so that keys, subjects, quarters and days collide often.
instants = st.sampled_from(
    [
        FEBRUARY,
        MARCH - dt.timedelta(microseconds=1),
        MARCH,
        NOW,
        NOW + dt.timedelta(minutes=1),
        NOW + dt.timedelta(hours=20),
        APRIL - dt.timedelta(microseconds=1),
        APRIL,
        APRIL + dt.timedelta(hours=1),
    ]
)
bodies: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(UNITS),
        "time": instants,
        "subject": st.sampled_from(["ann", "bob"]),
        "label": st.sampled_from(["", "chat"]),
        "model": st.sampled_from(["", "gpt-4o", "unheard-of"]),
        "status": st.sampled_from(["ok", "ok", "ok", "error"]),
        "attempts": st.integers(1, 3),
        "quantity": st.decimals("0", "5", places=3),
        "usage": st.builds(
            TokenUsage, input_tokens=st.integers(0, 10_000), output_tokens=st.integers(0, 1_000)
        ),
        "properties": st.fixed_dictionaries({"pages": st.integers(0, 9)}),
    }
)
event_sets = st.dictionaries(
    st.tuples(st.sampled_from(["", "eu"]), st.sampled_from("abcdefgh")), bodies, max_size=12
)


@st.composite
def two_histories(draw: st.DrawFn) -> tuple[list[list[SubmittedEvent]], list[list[SubmittedEvent]]]:
    """The same events twice: shuffled, repeated and cut into batches differently."""
    events = [
        SubmittedEvent(id=name, source=source, **body)
        for (source, name), body in draw(event_sets).items()
    ]
    return draw(histories(events)), draw(histories(events))


@st.composite
def histories(draw: st.DrawFn, events: Sequence[SubmittedEvent]) -> list[list[SubmittedEvent]]:
    repeats = draw(st.lists(st.sampled_from(events), max_size=6)) if events else []
    order = draw(st.permutations([*events, *repeats]))
    cuts = sorted(draw(st.sets(st.integers(0, len(order)), max_size=4)))
    edges = [0, *cuts, len(order)]
    return [order[start:end] for start, end in itertools.pairwise(edges)]


class RecordingForgetsTheOrder(TestCase):
    """Hypothesis's TestCase rolls back after each example."""

    customer: ClassVar[Client]
    units: ClassVar[dict[str, UsageUnit]]

    @classmethod
    def setUpTestData(cls) -> None:
        agency = create_agency(slug="order", name="Order")
        cls.customer = create_client(
            agency=agency, slug="c", name="C", currency="EUR", timezone="America/New_York"
        )
        ExchangeRate.objects.create(
            base="USD", quote="EUR", rate=Decimal("0.917"), effective_from=FEBRUARY
        )
        weights = [{"when": [{"field": "model", "op": "eq", "value": "gpt-4o"}], "multiply": "2.5"}]
        definitions: dict[str, dict[str, Any]] = {
            "conversation": {"aggregation": "count", "weights": weights},
            "lead": {"aggregation": "unique", "weights": weights},
            "paper": {"aggregation": "sum", "property_name": "pages"},
        }
        cls.units = {
            slug: create_unit(
                agency=agency,
                slug=slug,
                name=slug,
                plural=slug,
                effective_from=FEBRUARY,
                **definition,
            )
            for slug, definition in definitions.items()
        }

    def workspace(self, slug: str) -> Workspace:
        return create_workspace(client=self.customer, slug=slug, name=slug)

    def open(self, workspace: Workspace, units: Iterable[UsageUnit]) -> None:
        for unit in units:
            for start, end in ((MARCH, APRIL), (APRIL, MAY)):
                open_window(workspace=workspace, unit=unit, start=start, end=end)

    @given(two_histories())
    def test_any_order_batching_and_repeats_come_to_the_same(self, histories) -> None:
        one, other = self.workspace("one"), self.workspace("other")
        for workspace, batches in zip((one, other), histories, strict=True):
            self.open(workspace, self.units.values())
            lock_workspace(workspace.pk)
            settle(workspace=workspace, until=MARCH)
            for batch in batches:
                record_events(workspace=workspace, events=batch, now=RECORDED_AT)

        assert whole_state(one) == whole_state(other)
        assert standings(one) == standings(other)

    @given(two_histories(), st.integers(0, 5))
    @settings(max_examples=30)
    def test_windows_opened_before_after_or_between_come_to_the_same(
        self, histories, opened_after
    ) -> None:
        early, later = self.workspace("early"), self.workspace("later")
        self.open(early, self.units.values())
        for batch in histories[0]:
            record_events(workspace=early, events=batch, now=RECORDED_AT)
        for index, batch in enumerate(histories[1]):
            if index == opened_after:
                self.open(later, list(self.units.values())[::-1])
            record_events(workspace=later, events=batch, now=RECORDED_AT)
        self.open(later, self.units.values())

        assert whole_state(early) == whole_state(later)
        assert standings(early) == standings(later)

    @given(two_histories())
    @settings(max_examples=30)
    def test_the_sums_agree_with_a_plain_reading_of_the_events(self, histories) -> None:
        workspace = self.workspace("one")
        self.open(workspace, self.units.values())
        for batch in histories[0]:
            record_events(workspace=workspace, events=batch, now=RECORDED_AT)

        assert used(workspace) == plainly_used(histories[0])


def standings(workspace: Workspace) -> list[tuple[str, str, str]]:
    rows = UsageEvent.objects.filter(workspace=workspace)
    return sorted(rows.values_list("source", "external_id", "standing"))


def used(workspace: Workspace) -> dict[tuple[str, dt.datetime], Decimal]:
    rows = workspace.windows.values_list("unit__slug", "start", "used")
    return {(slug, start): amount for slug, start, amount in rows if amount}


def plainly_used(batches):
    """The same figures by the rules as one would say them, from the submitted events."""
    once = {event.key: event for batch in batches for event in batch}
    totals: dict[tuple[str, dt.datetime], Decimal] = {}
    seen: set[tuple[str, dt.datetime, str]] = set()
    for event in sorted(once.values(), key=lambda e: (e.time, e.source, e.id)):
        start = MARCH if event.time < APRIL else APRIL
        if event.status == "error" or event.time < MARCH:
            continue
        weight = Decimal("2.5") if event.model == "gpt-4o" else Decimal(1)
        if event.unit == "conversation":
            amount = event.quantity * weight
        elif event.unit == "paper":
            amount = Decimal(event.properties["pages"])
        elif (event.unit, start, event.subject) in seen:
            amount = Decimal(0)
        else:
            seen.add((event.unit, start, event.subject))
            amount = weight
        totals[event.unit, start] = totals.get((event.unit, start), Decimal(0)) + amount
    return {key: amount for key, amount in totals.items() if amount}
