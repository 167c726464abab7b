"""POST /api/v1/events: usage comes in.

One event, a list of at most 1,000, or CloudEvents (``cloudevents.py``). All or nothing; sending
the same again is harmless, because events are unique by their own ids. So an ``Idempotency-Key``
needs no storing here: it is allowed, and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final, cast

import msgspec
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from agencyportal.api import cloudevents
from agencyportal.api.authentication import KeyAuthentication, KeyHasScope, ScopedView
from agencyportal.core.problems import FieldError, Problem, ProblemError
from clients.models import WorkspaceKey
from clients.services.recording import Recorded, record_events
from clients.submission import (
    EventsRefused,
    MalformedError,
    SubmittedEvent,
    decode,
    read_event,
    read_events,
)

MAX_EVENTS: Final = 1_000

_logger = logging.getLogger(__name__)
_items: Final = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Submission:
    """Events as JSON texts, not yet read, unless all could be read at once. ``indexed``: they came
    in a list."""

    texts: Sequence[bytes | msgspec.Raw]
    indexed: bool
    read: Callable[[bytes], SubmittedEvent]
    events: Sequence[SubmittedEvent] | None = None


class EventsParser(BaseParser):
    """JSON: an object, or a list of objects."""

    media_type = "application/json"
    read: Callable[[bytes], SubmittedEvent] = staticmethod(read_event)
    single = batch = True
    no_list = f"One CloudEvent is an object; for a list use {cloudevents.BATCH}."
    """Said of a list where ``batch`` is not."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        body = _body(stream)
        is_list = body.lstrip(b" \t\r\n").startswith(b"[")
        if is_list and not self.batch:
            raise _refused(self.no_list)
        if not is_list:
            if not self.single:
                raise _refused("A batch of CloudEvents is a list.")
            return Submission([body], indexed=False, read=self.read)
        events = self.read_list(body)
        if events is not None:
            _require_few(len(events))
            return Submission([], indexed=True, read=self.read, events=events)
        try:
            texts = decode(_items, body)
        except MalformedError as error:
            raise _refused(error.problem[1]) from None
        _require_few(len(texts))
        return Submission(texts, indexed=True, read=self.read)

    def read_list(self, body: bytes) -> list[SubmittedEvent] | None:
        """All events of a list at once, the quick way; None to read each apart, and so to say
        everything that is wrong."""
        try:
            return read_events(body)
        except MalformedError:
            return None


class CloudEventParser(EventsParser):
    media_type = cloudevents.SINGLE
    read = staticmethod(cloudevents.read_cloud_event)
    batch = False


class CloudEventsParser(EventsParser):
    media_type = cloudevents.BATCH
    read = staticmethod(cloudevents.read_cloud_event)
    single = False

    def read_list(self, body: bytes) -> None:  # noqa: ARG002
        return None


class EventsView(ScopedView):
    """Record usage of the workspace whose key is shown."""

    authentication_classes = (KeyAuthentication,)
    permission_classes = (KeyHasScope,)
    parser_classes = (EventsParser, CloudEventParser, CloudEventsParser)
    required_scope = WorkspaceKey.Scope.EVENTS

    def post(self, request: Request) -> Response:
        submission: Any = request.data
        if not isinstance(submission, Submission):
            raise _refused("There is nothing in the request's body.")
        recorded = _record(cast(WorkspaceKey, request.auth), submission)
        return Response(
            {
                "accepted": recorded.accepted,
                "duplicates": recorded.duplicates,
                "conflicts": recorded.conflicts,
            }
        )


def _record(key: WorkspaceKey, submission: Submission) -> Recorded:
    events, malformed = _read(submission)
    if malformed:
        raise _problem(malformed, submission)
    try:
        return record_events(workspace=key.workspace, events=events, now=timezone.now())
    except EventsRefused as refused:
        raise _problem(refused.errors, submission) from None
    except OperationalError:
        _logger.exception("Recording failed; the caller was asked to try again")
        detail = "The database is busy. Nothing was stored; sending the same again is safe."
        raise ProblemError(Problem(503, detail, headers={"Retry-After": "1"})) from None


def _read(
    submission: Submission,
) -> tuple[Sequence[SubmittedEvent], list[tuple[int, str | None, str]]]:
    if submission.events is not None:
        return submission.events, []
    events, malformed = [], []
    for index, text in enumerate(submission.texts):
        try:
            events.append(submission.read(bytes(text)))
        except MalformedError as error:
            malformed.append((index, *error.problem))
    return events, malformed


def _problem(errors: Sequence[tuple[int, str | None, str]], submission: Submission) -> ProblemError:
    found = [
        FieldError(message, field, index if submission.indexed else None)
        for index, field, message in errors
    ]
    count = "One thing is" if len(found) == 1 else f"{len(found)} things are"
    detail = f"{count} wrong with what was sent; nothing was stored."
    return ProblemError(Problem(400, detail, errors=found))


def _require_few(count: int) -> None:
    if count > MAX_EVENTS:
        raise _refused(f"{count:,} events; send at most {MAX_EVENTS:,} at once.")


def _refused(detail: str) -> ProblemError:
    return ProblemError(Problem(400, detail))


def _body(stream: IO[bytes]) -> bytes:
    """The request's body. Reads no more than one byte past what is allowed."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = stream.read(limit + 1)
    if len(body) > limit:
        detail = f"More than {limit:,} bytes; send the events in smaller lists."
        raise ProblemError(Problem(413, detail))
    return body
