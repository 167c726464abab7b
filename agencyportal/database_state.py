"""Why a command could not use the database: it does not answer, or it is not prepared."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor


def why_unusable() -> str | None:
    """What keeps the database from being used, and what to do; None when nothing does.

    For whoever has just failed on it: it begins with a connection of its own.
    """
    connection.close()
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError as error:
        said = str(error).strip().partition("\n")[0]
        return f"The database does not answer: {said}\nDATABASE_URL says which one it is."
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return "The database is not prepared for this version. Run: manage.py migrate"
    return None
