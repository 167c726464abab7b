"""Several connections at the same rows, started together."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet


def at_once(workers: int, work: Callable[[int], Any]) -> list[Any]:
    """What ``work(number)`` returned or raised in each of several threads, in their order."""
    start = Barrier(workers)

    def run(number: int) -> Any:
        try:
            start.wait(10)
            return work(number)
        except Exception as error:  # noqa: BLE001  the test looks at it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(workers)))


def unguarded(workers: int) -> Callable[..., list[Model]]:
    """A ``lock_rows`` that does not lock, and lets nobody go on before all have read."""
    read = Barrier(workers)

    def rows(queryset: QuerySet) -> list[Model]:
        found = list(queryset)
        read.wait(10)
        return found

    return rows
