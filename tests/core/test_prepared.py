"""Queries that are put together once."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.core.exceptions import FieldError, ValidationError
from django.db import transaction
from django.db.models import F
from django.db.transaction import TransactionManagementError

from agencyportal.core.append_only import AppendOnlyError
from agencyportal.core.fields import MoneyField, QuantityField
from agencyportal.core.prepared import PreparedInsert, PreparedQuery, PreparedUpdate
from clients.models import UsageEvent, UsageUnit, UsageWindow, Workspace

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


LOCKED = PreparedQuery[UsageUnit](
    lambda slots: UsageUnit.objects.filter(slug=slots.text("slug")).select_for_update()
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_what_locks_does_so_in_a_transaction_only(page):
    with transaction.atomic():
        assert LOCKED.first(slug="page") == page
    with pytest.raises(TransactionManagementError):
        LOCKED.first(slug="page")


RENAMED = PreparedUpdate(
    lambda slots: (
        UsageUnit.objects.filter(slug=slots.text("slug")),
        {"name": slots.text("name")},
    )
)


def test_an_update_says_how_many_rows_it_changed(conversation, page):
    assert RENAMED.run(slug="page", name="sheet") == 1
    assert RENAMED.run(slug="none", name="sheet") == 0

    page.refresh_from_db()
    conversation.refresh_from_db()
    assert (page.name, conversation.name) == ("sheet", "conversation")


TAKEN = PreparedUpdate(
    lambda slots: (
        UsageWindow.objects.filter(
            available__gte=F("reserved") + slots.like(QuantityField, "quantity")
        ),
        {"reserved": F("reserved") + slots.like(QuantityField, "quantity")},
    )
)
WINDOWS = PreparedInsert(UsageWindow)


def window(workspace, unit, start) -> UsageWindow:
    return UsageWindow(
        workspace=workspace,
        unit=unit,
        start=start,
        end=start + dt.timedelta(days=1),
        timezone="UTC",
        available=Decimal("2.5"),
    )


def test_exact_numbers_are_scaled_in_what_is_set_and_in_what_is_asked(acme_support, page, now):
    stored = WINDOWS.insert(window(acme_support, page, now))

    assert TAKEN.run(quantity=Decimal("2.5")) == 1
    assert TAKEN.run(quantity=Decimal("0.000001")) == 0

    stored.refresh_from_db()
    assert stored.reserved == Decimal("2.5")
    with pytest.raises(ValidationError):
        TAKEN.run(quantity=Decimal("0.0000001"))


def test_scales_are_not_mixed():
    mixed = PreparedUpdate(
        lambda slots: (
            UsageWindow.objects.all(),
            {"reserved": F("reserved") + slots.like(MoneyField, "quantity")},
        )
    )

    with pytest.raises(FieldError, match="4 decimal places"):
        mixed.run(quantity=Decimal(1))


def test_what_is_append_only_is_not_updated():
    moved = PreparedUpdate(
        lambda slots: (UsageEvent.objects.all(), {"quantity": slots.like(QuantityField, "to")})
    )

    with pytest.raises(AppendOnlyError):
        moved.run(to=Decimal(1))


def test_an_inserted_row_is_the_one_that_saving_would_have_made(acme_support, page, now):
    later = now + dt.timedelta(days=1)
    saved = window(acme_support, page, now)
    saved.save(force_insert=True)
    inserted = WINDOWS.insert(window(acme_support, page, later))

    for made, start in ((saved, now), (inserted, later)):
        again = UsageWindow.objects.get(pk=made.pk)
        assert not made._state.adding
        assert (again.start, again.available, again.used) == (start, Decimal("2.5"), 0)
        assert again.available_until is None
