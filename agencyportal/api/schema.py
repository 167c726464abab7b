"""The API described for programs (OpenAPI 3.1, `/api/schema/`) and for people (`/api/docs/`)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from agencyportal.api import cloudevents
from agencyportal.api.balance import BalanceView
from agencyportal.api.cloudevents import CloudEvent
from agencyportal.api.events import MAX_EVENTS, EventsView
from agencyportal.api.explanation import ExplanationView
from agencyportal.api.reservations import (
    CommitView,
    ReleaseView,
    ReservationRequest,
    ReservationsView,
)
from agencyportal.api.usage import GROUPINGS, UsageView
from agencyportal.core.problems import CONTENT_TYPE
from clients.submission import SubmittedEvent


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "agencyportal.api.authentication.KeyAuthentication"
    name = "workspaceKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"type": "http", "scheme": "bearer", "description": "A workspace's key."}


# --- Shapes ------------------------------------------------------------------------------------


class FieldProblem(serializers.Serializer[Any]):
    """One thing that is wrong, and where."""

    index = serializers.IntegerField(allow_null=True, help_text="Place in a submitted list.")
    field = serializers.CharField(allow_null=True, help_text="Dotted path; null: as a whole.")
    message = serializers.CharField()


class ProblemDetails(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = FieldProblem(many=True, required=False)  # type: ignore[assignment]


class RecordedEvents(serializers.Serializer[Any]):
    accepted = serializers.IntegerField(help_text="New, and stored.")
    duplicates = serializers.IntegerField(help_text="Known already; the first body stands.")
    conflicts = serializers.ListField(
        child=serializers.CharField(), help_text="Ids of duplicates whose body differs."
    )


def _decimal(help_text: str, **more: Any) -> serializers.CharField:
    return serializers.CharField(help_text=f"{help_text} A decimal.", **more)


class UnitBalanceShape(serializers.Serializer[Any]):
    unit = serializers.CharField(help_text="Slug.")
    included = _decimal("What the package gives for the period, rolled-over units with it.")
    granted = _decimal("That and every other credit of the period: top-ups, adjustments.")
    promotional = _decimal("The part of what is granted that was given as a promotion.")
    used = _decimal("Counted so far.")
    reserved = _decimal("Held by open reservations: a part of what remains.")
    remaining = _decimal("What usage could burn now.")
    overage = _decimal("The part of what is used that no credit covered.")
    cap = _decimal("What usage can come to before it is refused.", allow_null=True)
    resets_at = serializers.DateTimeField(help_text="When the period ends.")
    policy = serializers.CharField(help_text="What happens past the last credit.")


class BalanceShape(serializers.Serializer[Any]):
    units = UnitBalanceShape(many=True)


class UsageTotalShape(serializers.Serializer[Any]):
    unit = serializers.CharField(help_text="Slug.")
    hour = serializers.DateTimeField(required=False, help_text="Its start, with group_by=hour.")
    day = serializers.DateField(required=False, help_text="Of the client, with group_by=day.")
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, help_text="With group_by=label."
    )
    model = serializers.CharField(required=False, help_text="With group_by=model.")
    quantity = _decimal("Units.")
    events = serializers.IntegerField()


UsageShape: Final = type(
    "UsageShape",
    (serializers.Serializer,),
    {
        "from": serializers.DateTimeField(),
        "to": serializers.DateTimeField(),
        "group_by": serializers.CharField(allow_null=True),
        "totals": UsageTotalShape(many=True),
    },
)


class DayPartShape(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="Of the client.")
    quantity = _decimal("Units.")


def _parts(name: str, help_text: str) -> Any:
    """A list of what came under each ``name``, the largest first."""
    shape = type(
        f"{name.title().replace('_', '')}PartShape",
        (serializers.Serializer,),
        {
            name: serializers.CharField(help_text=help_text),
            "quantity": _decimal("Units."),
            "events": serializers.IntegerField(),
        },
    )
    return shape(many=True)


TakenShape: Final = type(
    "TakenShape",
    (serializers.Serializer,),
    {
        "from": serializers.CharField(help_text="The kind of credit, or overage."),
        "grant": serializers.IntegerField(allow_null=True, help_text="Its id; null: none yet."),
        "quantity": _decimal("Units taken from it."),
        "days": DayPartShape(many=True),
        "labels": _parts("label", "Workflow or step; empty: nobody said."),
        "models": _parts("model", "Empty: nobody said."),
        "runs": _parts("run_id", "The largest runs that were named."),
    },
)


class ExplainedPeriodShape(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField(help_text="Exclusive.")
    state = serializers.CharField(help_text="open, closing or closed.")


class ExplanationShape(serializers.Serializer[Any]):
    unit = serializers.CharField(help_text="Slug.")
    period = ExplainedPeriodShape()
    used = _decimal("What all that was taken adds up to.")
    is_provisional = serializers.BooleanField(help_text="The period is still open.")
    taken = TakenShape(many=True)


class ReservationShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    unit = serializers.CharField(help_text="Slug.")
    quantity = _decimal("Units held.")
    state = serializers.CharField(help_text="open, committed, released or expired.")
    reserved_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    event = serializers.CharField(allow_null=True, help_text="Id of the committed event.")
    committed = _decimal("Units that the event counts.", allow_null=True)
    overshoot = _decimal("Units committed beyond what was held.")


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
            on_402="The cap does not allow it.",
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
