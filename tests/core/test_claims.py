"""Work is taken by one worker, in order, in one statement."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from agencyportal.core.append_only import AppendOnlyError
from agencyportal.core.claims import claim
from tests.samples.models import Job, Receipt

TAKE = {"state": "taken", "attempts": F("attempts") + 1}


@pytest.fixture
def jobs(db: None) -> list[Job]:
    return [Job.objects.create() for _ in range(5)]


def due():
    return Job.objects.filter(state="due")


def test_a_claim_takes_the_first_rows_and_says_which(jobs: list[Job]):
    assert claim(due(), set=TAKE, limit=2) == [jobs[0].pk, jobs[1].pk]
    assert list(Job.objects.order_by("pk").values_list("state", "attempts")) == [
        ("taken", 1),
        ("taken", 1),
        ("due", 0),
        ("due", 0),
        ("due", 0),
    ]


def test_what_was_taken_is_not_taken_again(jobs: list[Job]):
    taken = [claim(due(), set=TAKE, limit=2) for _ in range(4)]
    assert [len(keys) for keys in taken] == [2, 2, 1, 0]
    assert sorted(key for keys in taken for key in keys) == [job.pk for job in jobs]
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}


def test_the_order_of_the_queryset_says_what_comes_first(jobs: list[Job]):
    assert claim(due().order_by("-pk"), set=TAKE, limit=2) == [jobs[3].pk, jobs[4].pk]


def test_conditions_may_reach_over_joins(jobs: list[Job]):
    Job.objects.filter(pk=jobs[0].pk).update(state="done")
    Job.objects.filter(pk__in=[jobs[1].pk, jobs[2].pk]).update(after=jobs[0])
    Job.objects.filter(pk=jobs[3].pk).update(after=jobs[4])
    ready = due().exclude(after__isnull=True).filter(after__state="done")
    assert claim(ready, set=TAKE, limit=9) == [jobs[1].pk, jobs[2].pk]


def test_nothing_is_taken_where_nothing_is_due(jobs: list[Job]):
    assert claim(due().none(), set=TAKE, limit=5) == []
    assert claim(due().filter(attempts__gt=3), set=TAKE, limit=5) == []
    assert claim(due(), set=TAKE, limit=0) == []
    assert due().count() == 5


def test_a_claim_is_one_statement(jobs: list[Job]):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        claim(due(), set=TAKE, limit=2)
    writes = [q["sql"] for q in queries if "samples_job" in q["sql"]]
    assert len(writes) == 1
    assert ("SKIP LOCKED" in writes[0]) is (connection.vendor == "postgresql")


def test_append_only_rows_cannot_be_claimed(db: None):
    Receipt.objects.create(amount=Decimal(1))
    with pytest.raises(AppendOnlyError):
        claim(Receipt.objects.all(), set={"note": "taken"}, limit=1)
