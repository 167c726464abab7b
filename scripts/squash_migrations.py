"""`python scripts/squash_migrations.py APP…`: one migration an app that makes today's tables.

It replaces all that are there; README.md ("Migrations") says what is left to do by hand.
"""
# ruff: noqa: E402  (Django is set up before what needs it is imported)

from __future__ import annotations

import os
import sys
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agencyportal.settings")

import django

django.setup()

from django.apps import apps
from django.db.migrations import CreateModel, Migration, RunPython, RunSQL
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import SwappableTuple
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter

from agencyportal.core.create_models import CreateModels


def squash(app: str, loader: MigrationLoader, state: ProjectState) -> Path:
    replaced = sorted(name for label, name in loader.disk_migrations if label == app)
    migrations = [loader.disk_migrations[app, name] for name in replaced]
    for migration in migrations:
        for operation in migration.operations:
            if isinstance(operation, RunPython | RunSQL):
                print(f"{app} {migration.name} has a step for data: keep what seeds.")
    squashed = Migration(f"0001_squashed_{replaced[-1]}", app)
    squashed.initial = True
    squashed.replaces = [(app, name) for name in replaced]
    squashed.dependencies = last_of_other_apps(app, migrations)
    squashed.operations = [CreateModels(models=in_order(app, state))]
    path = ROOT / app / "migrations" / f"{squashed.name}.py"
    path.write_text(MigrationWriter(squashed, include_header=False).as_string(), encoding="utf-8")
    return path


def last_of_other_apps(app: str, migrations: list[Migration]) -> list[tuple[str, str]]:
    """No later than what was replaced: a database in between has the last of ours already when
    the others are still on their way."""
    last: dict[str, tuple[str, str]] = {}
    for migration in migrations:
        for dependency in migration.dependencies:
            if dependency[0] == app:
                continue
            if isinstance(dependency, SwappableTuple):
                dependency = ("__setting__", "AUTH_USER_MODEL")
            last[dependency[0]] = max(last.get(dependency[0], dependency), dependency)
    return sorted(last.values())


def in_order(app: str, state: ProjectState) -> list[CreateModel]:
    models = {name: model for (label, name), model in state.models.items() if label == app}
    order = TopologicalSorter({name: referred_to(app, models[name]) for name in sorted(models)})
    return [created(models[name]) for name in order.static_order()]


def referred_to(app: str, model: ModelState) -> set[str]:
    """Names of the app's other models that the model's columns refer to."""
    names = set()
    for field in model.fields.values():
        if field.remote_field:
            to = field.remote_field.model
            label, _, name = (to if isinstance(to, str) else to._meta.label).lower().rpartition(".")
            if label == app and name != model.name_lower:
                names.add(name)
    return names


def created(model: ModelState) -> CreateModel:
    return CreateModel(
        name=model.name,
        fields=list(model.fields.items()),
        options={name: value for name, value in model.options.items() if value != []},
        bases=model.bases,
        managers=model.managers,
    )


if __name__ == "__main__":
    loader = MigrationLoader(None)
    state = ProjectState.from_apps(apps)
    for app in sys.argv[1:]:
        print(squash(app, loader, state))
