"""Probes: alive, and ready to serve."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import Settings

OK = {"database": "ok", "migrations": "ok", "broker": "ok"}


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> dict[tuple[str, str], None]:
    """What the database says was applied: every migration there is. The suite's own has none."""
    settings.MIGRATION_MODULES = {}
    applied = dict.fromkeys(MigrationLoader(None).disk_migrations)
    monkeypatch.setattr(MigrationRecorder, "applied_migrations", lambda self: applied)
    return applied


def test_liveness_asks_no_database(client: Client) -> None:
    # Without the django_db mark any query would fail this test.
    response = client.get("/healthz")

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}
    assert response["Cache-Control"] == "no-store"


@pytest.mark.django_db
@pytest.mark.usefixtures("applied")
def test_readiness_names_each_component(client: Client) -> None:
    response = client.get("/readyz")

    assert response.json() == {"status": "ok", "components": OK}
    assert response.status_code == 200


@pytest.mark.django_db
def test_probes_are_answered_whatever_host_they_name(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    for path in ("/healthz", "/readyz"):
        assert client.get(path, headers={"host": "10.1.2.3:8000"}).status_code == 200


def test_only_reading_is_a_probe(client: Client) -> None:
    assert client.post("/healthz").status_code == 404
    assert client.head("/healthz").status_code == 200


@pytest.mark.django_db
def test_not_ready_while_a_migration_is_missing(
    client: Client, applied: dict[tuple[str, str], None]
) -> None:
    del applied["sessions", "0001_initial"]

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json() == {"status": "failed", "components": {**OK, "migrations": "failed"}}


def test_not_ready_without_a_database_and_says_no_more_than_that(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise OperationalError('connection to "db.internal" failed: password "hunter2"')

    monkeypatch.setattr(connection, "cursor", refuse)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json() == {
        "status": "failed",
        "components": {"database": "failed", "migrations": "failed", "broker": "ok"},
    }
    assert "OperationalError" in caplog.text
    assert "hunter2" not in caplog.text
    assert "db.internal" not in caplog.text


@pytest.mark.django_db
def test_not_ready_when_the_embedded_brokers_folder_is_gone(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(tmp_path / "gone"),
        "data_folder_out": str(tmp_path / "gone"),
        "processed_folder": str(tmp_path),
        "control_folder": str(tmp_path),
    }

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["components"] == {**OK, "broker": "failed"}


@pytest.mark.django_db
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_not_ready_when_the_broker_does_not_answer(
    client: Client, settings: Settings, scheme: str
) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    settings.CELERY_BROKER_URL = f"{scheme}://127.0.0.1:1//"  # port 1 refuses at once

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["components"] == {**OK, "broker": "failed"}
