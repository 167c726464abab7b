"""The database's own guards of what is append-only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.db import connection

from agencyportal.core.append_only_triggers import differences, installed

from .findings import Checked, Difference, Finding

SUBJECT: Final = "Append-only triggers"


def check_triggers() -> Iterator[Finding]:
    """Every declared trigger is installed as declared."""
    yield Checked(SUBJECT, len(installed(connection)))
    for sentence in differences():
        yield Difference(SUBJECT, "database", None, "trigger", sentence, "missing", "as declared")
