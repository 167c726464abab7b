"""Log lines carry ids, never secrets or people."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from agencyportal.celery import REQUEST_ID_HEADER, app, bind_task, send_request_id, unbind_task
from agencyportal.core import logs
from agencyportal.core.tasks import tidy_embedded_broker


@pytest.fixture(autouse=True)
def _no_context() -> Iterator[None]:
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


def formatted(name: str = "portal.tests", style: str = "json", **event: Any) -> str:
    """What the handler of a freshly made configuration writes for one structlog event."""
    stream = io.StringIO()
    settings = logs.config(format=style, level="INFO")["formatters"]["portal"]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(settings.pop("()")(**settings))
    logger = logging.Logger(name)  # noqa: LOG001 - one that no other test sees
    logger.addHandler(handler)
    structlog.wrap_logger(
        logger,
        processors=structlog.get_config()["processors"][1:],  # without the level's filter
        wrapper_class=structlog.stdlib.BoundLogger,
    ).warning(event.pop("event", "something.happened"), **event)
    return stream.getvalue()


def test_a_line_is_one_json_object_with_time_level_and_logger() -> None:
    line = json.loads(formatted(event="invoice.issued", invoice_id=7))

    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "invoice.issued",
        "invoice_id": 7,
        "level": "warning",
        "logger": "portal.tests",
    }


@pytest.mark.parametrize(
    "name", ["password", "api_key", "SECRET_KEY", "access_token", "Authorization", "cookie"]
)
def test_secrets_are_blacked_out_by_name_at_any_depth(name: str) -> None:
    event: dict[str, Any] = {name: "hunter2", "headers": [{name: "hunter2"}]}

    line = formatted(**event)

    assert "hunter2" not in line
    assert line.count(logs.REDACTED) == 2


def test_token_counts_are_no_secrets() -> None:
    assert json.loads(formatted(input_tokens=18))["input_tokens"] == 18


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wrote to ada@example.com at once", "wrote to [redacted] at once"),
        ("redis://portal:hunter2@cache:6379/0", "redis://portal:[redacted]@cache:6379/0"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [redacted]"),
        ("key sk_test_4eC39HqLyjWDarjt was refused", "key [redacted] was refused"),
        (f"?key=apk_{'aB3-_9xy' * 5}xyz&unit=page", "?key=[redacted]&unit=page"),
        (f"'apk_-{'aB3' * 14}'", "'[redacted]'"),
        ("the key apk_TznjeHWK… was revoked", "the key apk_TznjeHWK… was revoked"),
    ],
)
def test_secrets_and_addresses_are_blacked_out_by_shape(text: str, shown: str) -> None:
    assert json.loads(formatted(event=text))["event"] == shown
    assert json.loads(formatted(reason=ValueError(text)))["reason"] == shown


@pytest.mark.parametrize("style", ["json", "console"])
def test_tracebacks_show_where_and_neither_secrets_nor_local_variables(style: str) -> None:
    local_variable = "kept-to-itself"
    try:
        raise ValueError("ada@example.com is not known")
    except ValueError:
        line = formatted(style=style, exc_info=True)

    assert "test_tracebacks_show_where" in line
    assert "ValueError: [redacted] is not known" in line
    assert local_variable not in line


def test_every_answer_names_its_request(client: Client) -> None:
    first, second = client.get("/healthz"), client.get("/healthz")

    assert len(first["X-Request-ID"]) == 32
    assert first["X-Request-ID"] != second["X-Request-ID"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("proxy-1.request_42", True),
        ("short", False),
        ("forged\tline here", False),
        ("x" * 65, False),
    ],
)
def test_a_plain_request_id_is_kept_and_any_other_replaced(given: str, kept: bool) -> None:
    seen = {}

    def view(request: HttpRequest) -> HttpResponse:
        seen.update(structlog.contextvars.get_contextvars())
        return HttpResponse()

    request = RequestFactory().get("/", headers={"x-request-id": given})
    response = logs.RequestIdMiddleware(view)(request)

    assert seen["request_id"] == response["X-Request-ID"]
    assert (response["X-Request-ID"] == given) is kept


def test_a_tasks_lines_name_the_task_and_the_request_that_sent_it() -> None:
    structlog.contextvars.bind_contextvars(request_id="request-1")
    headers: dict[str, Any] = {}
    send_request_id(headers=headers)
    structlog.contextvars.clear_contextvars()

    task = app.tasks[tidy_embedded_broker.name]
    task.push_request(**headers)
    try:
        bind_task(task_id="task-1", task=task)
        line = json.loads(formatted())
    finally:
        task.pop_request()
        unbind_task()

    assert headers == {REQUEST_ID_HEADER: "request-1"}
    assert line["request_id"] == "request-1"
    assert line["task_id"] == "task-1"
    assert line["task"] == "agencyportal.core.tasks.tidy_embedded_broker"
    assert structlog.contextvars.get_contextvars() == {}
