"""Files of record: which are due, and that a rendered one is really stored."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from agencyportal.core.rendered import RenderedDocument, RenderedDocumentQuerySet
from tests.samples.models import Paper

State = RenderedDocument.State
HOUR = dt.timedelta(hours=1)
STORED = {
    "path": "a.pdf",
    "sha256": "0" * 64,
    "size": 9,
    "rendered_at": dt.datetime(2026, 3, 10, tzinfo=dt.UTC),
}


@pytest.mark.parametrize(
    ("fields", "claimed_ago", "due"),
    [
        ({"state": State.PENDING}, None, True),
        ({"state": State.RENDERING, "attempts": 1}, dt.timedelta(minutes=59), False),
        ({"state": State.RENDERING, "attempts": 1}, HOUR, True),
        ({"state": State.FAILED, "attempts": 2}, dt.timedelta(minutes=59), False),
        ({"state": State.FAILED, "attempts": 2}, HOUR, True),
        ({"state": State.FAILED, "attempts": 3}, HOUR, False),
        ({"state": State.RENDERING, "attempts": 3}, HOUR, False),
        ({"state": State.RENDERED, "attempts": 1, **STORED}, HOUR, False),
    ],
)
def test_what_is_due(
    db: None, now: dt.datetime, fields: dict[str, Any], claimed_ago: dt.timedelta | None, due: bool
):
    claimed_at = None if claimed_ago is None else now - claimed_ago
    Paper.objects.create(claimed_at=claimed_at, **fields)
    papers: RenderedDocumentQuerySet[Paper] = RenderedDocumentQuerySet(Paper)
    assert papers.to_render(now=now, retry_after=HOUR, attempts=3).exists() is due
    assert papers.rendered().exists() is (fields["state"] == State.RENDERED)


@pytest.mark.parametrize(
    "missing", [{"path": ""}, {"sha256": ""}, {"size": 0}, {"rendered_at": None}]
)
def test_a_rendered_document_says_where_and_what(db: None, missing: dict[str, Any]):
    with pytest.raises(IntegrityError, match="rendered_is_stored"), transaction.atomic():
        Paper.objects.create(state=State.RENDERED, **(STORED | missing))
    Paper.objects.create(state=State.RENDERED, **STORED)
