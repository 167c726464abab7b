"""Recording is written to be quick. What it stores is what the plain way says, to the byte."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar

from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from clients.models import (
    Client,
    CostPayer,
    ExchangeRate,
    ModelPrice,
    UsageDay,
    UsageEvent,
    UsageQuarter,
    UsageWindow,
    Workspace,
)
from clients.services.people import create_agency, create_client, create_workspace
from clients.services.recording import SubmittedEvent, TokenUsage, record_events
from clients.services.units import create_unit
from clients.services.windows import lock_workspace, open_window, settle
from clients.submission import properties_text, read_event
from tests.clients.plain_recording import rows_of, sums_of
from tests.clients.recorder import APRIL, MARCH, NOW

FEBRUARY = dt.datetime(2026, 2, 1, 5, tzinfo=dt.UTC)
EARLIER = MARCH - dt.timedelta(days=40)
BERLIN = dt.timezone(dt.timedelta(hours=1))

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.decimals(-(10**6), 10**6, places=4),
    texts,
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
times = st.one_of(
    st.none(),
    st.datetimes(
        FEBRUARY.replace(tzinfo=None), NOW.replace(tzinfo=None), timezones=st.just(dt.UTC)
    ),
    st.sampled_from([MARCH, NOW, EARLIER, NOW.astimezone(BERLIN), APRIL - dt.timedelta(days=28)]),
)


def part_of(part: int | None, whole: int | None) -> int | None:
    return part if part is None or whole is None else min(part, whole)


tokens = st.builds(
    lambda whole_in, cached, whole_out, reasoning, tools: TokenUsage(
        input_tokens=whole_in,
        cached_input_tokens=part_of(cached, whole_in),
        output_tokens=whole_out,
        reasoning_tokens=part_of(reasoning, whole_out),
        tool_calls=tools,
    ),
    st.none() | st.integers(0, 500_000),
    st.none() | st.integers(0, 500_000),
    st.none() | st.integers(0, 20_000),
    st.none() | st.integers(0, 20_000),
    st.none() | st.integers(0, 9),
)
bodies: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(["conversation", "page", "weighed"]),
        "properties": st.dictionaries(texts, values, max_size=3).map(lambda p: p | {"pages": 7}),
    },
    optional={
        "time": times,
        "quantity": st.decimals(0, 10**6, places=6),
        "subject": texts,
        "label": texts,
        "run_id": texts,
        "provider": st.sampled_from(["", "openai", "anthropic", "OpenAI", "nobody"]),
        "model": st.sampled_from(
            ["", "gpt-4o", "GPT-4o", "gemini-2.5-pro", "deepseek-chat", "own", "unheard-of"]
        ),
        "usage": st.none() | tokens,
        "cost": st.decimals(0, 10**4, places=9),
        "cost_currency": st.sampled_from(["USD", "EUR", "GBP"]),
        "attempts": st.integers(1, 5),
        "status": st.sampled_from(["ok", "error"]),
        "source": texts,
    },
)


class WhatIsStored(TestCase):
    """Hypothesis's TestCase rolls back after each example."""

    customers: ClassVar[dict[str, Client]]

    @classmethod
    def setUpTestData(cls) -> None:
        agency = create_agency(slug="plain", name="Plain")
        cls.customers = {
            currency: create_client(
                agency=agency,
                slug=currency.lower(),
                name=currency,
                currency=currency,
                timezone="America/New_York",
            )
            for currency in ("USD", "EUR")
        }
        for base, quote, rate, since in (
            ("USD", "EUR", "0.917", EARLIER),
            ("USD", "EUR", "0.923456789", MARCH),
            ("EUR", "GBP", "0.86", FEBRUARY),
        ):
            ExchangeRate.objects.create(
                base=base, quote=quote, rate=Decimal(rate), effective_from=since
            )
        for payer in CostPayer:
            ModelPrice.objects.create(
                agency=agency,
                cost_payer=payer,
                model="own",
                currency="GBP",
                input_price=Decimal("1.234567891"),
                cached_input_price=Decimal("0.1"),
                output_price=Decimal("9"),
                effective_from=MARCH,
            )
        double = [{"when": [{"field": "model", "op": "exists", "value": True}], "multiply": "2"}]
        definitions: dict[str, dict[str, Any]] = {
            "conversation": {"aggregation": "count"},
            "page": {"aggregation": "sum", "property_name": "pages"},
            "weighed": {"aggregation": "count", "weights": double},
        }
        for slug, definition in definitions.items():
            create_unit(
                agency=agency,
                slug=slug,
                name=slug,
                plural=slug,
                effective_from=EARLIER,
                **definition,
            )

    def workspace(self, currency: str, payer: str) -> Workspace:
        """Counts March; what is before 20 February is settled."""
        workspace = create_workspace(
            client=self.customers[currency], slug="w", name="W", cost_payer=payer
        )
        lock_workspace(workspace.pk)
        for unit in workspace.agency.units.all():
            open_window(workspace=workspace, unit=unit, start=MARCH, end=APRIL)
        settle(workspace=workspace, until=FEBRUARY + dt.timedelta(days=19))
        return Workspace.objects.select_related("client", "agency").get(pk=workspace.pk)

    @settings(max_examples=50)
    @given(
        st.dictionaries(texts.filter(str.strip), bodies, min_size=1, max_size=6),
        st.sampled_from(["USD", "EUR"]),
        st.sampled_from([payer.value for payer in CostPayer]),
    )
    def test_rows_and_sums_are_those_of_the_plain_way(self, given, currency, payer) -> None:
        workspace = self.workspace(currency, payer)
        events = [SubmittedEvent(id=name, **body) for name, body in given.items()]

        recorded = record_events(workspace=workspace, events=events, now=NOW)

        expected = rows_of(workspace, events, NOW)
        assert recorded.accepted == len(events)
        assert stored(workspace, expected) == {row["external_id"]: row for row in expected}
        assert sums(workspace) == sums_of(workspace, expected)

    @given(st.dictionaries(texts, scalars, max_size=4), times)
    def test_texts_are_written_as_the_database_has_them(self, properties, time) -> None:
        workspace = self.workspace("USD", "platform")
        event = SubmittedEvent(id="a", unit="conversation", properties=properties, time=time)

        record_events(workspace=workspace, events=[event], now=NOW)

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT CAST(properties AS text), CAST(occurred_at AS text) "
                "FROM clients_usageevent WHERE workspace_id = %s",
                [workspace.pk],
            )
            ((said, at),) = cursor.fetchall()
        if connection.vendor == "sqlite":
            assert said == properties_text(properties).decode()
            instant = (time or NOW).astimezone(dt.UTC)
            assert at == connection.ops.adapt_datetimefield_value(instant)
        else:  # JSONB has spellings of its own
            assert read_event(f'{{"id":"","unit":"","properties":{said}}}'.encode()) == (
                SubmittedEvent(id="", unit="", properties=event.properties)
            )


def stored(workspace: Workspace, like: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The workspace's events, by id and column. Both databases may spell 1.0 as 1 inside JSON."""
    rows = UsageEvent.objects.filter(workspace=workspace).values(*like[0])
    return {row["external_id"]: row for row in rows}


def sums(workspace: Workspace) -> tuple[dict[Any, Any], ...]:
    shared = ("quantity", "events", "platform_cost", "agency_cost")
    of_day = (
        "errors",
        "retries",
        "unpriced",
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
        "tool_calls",
    )
    quarters = UsageQuarter.objects.filter(workspace=workspace).values("unit", "start", *shared)
    days = UsageDay.objects.filter(workspace=workspace).values(
        "unit", "day", "label", "model", *shared, *of_day
    )
    windows = UsageWindow.objects.filter(workspace=workspace, events__gt=0)
    return (
        {(row.pop("unit"), row.pop("start")): row for row in quarters},
        {
            (row.pop("unit"), row.pop("day"), row.pop("label"), row.pop("model")): row
            for row in days
        },
        {row.pk: {"used": row.used, "events": row.events} for row in windows},
    )
