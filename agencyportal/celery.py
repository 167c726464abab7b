"""The Celery application: settings from Django, the schedule from code, logs like everyone's."""

from __future__ import annotations

import os
from typing import Any

import structlog
from celery import Celery, signals

from agencyportal.schedule import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agencyportal.settings")

REQUEST_ID_HEADER = "portal_request_id"

app = Celery("agencyportal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = SCHEDULE
app.autodiscover_tasks()


@signals.setup_logging.connect
def use_portal_logs(**_: Any) -> None:
    """Keep Celery from installing its own handlers."""
    from django.conf import settings

    from agencyportal.core import logs

    logs.configure(settings.LOGGING)


@signals.before_task_publish.connect
def send_request_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Let a task's log lines be found by the request that caused it."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if headers is not None and request_id:
        headers[REQUEST_ID_HEADER] = request_id


@signals.task_prerun.connect
def bind_task(task_id: str, task: Any, **_: Any) -> None:
    """Name the task in every line that it logs."""
    context = {"task_id": task_id, "task": task.name}
    request_id = getattr(task.request, REQUEST_ID_HEADER, None)
    if request_id:
        context["request_id"] = request_id
    structlog.contextvars.bind_contextvars(**context)


@signals.task_postrun.connect
def unbind_task(**_: Any) -> None:
    """Forget the task: the process lives on."""
    structlog.contextvars.unbind_contextvars("task_id", "task", "request_id")
