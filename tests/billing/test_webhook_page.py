"""What docs/webhooks.md tells receivers is so: its code runs, and it names every event."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from billing.services.webhook_delivery import BACK_OFF
from billing.signatures import headers_of, new_secret
from billing.webhook_types import webhook_types

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
SECRET, OTHER = new_secret(b"a" * 32), new_secret(b"b" * 32)
BODY = b'{"type": "webhook.test"}'

IsGenuine = Callable[[Mapping[str, str], bytes, str], bool]


@pytest.fixture
def is_genuine() -> IsGenuine:
    """The page's own function."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, IsGenuine] = {}
    exec(code, names)  # noqa: S102  the repository's own page
    return names["is_genuine"]


def signed(*secrets: str, ago: int = 0) -> dict[str, str]:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=ago)
    return headers_of(message_id="msg_1", at=at, body=BODY, secrets=secrets)


def test_what_the_portal_signed_is_genuine(is_genuine):
    assert is_genuine(signed(SECRET), BODY, SECRET)
    assert is_genuine(signed(OTHER, SECRET), BODY, SECRET)


def test_anything_else_is_not(is_genuine):
    assert not is_genuine(signed(OTHER), BODY, SECRET)
    assert not is_genuine(signed(SECRET), BODY + b" ", SECRET)
    assert not is_genuine(signed(SECRET) | {"webhook-id": "msg_2"}, BODY, SECRET)
    assert not is_genuine(signed(SECRET, ago=301), BODY, SECRET)


def test_every_event_is_in_the_catalogue():
    listed = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", PAGE, re.MULTILINE))
    assert listed == {*webhook_types(), "webhook.test"}


def test_the_waits_are_those_between_tries():
    """5 seconds, 5 and 30 minutes, and hours."""
    hours = [wait / dt.timedelta(hours=1) for wait in BACK_OFF[3:]]
    said = ", ".join(f"{hour:.0f}" for hour in hours[:-1]) + f" and {hours[-1]:.0f} hours"
    assert said in " ".join(PAGE.split())
    assert [wait.total_seconds() for wait in BACK_OFF[:3]] == [5, 300, 1800]
