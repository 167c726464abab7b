"""Queries that are put together once."""

from __future__ import annotations

import datetime as dt

import pytest

from agencyportal.core.prepared import PreparedQuery
from clients.models import UsageUnit, Workspace

pytestmark = pytest.mark.django_db

UNITS = PreparedQuery[UsageUnit](
    lambda slots: UsageUnit.objects.filter(
        agency=slots.number("agency"), slug__in=slots.texts("slugs")
    ).select_related("agency")
)
SINCE = PreparedQuery[tuple[str, dt.datetime]](
    lambda slots: (
        Workspace.objects.filter(created_at__gte=slots.instant("since"))
        .order_by("slug")
        .values_list("slug", "created_at")
    )
)


def test_the_same_query_runs_with_other_values(northwind, harbor, conversation, page):
    assert UNITS.rows(agency=northwind.pk, slugs=["conversation", "page"]) == [conversation, page]
    assert UNITS.rows(agency=northwind.pk, slugs=["page"]) == [page]
    assert UNITS.first(agency=northwind.pk, slugs=["page"]) == page
    assert UNITS.first(agency=harbor.pk, slugs=["page"]) is None


def test_what_was_written_meanwhile_is_seen(northwind, page):
    assert UNITS.first(agency=northwind.pk, slugs=["page"]).name == "page"

    UsageUnit.objects.update(name="sheet")

    assert UNITS.first(agency=northwind.pk, slugs=["page"]).name == "sheet"


def test_related_rows_come_with_it_in_one_query(northwind, page, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = UNITS.first(agency=northwind.pk, slugs=["page"])
        assert found.agency == northwind


def test_values_are_read_as_the_orm_reads_them(acme_support):
    ((slug, created_at),) = SINCE.rows(since=acme_support.created_at)

    assert (slug, created_at) == (acme_support.slug, acme_support.created_at)
    assert created_at.tzinfo is not None
    assert SINCE.rows(since=acme_support.created_at + dt.timedelta(seconds=1)) == []
