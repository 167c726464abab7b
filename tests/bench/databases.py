"""Databases that live as long as one bench."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

SERVER: Final = "postgres://postgres@127.0.0.1:5432/postgres"
"""Where PostgreSQL is looked for unless DATABASE_URL names another."""

_OURS: Final = ("PORTAL_", "DEMO_", "STRIPE_", "DJANGO_", "CACHE_", "CELERY_", "EMAIL_")


def server_url() -> str:
    named = os.environ.get("DATABASE_URL", "")
    return named if named.startswith("postgres") else SERVER


def has_postgresql() -> bool:
    try:
        with psycopg.connect(server_url(), connect_timeout=3):
            return True
    except psycopg.OperationalError:
        return False


@contextmanager
def environment(vendor: str) -> Iterator[dict[str, str]]:
    """The environment of a portal of its own: an empty database and data directory, both gone
    afterwards."""
    folder = tempfile.mkdtemp(prefix="portal-bench-")
    try:
        with _database(vendor, folder) as url:
            yield _clean() | {
                "DATABASE_URL": url,
                "DJANGO_SETTINGS_MODULE": "agencyportal.settings",
                "PORTAL_DATA_DIR": folder,
                "PORTAL_ENV_FILE": os.devnull,
                "PORTAL_LOG_LEVEL": "WARNING",
                "ALLOWED_HOSTS": "127.0.0.1",
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clean() -> dict[str, str]:
    """Our environment without what would configure a portal."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


@contextmanager
def _database(vendor: str, folder: str) -> Iterator[str]:
    if vendor == "sqlite":
        yield f"sqlite:///{folder}/bench.sqlite3"
        return
    name = f"portal_bench_{uuid.uuid4().hex[:12]}"
    server = server_url()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))
