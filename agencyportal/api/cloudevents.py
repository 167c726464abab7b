"""CloudEvents 1.0 in JSON (structured and batched mode) as our events.

The envelope names the event and ``data`` is the rest of it:

| CloudEvents                 | event                                                        |
|-----------------------------|--------------------------------------------------------------|
| ``id``, ``source``, ``time``| the same                                                     |
| ``subject``                 | ``subject``, unless ``data`` names one                       |
| ``type``                    | ``label``, unless ``data`` names one: what kind of step it was|
| ``data``                    | every other field; ``unit`` is required there                |

Extension attributes are none of ours and ignored. Binary mode and ``data_base64`` are refused.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from clients.submission import Instant, MalformedError, SubmittedEvent, decode, event_from

SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
OF_THE_ENVELOPE: Final = ("id", "source", "time")


class CloudEvent(msgspec.Struct, kw_only=True, frozen=True):
    """The attributes that we read. Others may be there."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: Instant | None = None
    datacontenttype: str | None = None
    data: dict[str, Any] | None = None
    data_base64: str | None = None


_decoder: Final = msgspec.json.Decoder(CloudEvent, float_hook=Decimal)


def read_cloud_event(text: bytes) -> SubmittedEvent:
    """The event in a CloudEvent's JSON. Raises MalformedError."""
    envelope = decode(_decoder, text)
    _require_ours(envelope)
    data = envelope.data or {}
    for name in OF_THE_ENVELOPE:
        if name in data:
            raise MalformedError((f"data.{name}", "Belongs in the attribute of that name."))
    values: dict[str, Any] = {"label": envelope.type, "subject": envelope.subject, **data}
    values |= {name: getattr(envelope, name) for name in OF_THE_ENVELOPE}
    try:
        return event_from(values)
    except MalformedError as error:
        field, message = error.problem
        place = field if field is None or field in OF_THE_ENVELOPE else f"data.{field}"
        raise MalformedError((place, message)) from None


def _require_ours(envelope: CloudEvent) -> None:
    if envelope.specversion != "1.0":
        raise MalformedError(("specversion", "Only CloudEvents 1.0 are understood."))
    for name in ("id", "source", "type"):
        if not getattr(envelope, name).strip():
            raise MalformedError((name, "Must not be empty."))
    if envelope.data_base64 is not None:
        raise MalformedError(("data_base64", "Send `data` as a JSON object."))
    media_type = (envelope.datacontenttype or "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise MalformedError(("datacontenttype", "Only JSON data is understood."))
