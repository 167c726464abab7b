"""What no workspace could store or count: the limits of a submitted event. Pure: no database.

:func:`problems_of` says everything that is wrong, in words. It is thorough, and so too slow for
every event of a large batch; :func:`is_fine` is quick, and sends to it whatever is not plainly
within all limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from agencyportal.core.money import is_currency, scaled
from clients import costing, metering
from clients.submission import MAX_AHEAD, Problem, SubmittedEvent, TokenUsage, properties_text

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
MAX_ATTEMPTS: Final = 10_000
MAX_TOOL_CALLS: Final = 10**9
MAX_PROPERTIES_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 8
MAX_NUMBER_DIGITS: Final = 60

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

# --- At a glance -------------------------------------------------------------------------------

_NO_USAGE: Final = TokenUsage()
_SHORT_NUMBER: Final = 10**15


def is_fine(event: SubmittedEvent, *, latest: datetime) -> bool:
    """Whether an event is plainly within all limits, but for what :func:`is_plain_body` tells.

    ``latest``: the last instant that an event may have. False is no verdict: ask problems_of.
    """
    time, properties = event.time, event.properties
    return (
        _fits_columns(event)
        and (time is None or (time.tzinfo is not None and EARLIEST <= time <= latest))
        and (event.usage is None or _counts_fit(event.usage))
        and (event.attempts is None or 1 <= event.attempts <= MAX_ATTEMPTS)
        and (event.quantity is None or _is_amount(event.quantity, metering.PLACES, _MOST_UNITS))
        and (event.cost is None or _is_amount(event.cost, costing.PLACES, costing.MAX_COST))
        and (event.cost_currency is None or is_currency(event.cost_currency))
        and (not properties or _is_flat(properties))
    )


def is_plain_body(body: bytes) -> bool:
    """Whether a canonical body is short enough, and has no NUL, for all texts in it to be stored.

    A backslash before `u0000` in a text looks like a NUL here, so False is no verdict either.
    """
    return len(body) <= MAX_PROPERTIES_BYTES and b"\\u0000" not in body


_MOST_UNITS: Final = Decimal(metering.MAX_QUANTITY)


def _fits_columns(event: SubmittedEvent) -> bool:
    return (
        0 < len(event.id) <= 255
        and 0 < len(event.unit) <= 60
        and (event.subject is None or len(event.subject) <= 255)
        and (event.label is None or len(event.label) <= 255)
        and (event.run_id is None or len(event.run_id) <= 255)
        and (event.provider is None or len(event.provider) <= 100)
        and (event.model is None or len(event.model) <= 200)
        and (event.source is None or len(event.source) <= 255)
        and not (event.id.isspace() or event.unit.isspace())
    )


def _counts_fit(usage: TokenUsage) -> bool:
    """Unknown counts as none here, except for a whole whose part is known: that is fine, too."""
    most = costing.MAX_TOKENS
    whole_in, whole_out = usage.input_tokens, usage.output_tokens
    return (
        0 <= (whole_in or 0) <= most
        and 0 <= (usage.cached_input_tokens or 0) <= (most if whole_in is None else whole_in)
        and 0 <= (whole_out or 0) <= most
        and 0 <= (usage.reasoning_tokens or 0) <= (most if whole_out is None else whole_out)
        and 0 <= (usage.tool_calls or 0) <= MAX_TOOL_CALLS
    )


def _is_amount(number: Decimal, places: int, largest: Decimal) -> bool:
    if not number.is_finite() or not 0 <= number <= largest:
        return False
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -places


def _is_flat(properties: Mapping[str, Any]) -> bool:
    """Whether all values are texts, short numbers, true, false or null."""
    for name, value in properties.items():
        kind = type(value)
        if type(name) is not str:
            return False
        if kind is str or kind is bool or value is None:
            continue
        if kind is int and -_SHORT_NUMBER < value < _SHORT_NUMBER:
            continue
        if kind is Decimal and _is_plain_number(value):
            continue
        return False
    return True


# --- In words ----------------------------------------------------------------------------------


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
