"""What migrations make is what the models say, on the suite's database, and can be taken back.

The suite itself makes its tables from the models.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from tests.architecture.migrated_schema import schema
from tests.architecture.sources import ROOT


@pytest.fixture
def empty_database(db: None, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database of the suite's kind."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'migrated.sqlite3'}"
        return
    ours = connection.settings_dict
    name = f"{ours['NAME']}_migrated"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
    user = f"{quote(ours['USER'])}:{quote(ours['PASSWORD'])}"
    yield f"postgres://{user}@{ours['HOST']}:{ours['PORT']}/{name}"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


@pytest.mark.slow
def test_migrations_make_the_tables_of_the_models_and_can_be_taken_back(
    empty_database: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.architecture.migrated_schema"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": empty_database,
            "DJANGO_SETTINGS_MODULE": "agencyportal.settings",
            "PORTAL_DATA_DIR": str(tmp_path / "state"),
            "PORTAL_ENV_FILE": os.devnull,
        },
        stdout=subprocess.PIPE,
        check=True,
    )
    migrated = json.loads(done.stdout)
    made = schema()

    assert set(migrated) == set(made)
    assert {name for name in made if made[name] != migrated[name]} == set()
