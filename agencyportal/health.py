"""Whether the process lives (`/healthz`) and whether it can serve (`/readyz`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from agencyportal.celery import app

log = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]


class HealthMiddleware:
    """Answers probes before any other middleware has an opinion on host, TLS or session."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answers: dict[str, Callable[[], HttpResponse]] = {
            "/healthz": live,
            "/readyz": ready,
        }
        answer = answers.get(request.path_info)
        if answer is None or request.method not in {"GET", "HEAD"}:
            return self.get_response(request)
        response = answer()
        response["Cache-Control"] = "no-store"
        return response


def live() -> HttpResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


def ready() -> HttpResponse:
    """200 when every component is usable, otherwise 503; each is named, none is described.

    What exactly is wrong goes to the log: an error's text may hold addresses and names.
    """
    checks: dict[str, Callable[[], bool]] = {
        "database": _database_answers,
        "migrations": _migrations_are_applied,
        "broker": _broker_answers,
    }
    components = {
        name: "ok" if _passes(name, check) else "failed" for name, check in checks.items()
    }
    good = all(state == "ok" for state in components.values())
    body = {"status": "ok" if good else "failed", "components": components}
    return JsonResponse(body, status=200 if good else 503)


def _passes(name: str, check: Callable[[], bool]) -> bool:
    try:
        passed = check()
    except (DatabaseError, OSError) as error:
        log.warning("health.component_failed", component=name, error=type(error).__name__)
        return False
    if not passed:
        log.warning("health.component_failed", component=name, error="not as it should be")
    return passed


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _migrations_are_applied() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _broker_answers() -> bool:
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    if "data_folder_out" in options:
        return all(
            Path(options[folder]).is_dir() and os.access(options[folder], os.W_OK | os.X_OK)
            for folder in ("data_folder_in", "processed_folder", "control_folder")
        )
    with app.connection_for_write(settings.CELERY_BROKER_URL, connect_timeout=2) as broker:
        try:
            broker.connect()
        except broker.connection_errors as error:
            raise ConnectionError(type(error).__name__) from error
    return True
