"""Races take sixty-four connections each: two at once are more than PostgreSQL lets in."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _one_race_at_a_time() -> Iterator[None]:
    """Across the processes that the suite runs in."""
    with Path(tempfile.gettempdir(), "agencyportal-races.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
