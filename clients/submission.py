"""An event as it is submitted: its shape, its limits, its fingerprint. Pure: no database.

What a program sends (API, file, gateway) and what our own code builds is the same
:class:`SubmittedEvent`; None is "not given". Defaults are applied later, in recording, so that a
repeated event is recognised by what was submitted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from agencyportal.core.money import NUMBER, is_number, plain
from clients import costing

MAX_AHEAD: Final = timedelta(minutes=15)
"""Clocks differ. What claims to happen later than this is a mistake."""

MAX_SHOWN: Final = 200

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Decoded = TypeVar("_Decoded")
Problem = tuple[str | None, str]
"""(field, message); no field: the event as a whole."""


class TokenUsage(
    msgspec.Struct,
    kw_only=True,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """What a model call used. ``input_tokens`` includes cached, ``output_tokens`` reasoning."""

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    tool_calls: int | None = None


class SubmittedEvent(
    msgspec.Struct,
    kw_only=True,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,  # in the fingerprint, null and left out are the same
    gc=False,  # nothing that is submitted refers back to itself
):
    """One thing that happened (DESIGN 5.2). ``time`` is aware."""

    id: str
    unit: str
    quantity: Decimal | None = None
    time: Instant | None = None
    subject: str | None = None
    label: str | None = None
    run_id: str | None = None
    provider: str | None = None
    model: str | None = None
    usage: TokenUsage | None = None
    cost: Decimal | None = None
    cost_currency: str | None = None
    attempts: int | None = None
    status: Literal["ok", "error"] | None = None
    properties: dict[str, Any] | None = None
    source: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What is unique in a workspace: (source, id)."""
        return (self.source or "", self.id)

    @property
    def tokens(self) -> costing.Tokens:
        usage = self.usage or TokenUsage()
        return costing.Tokens(
            usage.input_tokens,
            usage.cached_input_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
        )


USAGE_FIELDS: Final = TokenUsage.__struct_fields__
EVENT_FIELDS: Final = SubmittedEvent.__struct_fields__


class EventsRefused(ValueError):  # noqa: N818 - a word of the service's contract
    """Events that cannot be recorded: (index, field, message) of everything that is wrong.

    ``index`` is the event's place in what was submitted; ``field`` is None for the whole event.
    Nothing was stored.
    """

    def __init__(self, errors: Sequence[tuple[int, str | None, str]]) -> None:
        first = errors[0]
        where = f"event {first[0]}" + (f", {first[1]}" if first[1] else "")
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{where}: {first[2]}{more}")
        self.errors = list(errors)


class MalformedError(ValueError):
    """Something that is not an event: ``problem`` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem[1])
        self.problem = problem


# --- Reading -----------------------------------------------------------------------------------

# Numbers inside `properties` stay exact: a float would lose digits before a meter can sum them.
_decoder = msgspec.json.Decoder(SubmittedEvent, float_hook=Decimal)
_list_decoder = msgspec.json.Decoder(list[SubmittedEvent], float_hook=Decimal)
_object_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_NUMBERS: Final = ("quantity", "cost")
_DOUBTFUL: Final = re.compile(
    rb'"(?:%s)"\s*:\s*"(?!%s")' % ("|".join(_NUMBERS).encode(), NUMBER.encode())
)
"""Where a text may say a number as only `Decimal` reads it. A property of that name looks the same;
so what is found is read again, slowly, rather than refused."""
_NO_NUMBER: Final = "Not a number. Write it in plain digits, such as 0.5."
_PATH: Final = re.compile(r"^(?P<message>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<name>.*)`$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)


def read_event(text: bytes) -> SubmittedEvent:
    """The event of a JSON text. Raises MalformedError; limits are :func:`problems_of`'s."""
    if _DOUBTFUL.search(text):
        values = decode(_object_decoder, text)
        return event_from(values)
    return decode(_decoder, text)


def read_events(text: bytes) -> list[SubmittedEvent]:
    """The events of a JSON list, all or none: as `read_event`, but several times as fast. Raises
    MalformedError with one of the problems that there are, or where only `read_event` can tell."""
    if _DOUBTFUL.search(text):
        raise MalformedError((None, _NO_NUMBER))
    return decode(_list_decoder, text)


def decode(decoder: msgspec.json.Decoder[_Decoded], text: bytes) -> _Decoded:
    """What ``decoder`` reads from a JSON text. Raises MalformedError, in words for people."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise MalformedError(_problem(str(error))) from None
    except UnicodeDecodeError:
        raise MalformedError((None, "Not UTF-8 text.")) from None
    except RecursionError:
        raise MalformedError((None, "Nested too deeply.")) from None
    except msgspec.DecodeError as error:
        raise MalformedError((None, f"Not readable as JSON: {error}.")) from None


def event_from(values: Mapping[str, Any], *, from_text: bool = False) -> SubmittedEvent:
    """The event of decoded values; ``from_text`` also reads numbers from strings (CSV).

    Raises MalformedError.
    """
    for name in _NUMBERS:
        value = values.get(name)
        if isinstance(value, str) and not is_number(value):
            raise MalformedError((name, _NO_NUMBER))
    try:
        return msgspec.convert(values, SubmittedEvent, strict=not from_text)
    except msgspec.ValidationError as error:
        raise MalformedError(_problem(str(error))) from None


def _problem(text: str) -> Problem:
    """msgspec's message in our words: the field apart from what is wrong with it."""
    match = _PATH.match(text)
    message, path = (match["message"], match["path"] or "") if match else (text, "")
    if missing := _MISSING.match(message):
        return _joined(path, missing["name"]), "Required."
    if unknown := _UNKNOWN.match(message):
        known = USAGE_FIELDS if path == "usage" else EVENT_FIELDS
        return _joined(path, unknown["name"]), f"Unknown field; known are {', '.join(known)}."
    return _short(path) or None, _short(message.replace(" | null", "").replace("`", "")) + "."


def _joined(path: str, name: str) -> str:
    return _short(f"{path}.{name}" if path else name)


def _short(text: str) -> str:
    """What is said back to a caller is no longer than it has to be."""
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


# --- Fingerprint -------------------------------------------------------------------------------

_canonical = msgspec.json.Encoder(decimal_format="number", order="sorted")


def properties_text(properties: Mapping[str, Any]) -> bytes:
    """``properties`` as JSON, as stored: keys sorted, numbers with the digits they came with."""
    return _canonical.encode(properties)


def canonical_body(event: SubmittedEvent) -> bytes:
    """What was submitted, before defaults, as JSON in one spelling.

    The same content is the same text however it was written: keys in any order, a number as
    number or string, a time in any zone, null or left out. Raises ValueError where the event says
    something that UTF-8 cannot (half a surrogate pair) or a number that is none.
    """
    respelt: dict[str, Any] = {}
    if event.quantity is not None:
        respelt["quantity"] = plain(event.quantity)
    if event.cost is not None:
        respelt["cost"] = plain(event.cost)
    if event.time is not None and event.time.tzinfo is not UTC:
        respelt["time"] = event.time.astimezone(UTC)
    return _canonical.encode(msgspec.structs.replace(event, **respelt) if respelt else event)


def hash_of(body: bytes) -> str:
    """BLAKE2b-128, in hex, of a canonical body."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def body_hash(event: SubmittedEvent) -> str:
    """The fingerprint of an event; raises what `canonical_body` does."""
    return hash_of(canonical_body(event))
