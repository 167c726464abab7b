"""Rows reach the database as they are, whatever their texts say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from agencyportal.core.prepared import cursor_with_parameters_beside
from clients import array_sql

COLUMNS = {"id": "bigint", "place": "bigint", "said": "text"}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
awkward = st.sampled_from(["", "null", "NULL", "{}", ",", '"', "\\", "\\n", "\n", '\\"\t', "é\\"])
numbers = st.integers(-(2**63), 2**63 - 1)


class Rows(TestCase):
    @given(
        st.lists(st.tuples(numbers, st.none() | numbers, st.none() | texts | awkward), min_size=1),
        st.sets(st.sampled_from(["place", "said"])),
    )
    def test_come_back_as_given(self, rows, shared):
        assert self.read(rows, shared) == rows

    def test_what_all_agree_in_comes_back_in_every_row(self):
        rows = [(1, None, 'a"'), (2, None, 'a"')]
        assert self.read(rows, {"place", "said"}) == rows

    def read(self, rows, shared):
        item, parameters = array_sql.given(COLUMNS, rows, shared)
        with cursor_with_parameters_beside() as cursor:
            cursor.execute(f"SELECT d.id, d.place, d.said FROM {item}", parameters)  # noqa: S608
            return cursor.fetchall()
