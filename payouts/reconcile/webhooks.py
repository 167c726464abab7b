"""What programs were told: by messages about rows that are there, as they are, once each."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from agencyportal.core.tenancy import agency_id_of
from billing.models import WebhookAttempt, WebhookDelivery, WebhookMessage
from billing.services.webhooks import TEST_TYPE
from billing.webhook_types import WebhookType, webhook_types

from .findings import Checked, Finding, compare, missing, unexpected
from .scope import CHUNK, Scope

SUBJECT: Final = "Webhooks"
WORDS: Final = frozenset({"title", "text", "client", "workspace", "unit", "top_up"})
"""What people may rename, or read in another language, since it was told."""

_State = WebhookDelivery.State


def check_webhooks(scope: Scope) -> Iterator[Finding]:
    """Every message is about a row of its agency, and says what that row says; every delivery
    carries a message to its own agency's endpoint, and stands as its last try says."""
    messages = scope.of(WebhookMessage.objects.all()).order_by("type", "pk")
    for name, rows in groupby(messages.iterator(chunk_size=CHUNK), key=attrgetter("type")):
        for chunk in _chunks(rows):
            yield from _check_messages(name, chunk)
            yield Checked(SUBJECT, len(chunk))
    related = ("message", "endpoint")
    deliveries = scope.of(WebhookDelivery.objects.select_related(*related).defer("message__body"))
    logged = deliveries.order_by("pk").prefetch_related("log")
    for delivery in logged.iterator(chunk_size=CHUNK):
        yield from _check_delivery(delivery)
        yield Checked(SUBJECT, 1)


def _chunks(rows: Iterable[WebhookMessage]) -> Iterator[list[WebhookMessage]]:
    chunk: list[WebhookMessage] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _check_messages(name: str, messages: Sequence[WebhookMessage]) -> Iterator[Finding]:
    if name == TEST_TYPE:
        for message in messages:
            yield from compare(SUBJECT, message, str(message), {"row": (message.row_id, None)})
        return
    found = webhook_types().get(name)
    if found is None:
        for message in messages:
            yield unexpected(SUBJECT, message, str(message), name)
        return
    about = {row.pk: row for row in found.rows().filter(pk__in=[m.row_id for m in messages])}
    for message in messages:
        row = about.get(message.row_id)
        if row is None:
            yield unexpected(SUBJECT, message, str(message), f"about {name} {message.row_id}")
        else:
            yield from _check_message(found, message, row)


def _check_message(found: WebhookType, message: WebhookMessage, row: Any) -> Iterator[Finding]:
    at = getattr(row, found.at)
    said = json.loads(message.body)
    told, is_now = said["data"], json.loads(json.dumps(found.data(row)))
    fields: dict[str, tuple[Any, Any]] = {
        "agency": (message.agency_id, agency_id_of(row)),
        "client": (message.client_id, found.client_id(row)),
        "is_for_clients": (message.is_for_clients, found.is_for_clients(row)),
        "occurred_at": (message.occurred_at, at),
        "body.type": (said["type"], found.name),
        "body.timestamp": (dt.datetime.fromisoformat(said["timestamp"]), at),
    }
    for key in sorted(told.keys() - WORDS):
        fields[f"body.data.{key}"] = (_figures(told[key]), _figures(is_now.get(key)))
    yield from compare(SUBJECT, message, str(message), fields)


def _figures(value: Any) -> Any:
    """``value`` without the words in it."""
    if isinstance(value, dict):
        return {key: _figures(inner) for key, inner in value.items() if key not in WORDS}
    return [_figures(inner) for inner in value] if isinstance(value, list) else value


def _check_delivery(delivery: WebhookDelivery) -> Iterator[Finding]:
    log = sorted(delivery.log.all(), key=attrgetter("number"))
    last = log[-1] if log else None
    name = str(delivery)
    yield from compare(
        SUBJECT,
        delivery,
        name,
        {
            "agency": (delivery.endpoint.agency_id, delivery.message.agency_id),
            "attempts": (delivery.attempts, max(delivery.attempts, last.number if last else 0)),
        },
    )
    if delivery.state == _State.DELIVERED:
        yield from _check_taken(delivery, last)
    elif delivery.state == _State.FAILED:
        yield from compare(SUBJECT, delivery, name, {"taken": (_was_taken(last), False)})


def _check_taken(delivery: WebhookDelivery, last: WebhookAttempt | None) -> Iterator[Finding]:
    """Who says that it was taken: the last try, with its answer."""
    if last is None:
        yield missing(SUBJECT, WebhookAttempt, str(delivery), f"number {delivery.attempts}")
        return
    fields: dict[str, tuple[Any, Any]] = {
        "attempts": (delivery.attempts, last.number),
        "taken": (_was_taken(last), True),
        "delivered_at": (delivery.delivered_at, last.at),
    }
    yield from compare(SUBJECT, delivery, str(delivery), fields)


def _was_taken(attempt: WebhookAttempt | None) -> bool:
    return attempt is not None and attempt.status is not None and 200 <= attempt.status < 300
