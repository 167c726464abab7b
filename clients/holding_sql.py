"""How workspaces are queued for and held: shared by recorders, alone by who closes or credits.

Call these inside a transaction.
"""
# ruff: noqa: S608  (the name of a lock function, never data)

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from agencyportal.core.prepared import PreparedQuery, Slots, cursor_with_parameters_beside
from clients.models import CapBalance, Workspace

_TURNSTILE: Final = 0x5750 << 48
"""Keeps our advisory locks, numbered by workspace, apart from those of others."""


def enter_workspaces(workspace_ids: Sequence[int], *, alone: bool = False) -> None:
    """Queue for workspaces, one after the other as given, until this transaction ends: shared
    with others or alone.

    Row locks are not fair: recorders that come and go would keep a shared lock on the row for
    ever, and whoever wants it alone would never get it. Here who asks first is served first. It
    orders access and no more; the guard is the lock on the row, taken after this. On SQLite a
    transaction is the only writer anyway.
    """
    if connection.vendor == "postgresql":
        lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        with cursor_with_parameters_beside() as cursor:
            keys = [_TURNSTILE + workspace_id for workspace_id in workspace_ids]
            cursor.execute(f"SELECT {lock}(key) FROM unnest(%s::bigint[]) AS key", [keys])


class Held(NamedTuple):
    """A workspace's row, held shared."""

    settled_until: dt.datetime | None
    is_capped: bool
    """Whether balances of caps are kept that its usage counts in."""


def hold_workspace(workspace_id: int) -> Held:
    """Keep others from settling the workspace until this transaction ends, shared with other
    recorders. Who sets caps holds it alone, too.
    """
    if connection.vendor == "postgresql":
        with cursor_with_parameters_beside() as cursor:
            cursor.execute(
                "SELECT 1 FROM clients_workspace WHERE id = %s FOR SHARE", [workspace_id]
            )
    # A statement of its own, so that it sees what whoever held the row before has written.
    for settled_until, is_capped in _HELD.rows(workspace=workspace_id):
        return Held(settled_until, is_capped)
    raise Workspace.DoesNotExist(f"There is no workspace {workspace_id}.")


def _held_query(slots: Slots) -> QuerySet[Workspace, tuple[dt.datetime | None, bool]]:
    over_it = CapBalance.objects.filter(
        Q(client=None) | Q(client=OuterRef("client")),
        Q(workspace=None) | Q(workspace=OuterRef("pk")),
        agency=OuterRef("agency"),
    )
    rows = Workspace.objects.filter(pk=slots.number("workspace"))
    return rows.order_by().values_list("settled_until", Exists(over_it))


_HELD: Final = PreparedQuery(_held_query)
