"""Makes many workspaces like one that the services made, in bulk.

So the rows are what the services write, and a bench need not know how.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db import connection, models, transaction
from tqdm import tqdm

from billing.models import BillingPeriod, Charge, CreditGrant, Subscription
from clients.models import Client, UsageDay, UsageQuarter, UsageWindow, Workspace

CHUNK: Final = 250
"""Workspaces made in one transaction."""

_BATCH: Final = 2_000
_NAMED: Final = ("slug", "name", "email")

Place = dict[tuple[type[models.Model], int], int]
"""What takes the place of a row of the original: (model, its id) -> the copy's id."""


def clone_workspaces(original: Workspace, count: int) -> None:
    """Make ``count`` more workspaces like ``original``, each of a client of its own: subscription,
    periods, windows, sums, grants, and the charges that are on no invoice yet."""
    sources = [
        Subscription.objects.filter(workspace=original),
        BillingPeriod.objects.filter(workspace=original),
        UsageWindow.objects.filter(workspace=original),
        CreditGrant.objects.filter(workspace=original),
        Charge.objects.waiting().filter(workspace=original),
    ]
    rows = [row for source in sources for row in source.order_by("pk")]
    with tqdm(total=count, desc="Making subscriptions", leave=False, disable=None) as bar:
        for first in range(1, count + 1, CHUNK):
            numbers = range(first, min(first + CHUNK, count + 1))
            with transaction.atomic():
                _clone(original, rows, numbers)
            bar.update(len(numbers))
    _clone_sums(original)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _clone(original: Workspace, rows: Sequence[Any], numbers: range) -> None:
    places: list[Place] = [{} for _ in numbers]
    for row in (original.client, original, *rows):
        copies = [_copy(row, place, number) for place, number in zip(places, numbers, strict=True)]
        type(row)._default_manager.bulk_create(copies, batch_size=_BATCH)
        for place, copy in zip(places, copies, strict=True):
            place[type(row), row.pk] = copy.pk


def _copy(row: Any, place: Place, number: int) -> Any:
    values: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if field.primary_key:
            continue
        if field.is_relation:
            value = place.get((field.related_model, value), value)
        elif field.name in _NAMED and isinstance(row, Client | Workspace):
            value = value.replace("0", str(number))  # client-0 is now client-7
        elif field.name == "key":
            value = _moved_key(value, place)
        values[field.attname] = value
    return type(row)(**values)


def _moved_key(key: str, place: Place) -> str:
    """`fee:{period}:...` and `allowance:{period}:...`: whose it is comes second."""
    kind, old, rest = key.split(":", 2)
    return f"{kind}:{place[BillingPeriod, int(old)]}:{rest}"


def _clone_sums(original: Workspace) -> None:
    """Give every other workspace the original's sums."""
    for model in (UsageQuarter, UsageDay):
        fields = [str(field.column) for field in model._meta.concrete_fields if field.name != "id"]
        copied = ", ".join(name for name in fields if name != "workspace_id")
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (workspace_id, {copied}) "  # noqa: S608
                f"SELECT w.id, {', '.join(f's.{name}' for name in copied.split(', '))} "
                f"FROM {table} AS s CROSS JOIN clients_workspace AS w "
                "WHERE s.workspace_id = %s AND w.id <> %s",
                [original.pk, original.pk],
            )
