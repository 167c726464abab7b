"""Structured logs: one line per event, for people (`console`) or machines (`json`).

Lines carry ids, never people: whatever looks like a secret or an e-mail address is blacked out
before it is written, also inside messages and tracebacks of code that is not ours.
"""

from __future__ import annotations

import logging.config
import re
import uuid
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog
from django.http import HttpRequest, HttpResponse

REDACTED: Final = "[redacted]"
REQUEST_ID_HEADER: Final = "X-Request-ID"

_SECRET_NAME = re.compile(
    r"pass(word|wd)?$|secret|token$|authorization|cookie|api_?key|session_?(id|key)|signature",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"(?P<scheme>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"  # Authorization headers
    r"|(?P<user>://[^\s/:@]*:)[^\s/@]+(?=@)"  # passwords in URLs
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail addresses
    r"|\b(?:sk|rk|pk|whsec)_[A-Za-z0-9_]{8,}"  # Stripe's keys
    r"|\bapk_[\w-]{16,}",  # workspaces' keys, but not the few characters that name one
    re.IGNORECASE,
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

Event = MutableMapping[str, Any]


def config(*, format: str, level: str) -> dict[str, Any]:  # noqa: A002 - the word is right
    """The `LOGGING` setting: everything through one handler to standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "portal": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _shared_processors(),
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    redact,
                    _renderer(format),
                ],
            },
        },
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "portal"},
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django gives these handlers of its own unless they are named here.
            "django": {"level": level},
            "django.server": {"handlers": ["stderr"], "level": level, "propagate": False},
            # Chatty about fonts, about the steps of each page, and about every tick.
            "fontTools": {"level": "WARNING"},
            "weasyprint.progress": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
        },
    }


def configure(settings: dict[str, Any]) -> None:
    """Install `settings`, as `config` made them, for the standard library and structlog."""
    logging.config.dictConfig(settings)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def redact(_logger: Any, _method: str, event: Event) -> Event:
    """A structlog processor: black out secrets by name, and secrets and addresses by shape."""
    for name, value in event.items():
        event[name] = REDACTED if _SECRET_NAME.search(name) else _redact_value(value)
    return event


class RequestIdMiddleware:
    """Names every request in the log and in the answer.

    A caller's or proxy's own `X-Request-ID` is kept when it is plain, so that a request can be
    followed through several systems; anything else could forge lines of the log.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        # Cleared here, not after: Django logs a 404 or 500 when this middleware has returned.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response[REQUEST_ID_HEADER] = request_id
        return response


def _shared_processors() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _renderer(format: str) -> Any:  # noqa: A002
    if format == "json":
        return structlog.processors.JSONRenderer(sort_keys=True, default=str)
    # Tracebacks are already text here, redacted: no renderer that shows local variables.
    return structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRET_TEXT.sub(_replacement, value)
    if isinstance(value, dict):
        return {
            key: REDACTED if _SECRET_NAME.search(str(key)) else _redact_value(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_redact_value(item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _SECRET_TEXT.sub(_replacement, str(value))


def _replacement(match: re.Match[str]) -> str:
    return (match["scheme"] or match["user"] or "") + REDACTED
