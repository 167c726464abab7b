"""`manage.py migrate` for commands that begin with it, telling how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.management import call_command
from django.core.management.commands.migrate import Command as Migrate
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


def bring_up_to_date(*, progress: Callable[[int, int], None]) -> None:
    """Apply what is missing; ``progress(done, total)`` counts migrations. Commits each by itself.

    Nothing is told when nothing is missing.
    """
    executor = MigrationExecutor(connection)
    total = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    call_command(_Telling(total, progress), verbosity=0, interactive=False)


class _Telling(Migrate):
    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        super().__init__()
        self._done, self._total = 0, total
        self._progress = progress
        if total:
            progress(0, total)

    def migration_progress_callback(self, action: str, *_migration: Any, **_fake: Any) -> None:
        if action == "apply_success":
            self._done += 1
            self._progress(self._done, self._total)
