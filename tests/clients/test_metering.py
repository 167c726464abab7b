"""Meters: from an event's facts to units, exactly."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from clients.metering import (
    OPERATORS,
    Facts,
    MeterError,
    NotMeasurableError,
    as_number,
    measure,
    read_rules,
    version_at,
)


def units(facts: Facts, aggregation: str = "count", **definition: Any) -> str:
    return str(measure(read_rules(aggregation, **definition), facts))


class TestAggregations:
    def test_count_adds_the_quantity_which_is_one_unless_given(self):
        assert units(Facts()) == "1.000000"
        assert units(Facts(quantity=Decimal("2.5"))) == "2.500000"
        assert units(Facts(quantity=Decimal(0))) == "0.000000"

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (3, "3.000000"),
            (0, "0.000000"),
            ("12", "12.000000"),
            ("0.000001", "0.000001"),
            (Decimal("1.50000000"), "1.500000"),
            (0.1, "0.100000"),
        ],
    )
    def test_sum_adds_a_property(self, value, expected):
        facts = Facts(properties={"pages": value}, quantity=Decimal(7))
        assert units(facts, "sum", property_name="pages") == expected

    @pytest.mark.parametrize(
        ("properties", "message"),
        [
            ({}, "missing"),
            ({"pages": None}, "missing"),
            ({"pages": "many"}, "'many' is no number"),
            ({"pages": ""}, "no number"),
            ({"pages": True}, "no number"),
            ({"pages": [1]}, "no number"),
            ({"pages": Decimal("NaN")}, "no number"),
            ({"pages": "1e3"}, "no number"),
            ({"pages": " 1"}, "no number"),
            ({"pages": -1}, "never negative"),
            ({"pages": "0.0000001"}, "more than 6 decimal places"),
            ({"pages": 10**9 + 1}, "More than 1,000,000,000"),
            ({"pages": Decimal("1E+999999")}, "More than 1,000,000,000"),
        ],
    )
    def test_sum_refuses_what_it_cannot_add(self, properties, message):
        with pytest.raises(NotMeasurableError, match=message) as refused:
            units(Facts(properties=properties), "sum", property_name="pages")
        assert refused.value.field == "properties.pages"

    def test_unique_is_one_per_subject_and_wants_a_subject(self):
        assert units(Facts(subject="ann", quantity=Decimal(9)), "unique") == "1.000000"
        with pytest.raises(NotMeasurableError) as refused:
            units(Facts(), "unique")
        assert refused.value.field == "subject"

    @pytest.mark.parametrize("aggregation", ["count", "unique"])
    def test_a_failed_call_is_no_unit_and_lacks_nothing(self, aggregation):
        assert units(Facts(status="error"), aggregation) == "0.000000"
        assert units(Facts(status="error"), "sum", property_name="pages") == "0.000000"


class TestFilters:
    FACTS = Facts(
        model="gpt-4o",
        label="chat",
        attempts=2,
        input_tokens=1000,
        properties={"pages": 12, "text": "12", "flag": True, "empty": None, "half": Decimal("0.5")},
    )

    @pytest.mark.parametrize(
        ("field", "op", "value", "holds"),
        [
            ("model", "eq", "gpt-4o", True),
            ("model", "eq", "GPT-4o", False),
            ("model", "ne", "gpt-4o", False),
            ("model", "ne", "other", True),
            ("model", "in", ["x", "gpt-4o"], True),
            ("model", "in", ["x"], False),
            ("model", "not_in", ["x"], True),
            ("model", "not_in", ["gpt-4o"], False),
            ("model", "starts_with", "gpt-", True),
            ("model", "starts_with", "4o", False),
            ("subject", "exists", False, True),
            ("label", "exists", True, True),
            ("label", "exists", False, False),
            ("subject", "eq", "x", False),
            ("subject", "ne", "x", True),
            ("subject", "not_in", ["x"], True),
            ("subject", "starts_with", "x", False),
            ("attempts", "gt", 1, True),
            ("attempts", "gt", 2, False),
            ("attempts", "gte", 2, True),
            ("attempts", "lt", 2, False),
            ("attempts", "lte", "2.0", True),
            ("input_tokens", "gte", 1000, True),
            ("output_tokens", "gte", 0, False),
            ("output_tokens", "exists", False, True),
            ("properties.pages", "eq", 12, True),
            ("properties.pages", "eq", "12", True),
            ("properties.pages", "eq", "12.00", True),
            ("properties.text", "eq", 12, True),
            ("properties.text", "gt", "11.5", True),
            ("properties.flag", "eq", True, True),
            ("properties.flag", "eq", 1, False),
            ("properties.flag", "gt", 0, False),
            ("properties.empty", "exists", False, True),
            ("properties.none", "exists", False, True),
            ("properties.half", "eq", "0.5", True),
            ("properties.half", "in", ["0.25", "0.50"], True),
        ],
    )
    def test_a_condition_holds_or_the_event_counts_nothing(self, field, op, value, holds):
        filters = [{"field": field, "op": op, "value": value}]
        assert units(self.FACTS, filters=filters) == ("1.000000" if holds else "0.000000")

    def test_every_operator_is_tested_above(self):
        marks = next(
            mark
            for mark in self.test_a_condition_holds_or_the_event_counts_nothing.pytestmark
            if mark.name == "parametrize"
        )
        assert {case[1] for case in marks.args[1]} == set(OPERATORS)

    def test_all_filters_must_hold(self):
        chat = {"field": "label", "op": "eq", "value": "chat"}
        other = {"field": "model", "op": "eq", "value": "other"}
        assert units(self.FACTS, filters=[chat]) == "1.000000"
        assert units(self.FACTS, filters=[chat, other]) == "0.000000"

    def test_what_is_filtered_out_lacks_nothing(self):
        filters = [{"field": "model", "op": "eq", "value": "other"}]
        assert units(self.FACTS, "unique", filters=filters) == "0.000000"


class TestWeights:
    WEIGHTS = [
        {
            "when": [
                {"field": "model", "op": "eq", "value": "big"},
                {"field": "input_tokens", "op": "gt", "value": 100_000},
            ],
            "multiply": "4",
        },
        {"when": [{"field": "model", "op": "eq", "value": "big"}], "multiply": "2.5"},
        {"when": [{"field": "label", "op": "eq", "value": "free"}], "multiply": 0},
    ]

    @pytest.mark.parametrize(
        ("facts", "expected"),
        [
            (Facts(), "1.000000"),
            (Facts(model="big"), "2.500000"),
            (Facts(model="big", input_tokens=100_000), "2.500000"),
            (Facts(model="big", input_tokens=100_001), "4.000000"),
            (Facts(model="big", label="free"), "2.500000"),
            (Facts(label="free"), "0.000000"),
            (Facts(model="big", quantity=Decimal("0.000002")), "0.000005"),
        ],
    )
    def test_the_first_whose_conditions_all_hold_multiplies(self, facts, expected):
        assert units(facts, weights=self.WEIGHTS) == expected

    def test_an_empty_condition_always_holds(self):
        assert units(Facts(), weights=[{"when": [], "multiply": "3"}]) == "3.000000"

    def test_a_product_with_too_many_places_is_refused_not_rounded(self):
        with pytest.raises(NotMeasurableError, match="has more than 6 decimal places"):
            units(Facts(model="big", quantity=Decimal("0.000001")), weights=self.WEIGHTS)

    def test_a_product_that_is_too_large_is_refused(self):
        with pytest.raises(NotMeasurableError, match="More than"):
            units(Facts(model="big", quantity=Decimal(10**9)), weights=self.WEIGHTS)

    def test_long_numbers_stay_exact(self):
        weights = [{"when": [], "multiply": "999999"}]
        facts = Facts(quantity=Decimal("999.000001"))
        assert units(facts, weights=weights) == "998999001.999999"


class TestDefinitions:
    @pytest.mark.parametrize(
        ("definition", "paths"),
        [
            ({"aggregation": "average"}, ["aggregation"]),
            ({"aggregation": "sum"}, ["property_name"]),
            ({"aggregation": "count", "property_name": "x"}, ["property_name"]),
            ({"filters": {}}, ["filters"]),
            ({"filters": ["model"]}, ["filters[0]"]),
            ({"filters": [{"field": "model", "op": "eq"}]}, ["filters[0]"]),
            ({"filters": [{"field": "id", "op": "eq", "value": "x"}]}, ["filters[0].field"]),
            ({"filters": [{"field": "properties.", "op": "eq", "value": 1}]}, ["filters[0].field"]),
            ({"filters": [{"field": [], "op": "eq", "value": 1}]}, ["filters[0].field"]),
            ({"filters": [{"field": "model", "op": "like", "value": "x"}]}, ["filters[0].op"]),
            ({"filters": [{"field": "model", "op": [], "value": "x"}]}, ["filters[0].op"]),
            ({"filters": [{"field": "model", "op": "eq", "value": None}]}, ["filters[0].value"]),
            ({"filters": [{"field": "model", "op": "eq", "value": 0.1}]}, ["filters[0].value"]),
            ({"filters": [{"field": "model", "op": "in", "value": "x"}]}, ["filters[0].value"]),
            ({"filters": [{"field": "model", "op": "in", "value": []}]}, ["filters[0].value"]),
            ({"filters": [{"field": "model", "op": "in", "value": [[]]}]}, ["filters[0].value"]),
            ({"filters": [{"field": "attempts", "op": "gt", "value": "x"}]}, ["filters[0].value"]),
            ({"filters": [{"field": "attempts", "op": "gt", "value": 0.5}]}, ["filters[0].value"]),
            ({"filters": [{"field": "model", "op": "exists", "value": 1}]}, ["filters[0].value"]),
            (
                {"filters": [{"field": "model", "op": "starts_with", "value": ""}]},
                ["filters[0].value"],
            ),
            ({"weights": "2"}, ["weights"]),
            ({"weights": [2]}, ["weights[0]"]),
            ({"weights": [{"when": [], "multiply": "x"}]}, ["weights[0].multiply"]),
            ({"weights": [{"when": [], "multiply": 0.5}]}, ["weights[0].multiply"]),
            ({"weights": [{"when": [], "multiply": True}]}, ["weights[0].multiply"]),
            ({"weights": [{"when": [], "multiply": "-1"}]}, ["weights[0].multiply"]),
            ({"weights": [{"when": [], "multiply": "1000001"}]}, ["weights[0].multiply"]),
            ({"weights": [{"when": [], "multiply": "0.0000001"}]}, ["weights[0].multiply"]),
            (
                {"weights": [{"when": [], "multiply": "1"}, {"when": [{}], "multiply": "x"}]},
                ["weights[1].when[0]", "weights[1].multiply"],
            ),
            (
                {"aggregation": "x", "filters": [1], "weights": [2]},
                ["aggregation", "filters[0]", "weights[0]"],
            ),
        ],
    )
    def test_what_makes_no_sense_is_refused_with_its_place(self, definition, paths):
        with pytest.raises(MeterError) as refused:
            read_rules(**({"aggregation": "count"} | definition))
        assert [path for path, _ in refused.value.problems] == paths


class TestVersions:
    FIRST, SECOND = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (3, 4))
    VERSIONS = [(FIRST, "v1"), (SECOND, "v2")]

    @pytest.mark.parametrize(
        ("instant", "version"),
        [
            (SECOND, "v2"),
            (SECOND - dt.timedelta(microseconds=1), "v1"),
            (FIRST, "v1"),
            # Usage from before the unit was set up is counted as its first meter says.
            (FIRST - dt.timedelta(days=900), "v1"),
        ],
    )
    def test_the_version_in_force_at_the_time_counts(self, instant, version):
        assert version_at(self.VERSIONS, instant) == version


def test_numbers_in_text_are_plain_ascii_decimals():
    assert as_number("-1.50") == Decimal("-1.5")
    assert [as_number(text) for text in ("1_0", "١", "1e3", "0x1", "", ".", "1.")] == [None] * 7
