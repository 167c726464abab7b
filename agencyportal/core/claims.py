"""Claiming work: claim, commit, then act (DESIGN 4.6).

Several workers look at the same due rows. Each takes some by changing them, so that the others
find them no longer due, and commits before it does anything slow. A worker that dies leaves rows
behind whose claim has a time; the queryset of what is due lets stale claims in again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet
from django.db import connections, models, transaction
from django.db.models.sql import UpdateQuery

from agencyportal.core.append_only import check_update

if TYPE_CHECKING:
    from collections.abc import Mapping


def claim(
    queryset: models.QuerySet[Any],
    *,
    set: Mapping[str, Any],  # noqa: A002  (as in SQL)
    limit: int,
) -> list[Any]:
    """Take at most ``limit`` rows of ``queryset`` by writing ``set`` to them; their keys, sorted.

    One statement: rows that another worker is just taking are skipped, not waited for, and a row
    is never taken twice, provided that ``set`` moves it out of ``queryset``. The queryset's order
    says which come first. Commits on its own unless called inside a transaction.
    """
    using, model = queryset.db, queryset.model
    check_update(model, set, using)
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        try:
            sql, params = _statement(queryset, set, limit)
        except EmptyResultSet:  # Django's word for a condition that nothing can meet
            return []
        cursor.execute(sql, params)
        return sorted(model._meta.pk.to_python(row[0]) for row in cursor.fetchall())


def _statement(
    queryset: models.QuerySet[Any], values: Mapping[str, Any], limit: int
) -> tuple[str, tuple[Any, ...]]:
    using, model = queryset.db, queryset.model
    picked = queryset if queryset.ordered else queryset.order_by("pk")
    if connections[using].features.has_select_for_update_skip_locked:
        picked = picked.select_for_update(of=("self",), skip_locked=True, no_key=True)
    update = model._base_manager.using(using).all().query.chain(UpdateQuery)
    update.add_update_values(values)
    pick_sql, pick_params = picked.only("pk")[:limit].query.get_compiler(using).as_sql()
    update_sql, update_params = update.get_compiler(using).as_sql()
    quote = connections[using].ops.quote_name
    column = quote(model._meta.pk.column)
    key = f"{quote(model._meta.db_table)}.{column}"
    # Materialised: PostgreSQL may otherwise run a LIMIT subquery once per joined row, and take
    # more than was asked for.
    sql = (
        f"WITH picked AS MATERIALIZED ({pick_sql}) {update_sql} "  # noqa: S608
        f"WHERE {key} IN (SELECT {column} FROM picked) RETURNING {key}"
    )
    return sql, (*pick_params, *update_params)
