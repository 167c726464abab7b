"""`python -m tests.architecture.migrated_schema`: migrates the portal that the environment names,
prints the tables that this makes as JSON, and takes our own migrations back again."""

from __future__ import annotations

import json
import sys
from typing import Any

import django
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

OURS = ("payouts", "billing", "clients")
"""From the top down: an app goes before those that it refers to."""

TABLES = tuple(f"{app}_" for app in OURS)


def schema() -> dict[str, Any]:
    """Every table of ours: its columns and its constraints, by name.

    Names of constraints that a database makes up differ, so those are told by what they are on.
    """
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        return {name: _table(cursor, name) for name in names if name.startswith(TABLES)}


def _table(cursor: Any, name: str) -> dict[str, Any]:
    columns = connection.introspection.get_table_description(cursor, name)
    constraints = connection.introspection.get_constraints(cursor, name).items()
    return {
        "columns": sorted(
            [column.name, str(column.type_code), column.null_ok] for column in columns
        ),
        "constraints": sorted(json.dumps(_constraint(*one), sort_keys=True) for one in constraints),
    }


def _constraint(name: str, facts: Any) -> dict[str, Any]:
    kept = ("columns", "primary_key", "unique", "foreign_key", "check", "index")
    said = {key: facts[key] for key in kept}
    if facts["check"]:
        said["columns"] = sorted(facts["columns"] or ())
    named = not facts["foreign_key"] and not facts["primary_key"] and not _is_made_up(name)
    return {**said, "name": name if named else None}


def _is_made_up(name: str) -> bool:
    """By Django with a hash at its end, or by the database."""
    return (
        name.startswith(("__", "sqlite_"))
        or any(len(part) >= 8 and set(part) <= set("0123456789abcdef") for part in name.split("_"))
        or name.endswith(("_key", "_check", "_like"))
    )


def main() -> None:
    django.setup()
    call_command("migrate", verbosity=0)
    sys.stdout.write(json.dumps(schema()))
    from agencyportal.core.append_only_triggers import before_migrate  # wants apps to be ready

    executor = MigrationExecutor(connection)
    targets = [(app, None) for app in OURS]
    before_migrate(using="default", plan=executor.migration_plan(targets))
    executor.migrate(targets)  # all at once, which takes half the time of three commands
    if left := schema():
        raise SystemExit(f"Taking all migrations back leaves {', '.join(left)}.")


if __name__ == "__main__":
    main()
