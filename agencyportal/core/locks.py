"""Row locks, taken in one order.

Two transactions that lock the same rows in different orders wait for each other for ever. Rows of
one model are locked by primary key; models are locked in the order that their services document.
"""

from __future__ import annotations

from typing import TypeVar

from django.db import connections, models
from django.db.transaction import TransactionManagementError

_M = TypeVar("_M", bound=models.Model)


def lock_rows(queryset: models.QuerySet[_M]) -> list[_M]:
    """Lock the rows of ``queryset`` until the transaction ends, and return them as they are now.

    Ordered by primary key. Waits for whoever holds one. Other transactions may still insert rows
    that refer to these (PostgreSQL's ``FOR NO KEY UPDATE``). On SQLite a transaction is the only
    writer from its first statement on, so there is nothing left to lock.

    Raises TransactionManagementError outside a transaction, on both databases.
    """
    return list(_locking(queryset).order_by("pk"))


def lock_row(queryset: models.QuerySet[_M]) -> _M:
    """Lock the one row of ``queryset``; see :func:`lock_rows`.

    Raises the model's DoesNotExist or MultipleObjectsReturned as well.
    """
    return _locking(queryset).get()


def _locking(queryset: models.QuerySet[_M]) -> models.QuerySet[_M]:
    if not connections[queryset.db].in_atomic_block:
        raise TransactionManagementError(
            f"Rows of {queryset.model._meta.label} can only be locked inside a transaction."
        )
    return queryset.select_for_update(of=("self",), no_key=True)
