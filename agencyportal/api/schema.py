"""The API described for programs (OpenAPI 3.1, `/api/schema/`) and for people (`/api/docs/`)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from agencyportal.api import cloudevents
from agencyportal.api.balance import BalanceView
from agencyportal.api.cloudevents import CloudEvent
from agencyportal.api.corrections import CorrectionRequest, CorrectionsView
from agencyportal.api.events import MAX_EVENTS, EventsView
from agencyportal.api.explanation import ExplanationView
from agencyportal.api.reservations import (
    CommitView,
    ReleaseView,
    ReservationRequest,
    ReservationsView,
)
from agencyportal.api.shapes import (
    BalanceShape,
    CorrectionShape,
    ExplanationShape,
    ProblemDetails,
    RecordedEvents,
    ReservationShape,
    UsageShape,
)
from agencyportal.api.usage import GROUPINGS, UsageView
from agencyportal.core.problems import CONTENT_TYPE
from clients.submission import SubmittedEvent


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "agencyportal.api.authentication.KeyAuthentication"
    name = "workspaceKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"type": "http", "scheme": "bearer", "description": "A workspace's key."}


def _inlined(shape: type) -> dict[str, Any]:
    """The JSON schema of a struct, with what it refers to in place."""
    (_, parts) = msgspec.json.schema_components([shape], ref_template="{name}")

    def inline(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return inline(parts[value["$ref"]])
            return {key: inline(member) for key, member in value.items()}
        return [inline(member) for member in value] if isinstance(value, list) else value

    inlined: dict[str, Any] = inline(parts[shape.__name__])
    return inlined


EVENT: Final = _inlined(SubmittedEvent)
CLOUD_EVENT: Final = _inlined(CloudEvent)
COMMITTED_EVENT: Final = EVENT | {"required": ["id"]}
EVENTS: Final = {"oneOf": [EVENT, {"type": "array", "items": EVENT, "maxItems": MAX_EVENTS}]}
CLOUD_EVENTS: Final = {"type": "array", "items": CLOUD_EVENT, "maxItems": MAX_EVENTS}

_IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Makes the call repeatable: the same key again does it no second time.",
)
_ALWAYS: Final = {401: "No key, or one that opens nothing.", 403: "The key lacks the scope."}
_THROTTLED: Final = {429: "Too many calls; `Retry-After` says when to go on."}


def _answers(status: int, shape: Any, **problems: str) -> dict[Any, Any]:
    found = {int(code.removeprefix("on_")): text for code, text in problems.items()}
    return {status: shape} | {
        (code, CONTENT_TYPE): OpenApiResponse(ProblemDetails, description=text)
        for code, text in sorted((_ALWAYS | _THROTTLED | found).items())
    }


_BAD: Final = "Something is wrong with what was sent; nothing was stored."
_ELSEWHERE: Final = "This workspace has no such reservation."


def describe() -> None:
    """Say of each call what it takes and answers. The views themselves need not know."""
    _describe_usage()
    _describe_reservations()


def _describe_usage() -> None:
    extend_schema(
        tags=["usage"],
        operation_id="recordEvents",
        summary="Report usage",
        parameters=[_IDEMPOTENCY_KEY],
        request={
            "application/json": EVENTS,
            cloudevents.SINGLE: CLOUD_EVENT,
            cloudevents.BATCH: CLOUD_EVENTS,
        },
        responses=_answers(200, RecordedEvents, on_400=_BAD, on_413="Too large."),
    )(EventsView.post)
    extend_schema(
        tags=["usage"],
        operation_id="correctEvent",
        summary="Amend or void an event",
        parameters=[_IDEMPOTENCY_KEY],
        request=CorrectionRequest,
        responses=_answers(
            201, CorrectionShape, on_400=_BAD, on_409="The key corrected something else."
        )
        | {200: CorrectionShape},
    )(CorrectionsView.post)
    extend_schema(
        tags=["usage"],
        operation_id="readUsage",
        summary="What was used",
        parameters=[
            OpenApiParameter("unit", str, description="Slug of a unit; left out: every unit."),
            OpenApiParameter("from", str, description="RFC 3339, or a date of the client."),
            OpenApiParameter("to", str, description="The same, exclusive; left out: now."),
            OpenApiParameter("group_by", str, enum=GROUPINGS),
        ],
        responses=_answers(200, UsageShape, on_400=_BAD),
    )(UsageView.get)
    extend_schema(
        tags=["usage"],
        operation_id="readBalance",
        summary="What is left",
        responses=_answers(200, BalanceShape),
    )(BalanceView.get)
    extend_schema(
        tags=["usage"],
        operation_id="explainUsage",
        summary="What consumed each credit",
        parameters=[
            OpenApiParameter("unit", str, required=True, description="Slug of a unit."),
            OpenApiParameter(
                "at",
                str,
                description="A time, or a date of the client, within the period; left out: now.",
            ),
        ],
        responses=_answers(
            200, ExplanationShape, on_400=_BAD, on_404="The unit is in no package at that time."
        ),
    )(ExplanationView.get)


def _describe_reservations() -> None:
    extend_schema(
        tags=["reservations"],
        operation_id="reserve",
        summary="Hold units",
        parameters=[_IDEMPOTENCY_KEY],
        request=ReservationRequest,
        responses=_answers(
            201,
            ReservationShape,
            on_400=_BAD,
            on_402="What is left or a cap does not allow it; `cap` says which.",
            on_409="The Idempotency-Key held something else.",
        ),
    )(ReservationsView.post)
    extend_schema(
        tags=["reservations"],
        operation_id="commitReservation",
        summary="Settle with an event",
        request={"application/json": COMMITTED_EVENT},
        responses=_answers(
            200,
            ReservationShape,
            on_400=_BAD,
            on_404=_ELSEWHERE,
            on_409="It was released, or committed with another event.",
        ),
    )(CommitView.post)
    extend_schema(
        tags=["reservations"],
        operation_id="releaseReservation",
        summary="Free what is held",
        request=None,
        responses=_answers(
            200, ReservationShape, on_404=_ELSEWHERE, on_409="It was committed already."
        ),
    )(ReleaseView.post)
