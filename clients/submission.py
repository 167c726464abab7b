"""An event as it is submitted: its shape, its limits, its fingerprint. Pure: no database.

What a program sends (API, file, gateway) and what our own code builds is the same
:class:`SubmittedEvent`; None is "not given". Defaults are applied later, in recording, so that a
repeated event is recognised by what was submitted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from agencyportal.core.money import is_currency, plain, scaled
from clients import costing, metering

MAX_AHEAD: Final = timedelta(minutes=15)
"""Clocks differ. What claims to happen later than this is a mistake."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
MAX_ATTEMPTS: Final = 10_000
MAX_TOOL_CALLS: Final = 10**9
MAX_PROPERTIES_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 8
MAX_NUMBER_DIGITS: Final = 60
MAX_SHOWN: Final = 200

TEXT_LENGTHS: Final = {
    "id": 255,
    "unit": 60,
    "source": 255,
    "subject": 255,
    "label": 255,
    "run_id": 255,
    "provider": 100,
    "model": 200,
}

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Decoded = TypeVar("_Decoded")
Problem = tuple[str | None, str]
"""(field, message); no field: the event as a whole."""


class TokenUsage(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a model call used. ``input_tokens`` includes cached, ``output_tokens`` reasoning."""

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    tool_calls: int | None = None


class SubmittedEvent(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
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
_PATH: Final = re.compile(r"^(?P<message>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<name>.*)`$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)


def read_event(text: bytes) -> SubmittedEvent:
    """The event of a JSON text. Raises MalformedError; limits are :func:`problems_of`'s."""
    return decode(_decoder, text)


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


# --- Limits ------------------------------------------------------------------------------------


def problems_of(event: SubmittedEvent, *, now: datetime) -> list[Problem]:
    """Everything about an event that no workspace could store or count. Empty when it is fine."""
    problems = list(_text_problems(event))
    problems += _time_problems(event.time, now)
    if event.usage is not None:
        problems += ((f"usage.{name}", message) for name, message in event.tokens.problems())
        if not _within(event.usage.tool_calls, 0, MAX_TOOL_CALLS):
            problems.append(("usage.tool_calls", f"From 0 to {MAX_TOOL_CALLS:,}."))
    if not _within(event.attempts, 1, MAX_ATTEMPTS):
        problems.append(("attempts", f"From 1 to {MAX_ATTEMPTS:,}."))
    if event.quantity is not None:
        problems += _number_problems(
            "quantity", event.quantity, metering.PLACES, metering.MAX_QUANTITY
        )
    if event.cost is not None:
        problems += _number_problems("cost", event.cost, costing.PLACES, costing.MAX_COST)
    if event.cost_currency is not None and not is_currency(event.cost_currency):
        problems.append(("cost_currency", "Not an ISO 4217 currency code such as USD."))
    if event.properties:
        problems += _properties_problems(event.properties)
    return problems


def _within(value: int | None, low: int, high: int) -> bool:
    return value is None or low <= value <= high


def _text_problems(event: SubmittedEvent) -> Iterator[Problem]:
    for name, longest in TEXT_LENGTHS.items():
        text = getattr(event, name)
        if text is None:
            continue
        if len(text) > longest:
            yield name, f"At most {longest} characters; these are {len(text)}."
        elif not is_storable(text):
            yield name, "Contains characters that cannot be stored (NUL or half a surrogate pair)."
    for name in ("id", "unit"):
        if not getattr(event, name).strip():
            yield name, "Must not be empty."


def is_storable(text: str) -> bool:
    """Whether both databases can keep ``text``: PostgreSQL knows no NUL, UTF-8 no surrogates."""
    if text.isascii():
        return "\x00" not in text
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _time_problems(time: datetime | None, now: datetime) -> Iterator[Problem]:
    if time is None:
        return
    if time.tzinfo is None:
        yield "time", "Needs a time zone, as in 2026-01-31T09:00:00Z."
    elif time > now + MAX_AHEAD:
        minutes = int(MAX_AHEAD.total_seconds() // 60)
        yield "time", f"More than {minutes} minutes in the future. Is the clock right?"
    elif time < EARLIEST:
        yield "time", f"Before {EARLIEST:%Y}. Is the clock right?"


def _number_problems(
    name: str, number: Decimal, places: int, largest: Decimal | int
) -> Iterator[Problem]:
    if not number.is_finite():
        yield name, "Not a number."
    elif number < 0:
        yield name, "Must not be negative."
    elif number > largest:
        yield name, f"At most {largest:,}."
    elif not _fits(number, places):
        yield name, f"At most {places} decimal places."


def _fits(number: Decimal, places: int) -> bool:
    try:
        scaled(number, places)
    except ValueError:
        return False
    return True


def _properties_problems(properties: Mapping[str, Any]) -> Iterator[Problem]:
    if problem := _value_problem(properties, "properties", MAX_DEPTH):
        yield problem
    elif len(properties_text(properties)) > MAX_PROPERTIES_BYTES:
        yield "properties", f"More than {MAX_PROPERTIES_BYTES:,} bytes."


def _value_problem(value: object, path: str, depth: int) -> Problem | None:
    """The first thing inside ``value`` that a JSON column of both databases cannot keep."""
    match value:
        case None | bool():
            return None
        case str():
            return None if is_storable(value) else (path, "Contains NUL or half a surrogate pair.")
        case int() | float() | Decimal():
            return None if _is_plain_number(value) else (path, "A number that is too long.")
        case dict() | list():
            if depth == 0:
                return path, f"Nested more than {MAX_DEPTH} levels deep."
            return _member_problem(value, path, depth - 1)
    return path, f"Not JSON: {type(value).__name__}."


def _member_problem(value: dict[Any, Any] | list[Any], path: str, depth: int) -> Problem | None:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        if isinstance(value, dict) and not (isinstance(key, str) and is_storable(key)):
            return path, "Contains a key that cannot be stored."
        if problem := _value_problem(member, f"{path}.{key}"[:100], depth):
            return problem
    return None


def _is_plain_number(value: float | Decimal) -> bool:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        return False
    _, digits, exponent = number.as_tuple()
    return len(digits) <= MAX_NUMBER_DIGITS and abs(int(exponent)) <= MAX_NUMBER_DIGITS


# --- Fingerprint -------------------------------------------------------------------------------

_canonical = msgspec.json.Encoder(decimal_format="number", order="sorted")


def properties_text(properties: Mapping[str, Any]) -> bytes:
    """``properties`` as JSON, as stored: keys sorted, numbers with the digits they came with."""
    return _canonical.encode(properties)


def body_hash(event: SubmittedEvent) -> str:
    """BLAKE2b-128, in hex, of what was submitted, before defaults.

    The same content has the same hash however it was written: keys in any order, a number as
    number or string, a time in any zone, null or left out.
    """
    body = {name: value for name in EVENT_FIELDS if (value := getattr(event, name)) is not None}
    for name in ("quantity", "cost"):
        if name in body:
            body[name] = plain(body[name])
    if event.time is not None:
        body["time"] = event.time.astimezone(UTC)
    if event.usage is not None:
        usage = ((name, getattr(event.usage, name)) for name in USAGE_FIELDS)
        body["usage"] = {name: count for name, count in usage if count is not None}
    return hashlib.blake2b(_canonical.encode(body), digest_size=16).hexdigest()
