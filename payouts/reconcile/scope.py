"""Whose books are proved, and that they stand still meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from django.db import connection, transaction

from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency

_Q = TypeVar("_Q", bound=ScopedQuerySet)

CHUNK = 2_000
"""Rows read at a time, so that memory does not grow with the books."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One agency's rows, or everybody's."""

    agency: Agency | None = None

    def of(self, queryset: _Q) -> _Q:
        return queryset if self.agency is None else queryset.for_agency(self.agency)


@contextmanager
def standing_still() -> Iterator[None]:
    """Read one state of the database throughout, while others go on writing.

    PostgreSQL: a repeatable read. SQLite: a read transaction, which in WAL mode holds up nobody;
    begun by hand, because `atomic` would take the write lock. Inside a transaction of the caller's
    the books stand as still as that one keeps them.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
    else:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
