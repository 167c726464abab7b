"""POST /api/v1/reservations, and what settles one: `/commit` with an event, or `/release`."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any, Final

import msgspec
from django.db import models
from django.http import Http404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agencyportal.api.authentication import ScopedView
from agencyportal.api.events import EventsParser, Submission
from agencyportal.api.reading import idempotency_key
from agencyportal.api.refusals import as_problems, invalid
from agencyportal.core.money import plain
from agencyportal.core.prepared import PreparedQuery
from agencyportal.core.problems import FieldError, Problem, ProblemError
from agencyportal.core.serializers import PlainDecimalField, TextField, WholeNumberField
from billing.models import Reservation
from billing.services.reservations import (
    DEFAULT_TTL,
    LONGEST_KEY,
    LONGEST_TTL,
    commit_reservation,
    release_reservation,
    reserve,
)
from clients.listed_prices import LIST_CURRENCY
from clients.metering import MAX_QUANTITY, PLACES
from clients.models import UsageUnit, WorkspaceKey
from clients.submission import MalformedError, SubmittedEvent, decode, event_from

_object: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


_UNIT: Final = PreparedQuery[UsageUnit](
    lambda slots: UsageUnit.objects.filter(agency=slots.number("agency"), slug=slots.text("slug"))
)


class ReservationRequest(serializers.Serializer[Any]):
    """What to hold."""

    unit = TextField(max_length=60, help_text="Slug of the unit.")
    quantity = PlainDecimalField(
        max_digits=19,
        decimal_places=PLACES,
        min_value=Decimal("0.000001"),
        max_value=Decimal(MAX_QUANTITY),
        help_text="Units to hold; more than 0, at most 6 decimal places.",
    )
    cost = PlainDecimalField(
        max_digits=19,
        decimal_places=9,
        min_value=Decimal(0),
        required=False,
        allow_null=True,
        help_text="What the call may cost, held against caps on cost. Left out or null, the call "
        "is let in while such a cap has something left.",
    )
    cost_currency = TextField(
        max_length=3,
        default=LIST_CURRENCY,
        help_text="Of `cost`, as in an event; converted to the client's at today's rate.",
    )
    ttl_seconds = WholeNumberField(
        min_value=1,
        max_value=int(LONGEST_TTL.total_seconds()),
        default=int(DEFAULT_TTL.total_seconds()),
        help_text="How long to hold it. Freed after that, unless it was settled.",
    )


class ReservationsView(ScopedView):
    """Hold units and cost before a call, so that many at once never pass a cap.

    With an `Idempotency-Key`, the same call again answers with the same reservation.
    """

    required_scope = WorkspaceKey.Scope.RESERVE

    def post(self, request: Request) -> Response:
        wanted = ReservationRequest(data=request.data)
        wanted.is_valid(raise_exception=True)
        slug = wanted.validated_data["unit"]
        unit = _UNIT.first(agency=self.workspace.agency_id, slug=slug)
        if unit is None:
            raise invalid([FieldError(f"This agency has no unit “{slug}”.", "unit")])
        with as_problems():
            held = reserve(
                workspace=self.workspace,
                unit=unit,
                quantity=wanted.validated_data["quantity"],
                cost=wanted.validated_data.get("cost"),
                cost_currency=wanted.validated_data["cost_currency"],
                ttl=dt.timedelta(seconds=wanted.validated_data["ttl_seconds"]),
                now=timezone.now(),
                key=idempotency_key(request, longest=LONGEST_KEY),
            )
        return Response(shown(held), status=201)


class CommitParser(EventsParser):
    """JSON: one event."""

    batch = False
    no_list = "A reservation is settled with one event, an object."


class CommitView(ScopedView):
    """Settle a reservation with the event that it was made for; the rest of it is free again.

    The event takes the reservation's unit and time. Committed again with the same event id, the
    answer is the same.
    """

    required_scope = WorkspaceKey.Scope.RESERVE
    parser_classes = (CommitParser,)

    def post(self, request: Request, public_id: uuid.UUID) -> Response:
        held = self._held(public_id)
        event = _event(request.data, held)
        with as_problems():
            done = commit_reservation(reservation=held, event=event, now=timezone.now())
        return Response(shown(done.reservation))

    def _held(self, public_id: uuid.UUID) -> Reservation:
        return held_by(self, public_id)


class ReleaseView(ScopedView):
    """Free what is held. Released again, or after it ran out, the answer is the same."""

    required_scope = WorkspaceKey.Scope.RESERVE

    def post(self, request: Request, public_id: uuid.UUID) -> Response:  # noqa: ARG002
        held = held_by(self, public_id)
        with as_problems():
            return Response(shown(release_reservation(reservation=held, now=timezone.now())))


def held_by(view: ScopedView, public_id: uuid.UUID) -> Reservation:
    """A reservation of the key's own workspace; any other is not there."""
    found = _MINE.first(workspace=view.workspace.pk, public_id=public_id)
    if found is None:
        raise Http404
    found.workspace = view.workspace
    return found


_MINE: Final = PreparedQuery[Reservation](
    lambda slots: Reservation.objects.filter(
        workspace=slots.number("workspace"), public_id=slots.like(models.UUIDField, "public_id")
    ).select_related("unit")
)


def shown(row: Reservation) -> dict[str, Any]:
    """A reservation as the API tells of it."""
    return {
        "id": str(row.public_id),
        "unit": row.unit.slug,
        "quantity": plain(row.quantity),
        "state": row.state,
        "reserved_at": _instant(row.reserved_at),
        "expires_at": _instant(row.expires_at),
        "settled_at": None if row.settled_at is None else _instant(row.settled_at),
        "event": None if row.event is None else row.event.external_id,
        "committed": None if row.event is None else plain(row.event.quantity),
        "overshoot": plain(row.overshoot),
        "cost": plain(row.cost),
        "committed_cost": _committed_cost(row),
        "cost_overshoot": plain(row.cost_overshoot),
    }


def _committed_cost(row: Reservation) -> str | None:
    cost = row.event.client_cost if row.event is not None else None
    return None if cost is None else plain(cost)


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _event(submission: Any, held: Reservation) -> SubmittedEvent:
    if not isinstance(submission, Submission):
        raise ProblemError(Problem(400, "There is nothing in the request's body."))
    try:
        values = decode(_object, bytes(submission.texts[0]))
        event = event_from({"unit": held.unit.slug} | values)
    except MalformedError as error:
        field, message = error.problem
        raise invalid([FieldError(message, field)]) from None
    if event.unit != held.unit.slug:
        raise invalid([FieldError(f"This reservation holds {held.unit.plural}.", "unit")])
    return event
