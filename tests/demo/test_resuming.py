"""An interrupted telling, begun again, comes to the same rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from agencyportal.demo import life, script
from agencyportal.demo.telling import tell
from tests.demo.rows import rows

NOW = dt.datetime(2026, 11, 3, 9, 0, tzinfo=dt.UTC)
FAST: dict[str, Any] = {"units_per_event": 100, "days_per_batch": 31}


class KilledError(BaseException):
    """Nothing catches it, like kill -9."""


def dies_after(calls: int, service: Callable[..., Any]) -> Callable[..., Any]:
    left = calls

    def mortal(**facts: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise KilledError
        return service(**facts)

    return mortal


DEATHS = (
    (life, "record_events", 14),  # in the second month
    (script, "issue_invoice", 6),  # in the middle of a month's invoices
    (life, "record_payment", 4),
)


def test_a_telling_that_dies_again_and_again_is_continued(
    db: None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with transaction.atomic():
        tell(now=NOW, **FAST)
        whole = rows()
        transaction.set_rollback(True)
    for hours, (module, service, calls) in enumerate(DEATHS):
        with monkeypatch.context() as patch:
            patch.setattr(module, service, dies_after(calls, getattr(module, service)))
            with pytest.raises(KilledError):
                tell(now=NOW + dt.timedelta(hours=hours), **FAST)

    tell(now=NOW + dt.timedelta(days=1), **FAST)

    assert rows() == whole
