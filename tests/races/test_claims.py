"""Many workers at the same rows. On PostgreSQL only: SQLite lets one write at a time anyway."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connection, transaction
from django.db.models import F

from agencyportal.core.claims import claim
from agencyportal.core.locks import lock_rows
from tests.samples.models import Job

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

T = TypeVar("T")


def at_once(workers: int, work: Callable[[int], T]) -> list[T]:
    """The results of ``work`` done by several connections that start together."""
    start = Barrier(workers)

    def run(number: int) -> T:
        try:
            start.wait()
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(workers)))


def test_a_row_is_never_claimed_twice():
    keys = [job.pk for job in Job.objects.bulk_create([Job() for _ in range(120)])]

    def work(_number: int) -> list[int]:
        taken: list[int] = []
        while batch := claim(
            Job.objects.filter(state="due"),
            set={"state": "taken", "attempts": F("attempts") + 1},
            limit=7,
        ):
            assert len(batch) <= 7
            taken += batch
        return taken

    taken = at_once(8, work)
    assert sorted(key for batch in taken for key in batch) == keys
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}


def test_a_claim_skips_rows_that_somebody_is_taking():
    jobs = Job.objects.bulk_create([Job() for _ in range(4)])

    def work(number: int) -> list[int]:
        with transaction.atomic():
            taken = claim(Job.objects.filter(state="due"), set={"state": "taken"}, limit=2)
            both_hold.wait(10)
        return taken

    both_hold = Barrier(2)
    first, second = sorted(at_once(2, work))
    assert first + second == [job.pk for job in jobs]


def test_locks_in_one_order_never_deadlock():
    keys = [job.pk for job in Job.objects.bulk_create([Job() for _ in range(6)])]

    def work(number: int) -> None:
        for _ in range(20):
            with transaction.atomic():
                order = "pk" if number % 2 else "-pk"
                for job in lock_rows(Job.objects.filter(pk__in=keys).order_by(order)):
                    job.attempts += 1
                    job.save()

    at_once(4, work)
    assert set(Job.objects.values_list("attempts", flat=True)) == {80}
