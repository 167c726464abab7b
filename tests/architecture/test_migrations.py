"""Migrations stand on their own and in one line."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest
from django.db.migrations.loader import MigrationLoader

from tests.architecture.sources import PACKAGES, ROOT, migrations

# Types of columns, and how a squashed migration makes tables, have to outlive their users; nothing
# else of ours may be named by a migration.
ALLOWED = {"agencyportal.core.create_models", "agencyportal.core.fields"}
OURS = {"core", "clients", "billing", "payouts", "api", "demo"}


@pytest.mark.parametrize("path", migrations(), ids=lambda path: str(path.relative_to(ROOT)))
def test_migrations_import_no_code_that_may_change_under_them(path: Path) -> None:
    imported = imports_of(path.read_text(encoding="utf-8"))

    ours = {name for name in imported if name.split(".")[0] in PACKAGES}
    assert ours <= ALLOWED


def imports_of(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names.add(node.module or "")
    return names


def test_migrations_of_each_app_form_one_line() -> None:
    loader = MigrationLoader(None)
    parents = Counter(
        parent
        for (app, _), migration in loader.disk_migrations.items()
        if app in OURS
        for parent in migration.dependencies
        if parent[0] == app
    )

    assert [parent for parent, children in parents.items() if children > 1] == []
    assert loader.detect_conflicts() == {}
