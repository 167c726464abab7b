"""Reading JSON documents strictly: every refusal names the place, as in `plan.fees[0].amount`.

Unknown keys are refused, because a misspelt option that is silently ignored costs money. Numbers
are strings or integers: a JSON float has lost its last digits before anyone can look at them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from unicodedata import category

Choice = TypeVar("Choice", bound=str)

MAX_DIGITS: Final = 18
MAX_MESSAGE: Final = 400
"""Characters of a refusal's place and problem; a document may be megabytes of nonsense."""
YEARS: Final = range(1980, 2200)
"""Earlier, zones were not yet on the quarter hour; later, a typing error is more likely."""
_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_NOT_TEXT: Final = ("Cc", "Cs")
"""Control characters and lone surrogates, which no database stores and no terminal shows."""
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class DocumentError(ValueError):
    """What is wrong in a document, and where."""

    def __init__(self, path: str, problem: str) -> None:
        path, problem = _shortened(path), _shortened(problem)
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a document and its path from the root."""

    value: Any
    path: str = ""

    def error(self, problem: str) -> DocumentError:
        return DocumentError(self.path, problem)

    @property
    def is_null(self) -> bool:
        return self.value is None

    def fields(self, required: Sequence[str] = (), optional: Sequence[str] = ()) -> dict[str, Node]:
        """The members of an object by key, with no key missing and none unknown."""
        if not isinstance(self.value, dict):
            raise self.error(f"an object is needed, not {_kind(self.value)}")
        for key in self.value:
            if key not in required and key not in optional:
                known = ", ".join([*required, *optional])
                raise self._member(key).error(f"unknown key; known here: {known}")
        for key in required:
            if key not in self.value:
                raise self._member(key).error("missing")
        return {key: self._member(key) for key in self.value}

    def member(self, key: str) -> Node:
        """One required member of an object, before it is known which others may be there."""
        if not isinstance(self.value, dict):
            raise self.error(f"an object is needed, not {_kind(self.value)}")
        if key not in self.value:
            raise self._member(key).error("missing")
        return self._member(key)

    def items(self) -> Iterator[Node]:
        """The items of a list."""
        if not isinstance(self.value, list):
            raise self.error(f"a list is needed, not {_kind(self.value)}")
        for index, item in enumerate(self.value):
            yield Node(item, f"{self.path}[{index}]")

    def text(self) -> str:
        """A string with something in it."""
        if not isinstance(self.value, str):
            raise self.error(f"a string is needed, not {_kind(self.value)}")
        if not self.value.strip():
            raise self.error("must not be empty")
        if any(category(character) in _NOT_TEXT for character in self.value):
            raise self.error(f"must not hold control characters: {_shown(self.value)}")
        return self.value

    def choice(self, choices: Sequence[Choice]) -> Choice:
        """One of some strings."""
        for choice in choices:
            if self.value == choice:
                return choice
        raise self.error(f"must be one of {', '.join(choices)}; it is {_shown(self.value)}")

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.error(f"true or false is needed, not {_kind(self.value)}")
        return self.value

    def count(self) -> int:
        """A whole number, zero or more."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < 0:
            raise self.error(f"a whole number of zero or more is needed, not {_shown(self.value)}")
        return self.value

    def decimal(self, *, places: int, positive: bool = False) -> Decimal:
        """A number of zero or more (or above zero) with at most so many decimal places."""
        if isinstance(self.value, float):
            raise self.error(f'write the number as a string: "{self.value}"')
        if isinstance(self.value, bool) or not isinstance(self.value, str | int):
            raise self.error(f"a decimal number is needed, not {_kind(self.value)}")
        text = str(self.value)
        if not _DECIMAL.fullmatch(text) or len(text.lstrip("-")) > 2 * MAX_DIGITS:
            raise self.error(f'a decimal number such as "12.50" is needed, not {text[:40]!r}')
        number = Decimal(text)
        if number.adjusted() >= MAX_DIGITS - places:
            raise self.error(f"too large: {text}")
        if -int(number.as_tuple().exponent) > places and number != round(number, places):
            raise self.error(f"more than {places} decimal places: {text}")
        if number < 0 or (positive and not number):
            raise self.error(f"must {'be above zero' if positive else 'not be negative'}: {text}")
        return number

    def instant(self) -> datetime:
        """An RFC 3339 time, in UTC."""
        if not isinstance(self.value, str) or not _INSTANT.fullmatch(self.value):
            raise self.error(
                f'a time such as "2026-01-31T09:00:00Z" is needed, not {_shown(self.value)}'
            )
        try:
            instant = datetime.fromisoformat(self.value.upper()).astimezone(UTC)
        except (ValueError, OverflowError) as exc:
            raise self.error(f"no such time: {self.value!r} ({exc})") from exc
        self._check_year(instant.year)
        return instant

    def date(self) -> date:
        """A date such as 2026-01-31."""
        if not isinstance(self.value, str) or not _DATE.fullmatch(self.value):
            raise self.error(f'a date such as "2026-01-31" is needed, not {_shown(self.value)}')
        try:
            day = date.fromisoformat(self.value)
        except ValueError as exc:
            raise self.error(f"no such date: {self.value!r} ({exc})") from exc
        self._check_year(day.year)
        return day

    def _check_year(self, year: int) -> None:
        if not YEARS.start <= year < YEARS.stop:
            raise self.error(f"the year must be from {YEARS.start} to {YEARS.stop - 1}: {year}")

    def _member(self, key: str) -> Node:
        value = self.value.get(key) if isinstance(self.value, dict) else None
        name = str(key) if str(key).isprintable() else json.dumps(key)
        return Node(value, f"{self.path}.{name}" if self.path else name)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands in a document where JSON holds what we do not take, until its path is known."""

    problem: str


def read_json(text: str) -> Any:
    """The value of a JSON text; a repeated key, NaN, Infinity and endless integers are refused.

    Raises DocumentError, with the line and column where the text is not JSON.
    """
    unreadable: list[_Unreadable] = []

    def refused(problem: str) -> _Unreadable:
        unreadable.append(_Unreadable(problem))
        return unreadable[-1]

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            repeated = next(key for key, times in Counter(k for k, _ in pairs).items() if times > 1)
            found[repeated] = refused("comes twice in one object")
        return found

    def constant(name: str) -> _Unreadable:
        return refused(f"{name} is not a number; write decimals as strings")

    def integer(digits: str) -> int | _Unreadable:
        return int(digits) if len(digits) <= 2 * MAX_DIGITS else refused(f"too large: {digits}")

    try:
        value = json.loads(
            text, object_pairs_hook=members, parse_constant=constant, parse_int=integer
        )
    except json.JSONDecodeError as exc:
        raise DocumentError(
            "", f"not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}"
        ) from exc
    except RecursionError as exc:
        raise DocumentError("", "not a document of ours: nested too deeply") from exc
    if unreadable:
        _refuse_first(Node(value))
    return value


def _refuse_first(root: Node) -> None:
    """Raise for the first thing that could not be read; a loop, as documents may be deep."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node.value, _Unreadable):
            raise node.error(node.value.problem)
        if isinstance(node.value, dict):
            waiting += [node.member(key) for key in reversed(node.value)]
        elif isinstance(node.value, list):
            waiting += reversed(list(node.items()))


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}..."


def _shown(value: object) -> str:
    """A value as a message shows it: whole only if it is not a list or an object."""
    return _kind(value) if isinstance(value, dict | list) else repr(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), f"the number {value}")
