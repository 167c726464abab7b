"""Errors of the HTTP API as problem details (RFC 9457), with one shape for all of them.

    {"type": "about:blank", "title": "Bad Request", "status": 400,
     "detail": "...", "errors": [{"index": 3, "field": "quantity", "message": "..."}]}

``index`` counts from 0 in a submitted list and is null where a single object was sent; ``field``
is a dotted path, null for the object as a whole. ``errors`` is left out when there are none.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core import exceptions as django_errors
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults
from rest_framework import exceptions as drf_errors
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONTENT_TYPE = "application/problem+json"
API_PREFIXES = ("/api/", "/v1/", "/otlp/")
"""Paths whose callers are programs, also when nothing answers there."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with what was sent, and where."""

    message: str
    field: str | None = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, for the caller's program (``status``, ``type``) and its author."""

    status: int
    detail: str
    title: str = ""
    type: str = "about:blank"
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further members, by name (RFC 9457, "extension members")."""

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": self.type,
            "title": self.title or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [asdict(error) for error in self.errors]
        return {**self.more, **body}


class ProblemError(Exception):
    """Raised by a view or a permission to answer with exactly this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:  # noqa: ARG001
    """DRF's ``EXCEPTION_HANDLER``. None, and so a logged 500, for what nobody foresaw."""
    problem = problem_of(exc)
    if problem is None:
        return None
    set_rollback()
    return Response(
        problem.body(),
        status=problem.status,
        headers=dict(problem.headers),
        content_type=CONTENT_TYPE,
    )


def problem_of(exc: Exception) -> Problem | None:
    """The problem that an exception stands for; None for a defect of ours."""
    match exc:
        case ProblemError():
            return exc.problem
        case drf_errors.ValidationError():
            return _invalid(list(_flatten(exc.detail)))
        case drf_errors.APIException():
            return Problem(exc.status_code, _text(exc.detail), headers=_headers(exc))
        case django_errors.ValidationError():
            return _invalid(list(_flatten(_validation_messages(exc))))
        case Http404():
            return Problem(404, "There is nothing here.")
        case django_errors.PermissionDenied():
            return Problem(403, "You do not have permission to do this.")
        case django_errors.RequestDataTooBig():
            return Problem(413, "The request is too large; send it in smaller parts.")
    return None


def _invalid(errors: list[FieldError]) -> Problem:
    if len(errors) == 1:
        detail = errors[0].message
    else:
        detail = f"{len(errors)} things are wrong with what was sent; nothing was stored."
    return Problem(400, detail, errors=errors)


def _headers(exc: drf_errors.APIException) -> dict[str, str]:
    headers = {}
    if auth_header := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if (wait := getattr(exc, "wait", None)) is not None:
        headers["Retry-After"] = str(math.ceil(wait))
    return headers


def _validation_messages(exc: django_errors.ValidationError) -> Any:
    return exc.message_dict if hasattr(exc, "error_dict") else exc.messages


def _text(detail: Any) -> str:
    return " ".join(error.message for error in _flatten(detail))


def _flatten(detail: Any) -> Iterator[FieldError]:
    """DRF's nested details as a flat list of errors."""
    for index, item in _places(detail):
        for path, message in _leaves(item, ()):
            yield FieldError(message, _dotted(path), index)


def _places(detail: Any) -> Iterator[tuple[int | None, Any]]:
    """Where in a submitted list: a list of objects, or (newer DRF) a dict by position."""
    if isinstance(detail, list) and any(isinstance(item, dict) for item in detail):
        yield from enumerate(detail)
    elif isinstance(detail, dict) and detail and all(isinstance(key, int) for key in detail):
        yield from detail.items()
    else:
        yield None, detail


def _leaves(detail: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(detail, dict):
        for key, value in detail.items():
            yield from _leaves(value, (*path, str(key)))
    elif isinstance(detail, list | tuple):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from _leaves(value, (*path, str(index)) if nested else path)
    else:
        yield path, str(detail)


def _dotted(path: tuple[str, ...]) -> str | None:
    whole = {api_settings.NON_FIELD_ERRORS_KEY, django_errors.NON_FIELD_ERRORS}
    return ".".join(part for part in path if part not in whole) or None


# --- Errors outside views ----------------------------------------------------------------------
# For the root URLconf's handler400 .. handler500: programs get a problem, people get a page.


def _response(problem: Problem) -> JsonResponse:
    return JsonResponse(
        problem.body(),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers=dict(problem.headers),
    )


def _for_program(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIXES)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _for_program(request):
        return _response(problem_of(exception) or Problem(400, "The request makes no sense."))
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _for_program(request):
        return _response(Problem(403, "You do not have permission to do this."))
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _for_program(request):
        return _response(Problem(404, f"There is nothing at {request.path}."))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Says nothing of what broke: that is in the log, under the request's id."""
    if _for_program(request):
        detail = "Something broke on our side. It was logged; trying again is safe."
        return _response(Problem(500, detail))
    return defaults.server_error(request)
