"""POST /api/v1/corrections: what an event counts after all. Quantity 0 voids it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agencyportal.api.authentication import ScopedView
from agencyportal.api.reading import idempotency_key
from agencyportal.api.refusals import as_problems, invalid
from agencyportal.core.money import plain
from agencyportal.core.problems import FieldError
from agencyportal.core.serializers import PlainDecimalField, TextField
from clients.metering import MAX_QUANTITY, PLACES
from clients.models import UsageCorrection, WorkspaceKey
from clients.services.corrections import LONGEST_KEY, LONGEST_REASON, correct_event


class CorrectionRequest(serializers.Serializer[Any]):
    """Which event counts what, and why."""

    id = TextField(
        max_length=LONGEST_KEY,
        required=False,
        help_text="Makes it this correction, like an Idempotency-Key: sent again, it is done once.",
    )
    event_id = TextField(max_length=255, trim_whitespace=False, help_text="The event's own id.")
    source = TextField(  # type: ignore[assignment]
        max_length=255,
        required=False,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="Its source, if it has one.",
    )
    quantity = PlainDecimalField(
        max_digits=19,
        decimal_places=PLACES,
        min_value=Decimal(0),
        max_value=Decimal(MAX_QUANTITY),
        help_text="What it counts from now on, in its unit, weights included; 0 voids it.",
    )
    reason = TextField(max_length=LONGEST_REASON, help_text="Kept with it.")

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(unknown, "There is no such field."))
        return super().to_internal_value(data)


class CorrectionsView(ScopedView):
    """Amend or void an event of the workspace whose key is shown.

    In an open period its sums move at the event's own time; in a closed one the difference
    settles in the open period. With an `Idempotency-Key` (or an `id`), the same call again
    answers with the same correction; so does one that says what the latest correction of the
    event says. 201 where something was written, 200 where it was there already.
    """

    required_scope = WorkspaceKey.Scope.CORRECTIONS

    def post(self, request: Request) -> Response:
        wanted = CorrectionRequest(data=request.data)
        wanted.is_valid(raise_exception=True)
        said = wanted.validated_data
        with as_problems():
            done = correct_event(
                workspace=self.workspace,
                event_id=said["event_id"],
                source=said["source"],
                quantity=said["quantity"],
                reason=said["reason"],
                key=_key(request, said.get("id")),
                now=timezone.now(),
                created_with=cast(WorkspaceKey, request.auth),
            )
        return Response(shown(done.correction), status=201 if done.is_new else 200)


def _key(request: Request, named: str | None) -> str:
    """The header's key, or the body's own; without either, the call is one of its own."""
    header = idempotency_key(request, longest=LONGEST_KEY)
    if header is not None and named is not None and header != named:
        raise invalid([FieldError("It differs from the Idempotency-Key; send one of them.", "id")])
    return header or named or str(uuid.uuid4())


def shown(row: UsageCorrection) -> dict[str, Any]:
    """A correction as the API tells of it."""
    return {
        "id": str(row.public_id),
        "event_id": row.event.external_id,
        "source": row.event.source,
        "unit": row.event.unit.slug,
        "quantity": plain(row.quantity),
        "previous": plain(row.previous),
        "reason": row.reason,
        "standing": row.standing,
        "recorded_at": row.recorded_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
    }
