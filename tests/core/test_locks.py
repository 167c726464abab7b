from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from agencyportal.core.locks import lock_row, lock_rows
from tests.samples.models import Job


def test_rows_are_locked_in_the_order_of_their_keys(db: None):
    jobs = [Job.objects.create() for _ in range(3)]
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        locked = lock_rows(Job.objects.order_by("-pk"))
    assert locked == jobs
    [query] = [q["sql"] for q in queries if "samples_job" in q["sql"]]
    assert ("FOR NO KEY UPDATE" in query) is (connection.vendor == "postgresql")


def test_one_row_is_locked_as_it_is_now(db: None):
    job = Job.objects.create()
    Job.objects.filter(pk=job.pk).update(state="done")
    with transaction.atomic():
        assert lock_row(Job.objects.filter(pk=job.pk)).state == "done"
        with pytest.raises(Job.DoesNotExist):
            lock_row(Job.objects.filter(pk=job.pk + 1))


@pytest.mark.django_db(transaction=True)
def test_locks_outside_a_transaction_are_refused_on_both_databases():
    """SQLite would ignore them in silence, and the mistake would show in production only."""
    with pytest.raises(TransactionManagementError, match="inside a transaction"):
        lock_rows(Job.objects.all())
    with pytest.raises(TransactionManagementError, match="inside a transaction"):
        lock_row(Job.objects.all())
