"""The portal's ``flush``, as the suite runs it after every test that commits."""

from __future__ import annotations

from typing import Any

from django.core.management.sql import emit_post_migrate_signal
from django.db import connections

from agencyportal.core.append_only import lifted
from agencyportal.core.management.commands.flush import Command as Flush

KEPT = {"django_content_type", "auth_permission"}
"""What Django writes after every migrate, for models, and no test changes."""


class Command(Flush):
    """Deletes the few rows that a test left: TRUNCATE makes new files for every table, filled or
    not, which takes PostgreSQL seconds."""

    def handle(self, **options: Any) -> None:
        connection = connections[options["database"]]
        tables = set(connection.introspection.django_table_names(only_existing=True)) - KEPT
        quoted = map(connection.ops.quote_name, sorted(tables))
        looks = (f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in quoted)  # noqa: S608
        with lifted(reason="flush", using=connection.alias), connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(looks))
            for (name,) in cursor.fetchall():
                cursor.execute(f"DELETE FROM {name}")  # noqa: S608
        emit_post_migrate_signal(verbosity=0, interactive=False, db=connection.alias)
