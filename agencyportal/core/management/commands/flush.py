"""Django's ``flush``, which empties the database, append-only rows included."""

from __future__ import annotations

from typing import Any

from django.core.management.commands.flush import Command as Flush

from agencyportal.core.append_only import lifted


class Command(Flush):
    """Asks first, as Django's does. The suite runs it after tests that commit."""

    def handle(self, **options: Any) -> None:
        with lifted(reason="flush", using=options["database"]):
            super().handle(**options)
