"""Rows reach the database as they are, whatever their texts say."""

from __future__ import annotations

from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from agencyportal.core.prepared import cursor_with_parameters_beside
from clients import array_sql

COLUMNS = {"place": "bigint", "said": "text"}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
awkward = st.sampled_from(["", "null", "NULL", "{}", ",", '"', "\\", "\\n", "\n", '\\"\t', "é\\"])
numbers = st.integers(-(2**63), 2**63 - 1)


class Rows(TestCase):
    @given(st.lists(st.tuples(st.none() | numbers, st.none() | texts | awkward), min_size=1))
    def test_come_back_as_given(self, given):
        with cursor_with_parameters_beside() as cursor:
            cursor.execute(
                f"SELECT d.place, d.said FROM {array_sql.rows(COLUMNS)}",  # noqa: S608
                array_sql.parameters(given),
            )
            assert cursor.fetchall() == given

    def test_many_columns_take_as_many_parameters_on_postgresql(self):
        expected = 2 if connection.vendor == "postgresql" else 1
        assert len(array_sql.parameters([(1, "a"), (2, "b")])) == expected
