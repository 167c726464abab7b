"""A squashed migration leaves the tables that the ones it replaces leave, while both are there."""

from __future__ import annotations

from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState


def state(*, of_the_replaced: bool) -> ProjectState:
    return MigrationLoader(None, replace_migrations=not of_the_replaced).project_state()


def test_a_database_made_by_squashed_migrations_is_like_one_that_took_every_step() -> None:
    stepped, squashed = state(of_the_replaced=True), state(of_the_replaced=False)

    assert set(squashed.models) == set(stepped.models)
    assert changes(stepped, squashed) == {}
    assert changes(squashed, stepped) == {}


def changes(before: ProjectState, after: ProjectState) -> dict[str, list[str]]:
    found = MigrationAutodetector(before, after).changes(graph=MigrationLoader(None).graph)
    return {
        app: [operation.describe() for migration in needed for operation in migration.operations]
        for app, needed in found.items()
    }
