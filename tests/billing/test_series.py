"""Document numbers: gapless within a series, because they are taken with the document."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError

from billing.models import DocumentSeries
from billing.services.series import take_number

pytestmark = pytest.mark.django_db


def take(code: str = "invoice-2026", prefix: str = "INV-2026-") -> str:
    return take_number(code=code, prefix=prefix).number


def test_a_series_begins_at_one_and_counts_on():
    taken = take_number(code="invoice-2026", prefix="INV-2026-")
    assert (taken.series.code, taken.sequence, taken.number) == (
        "invoice-2026",
        1,
        "INV-2026-000001",
    )
    assert take() == "INV-2026-000002"


def test_series_count_apart():
    assert take() == "INV-2026-000001"
    assert take("invoice-2027", "INV-2027-") == "INV-2027-000001"
    assert take() == "INV-2026-000002"


def test_a_number_wider_than_its_padding_is_printed_whole():
    DocumentSeries.objects.create(code="old", prefix="N-", next_number=1_000_000)
    assert take("old", "N-") == "N-1000000"


def test_a_rollback_gives_the_number_back():
    take()
    with transaction.atomic():
        assert take() == "INV-2026-000002"
        transaction.set_rollback(True)
    assert take() == "INV-2026-000002"


def test_a_series_keeps_its_prefix():
    take()
    with pytest.raises(ValueError, match="a series keeps its prefix"):
        take(prefix="X-")


@pytest.mark.django_db(transaction=True)
def test_no_number_is_taken_outside_a_transaction():
    with pytest.raises(TransactionManagementError):
        take()


def test_a_series_is_neither_renamed_nor_deleted():
    take()
    for statement in (
        "UPDATE billing_documentseries SET code = 'other'",
        "UPDATE billing_documentseries SET prefix = 'X-'",
        "DELETE FROM billing_documentseries",
    ):
        with (
            pytest.raises(IntegrityError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
