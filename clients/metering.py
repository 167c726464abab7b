"""How an event becomes a quantity of a unit. Pure: no Django, no clock, no database.

A meter counts, sums or tells subjects apart (ENGINE 2). Its definition is JSON:

    filters = [{"field": "model", "op": "in", "value": ["gpt-4o", "gpt-4.1"]}]
    weights = [{"when": [{"field": "properties.pages", "op": "gt", "value": 50}], "multiply": "2"}]

All filters must hold, or the event counts nothing. The first weight whose conditions all hold
multiplies; none is a weight of 1. Numbers in definitions are integers or decimal strings, never
JSON floats, which are not exact.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from agencyportal.core.money import exact_arithmetic, scaled, unscaled

AGGREGATIONS: Final = ("count", "sum", "unique")
PLACES: Final = 6
MAX_QUANTITY: Final = 10**9
"""Of one event, so that sums of many stay far from the end of a BIGINT."""

MAX_WEIGHT: Final = 10**6
MAX_RULES: Final = 50

TEXT_FIELDS: Final = ("subject", "label", "run_id", "provider", "model", "status", "source")
NUMBER_FIELDS: Final = (
    "attempts",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "tool_calls",
)
PROPERTY_PREFIX: Final = "properties."
FIELDS: Final = frozenset(TEXT_FIELDS + NUMBER_FIELDS)

_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_NOTHING: Final[Mapping[str, Any]] = {}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter may look at: an event's own fields, after defaults. Unknown tokens are None."""

    quantity: Decimal = Decimal(1)
    status: str = "ok"
    subject: str = ""
    label: str = ""
    run_id: str = ""
    provider: str = ""
    model: str = ""
    source: str = ""
    attempts: int = 1
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    tool_calls: int | None = None
    properties: Mapping[str, Any] = msgspec.field(default_factory=lambda: _NOTHING)

    def value_of(self, name: str) -> Any:
        """The field ``name``, or the property after ``properties.``; None when it is not there."""
        if name.startswith(PROPERTY_PREFIX):
            return self.properties.get(name.removeprefix(PROPERTY_PREFIX))
        value = getattr(self, name)
        return None if value == "" else value


class MeterError(ValueError):
    """What is wrong in a meter's definition: ``problems`` are (path, message) pairs."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in problems))
        self.problems = list(problems)


class NotMeasurableError(ValueError):
    """An event that its unit's meter cannot count: which field is wrong, and why."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(message)
        self.field = field_name
        self.message = message


@dataclass(frozen=True, slots=True)
class Condition:
    """``field op value``, as one filter says it, or one condition of a weight."""

    field: str
    op: str
    value: Any

    def holds(self, facts: Facts) -> bool:
        return _OPERATORS[self.op](facts.value_of(self.field), self.value)


@dataclass(frozen=True, slots=True)
class Weight:
    """Multiplies what matches ``when``."""

    when: tuple[Condition, ...]
    multiply: Decimal


@dataclass(frozen=True, slots=True)
class MeterRules:
    """A meter's definition, read and checked once, applied to many events."""

    aggregation: str
    property_name: str = ""
    filters: tuple[Condition, ...] = ()
    weights: tuple[Weight, ...] = ()

    @property
    def is_unique(self) -> bool:
        return self.aggregation == "unique"

    @property
    def is_plain(self) -> bool:
        """Whether it looks at nothing but what it aggregates: no filters, no weights."""
        return not self.filters and not self.weights


def measure(rules: MeterRules, facts: Facts) -> Decimal:
    """The units that an event stands for; under ``unique``, if its subject is counted by it.

    Failed calls and events that the filters drop are 0 units. Never negative, at most 6 decimal
    places, never rounded. Raises NotMeasurableError.
    """
    if facts.status == "error" or not all(rule.holds(facts) for rule in rules.filters):
        return unscaled(0, PLACES)
    if rules.aggregation == "count":
        amount, name = facts.quantity, "quantity"
    elif rules.aggregation == "sum":
        amount, name = _summed_property(rules, facts), PROPERTY_PREFIX + rules.property_name
    else:
        if not facts.subject:
            raise NotMeasurableError(
                "subject", "This unit counts subjects: name one, such as a conversation's id."
            )
        amount, name = Decimal(1), "subject"
    return _weighed(amount, _weight(rules, facts), name)


def _summed_property(rules: MeterRules, facts: Facts) -> Decimal:
    name = PROPERTY_PREFIX + rules.property_name
    value = facts.properties.get(rules.property_name)
    if value is None:
        raise NotMeasurableError(name, "This unit sums this property: it is missing.")
    number = as_number(value)
    if number is None:
        raise NotMeasurableError(
            name, f"This unit sums this property: {_shown(value)} is no number."
        )
    return number


def _weight(rules: MeterRules, facts: Facts) -> Decimal:
    for weight in rules.weights:
        if all(condition.holds(facts) for condition in weight.when):
            return weight.multiply
    return Decimal(1)


def _weighed(amount: Decimal, weight: Decimal, name: str) -> Decimal:
    if amount < 0:
        raise NotMeasurableError(name, f"A quantity is never negative: {_shown(amount)}.")
    if amount > MAX_QUANTITY:
        raise NotMeasurableError(name, f"More than {MAX_QUANTITY:,} in one event.")
    try:
        scaled(amount, PLACES)
        with exact_arithmetic():
            units = scaled(amount * weight, PLACES)
    except ValueError:
        weighed = f" times its weight {weight}" if weight != 1 else ""
        raise NotMeasurableError(
            name, f"{_shown(amount)}{weighed} has more than {PLACES} decimal places."
        ) from None
    if units > scaled(MAX_QUANTITY, PLACES):
        raise NotMeasurableError(name, f"More than {MAX_QUANTITY:,} in one event.")
    return unscaled(units, PLACES)


def as_number(value: object) -> Decimal | None:
    """``value`` as an exact number, decimal strings included; None for anything else."""
    match value:
        case bool():
            return None
        case int():
            return Decimal(value)
        case Decimal():
            return value if value.is_finite() else None
        case float():
            return as_number(Decimal(repr(value)))
        case str() if _DECIMAL.fullmatch(value):
            return Decimal(value)
    return None


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, Decimal | int) else repr(value)
    return text if len(text) <= 40 else text[:40] + "…"


# --- Versions ----------------------------------------------------------------------------------

_Version = TypeVar("_Version")


def version_at(versions: Sequence[tuple[datetime, _Version]], instant: datetime) -> _Version:
    """The version in force at ``instant``, from (effective_from, version) pairs in time order.

    The first version also counts what happened before its date: usage from before a unit was set
    up is a fact like any other.
    """
    index = bisect_right(versions, instant, key=lambda pair: pair[0])
    return versions[max(index - 1, 0)][1]


# --- Conditions --------------------------------------------------------------------------------


def _same(left: object, right: object) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    number = as_number(left)
    return number is not None and number == as_number(right)


def _compared(test: Callable[[Decimal, Decimal], bool]) -> Callable[[Any, Any], bool]:
    def holds(left: Any, right: Any) -> bool:
        number, limit = as_number(left), as_number(right)
        return number is not None and limit is not None and test(number, limit)

    return holds


def _is_in(left: Any, right: Any) -> bool:
    return any(_same(left, item) for item in right)


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": _same,
    "ne": lambda left, right: not _same(left, right),
    "in": _is_in,
    "not_in": lambda left, right: not _is_in(left, right),
    "gt": _compared(lambda number, limit: number > limit),
    "gte": _compared(lambda number, limit: number >= limit),
    "lt": _compared(lambda number, limit: number < limit),
    "lte": _compared(lambda number, limit: number <= limit),
    "starts_with": lambda left, right: isinstance(left, str) and left.startswith(right),
    "exists": lambda left, right: (left is not None) is right,
}
OPERATORS: Final = tuple(_OPERATORS)


# --- Reading definitions -----------------------------------------------------------------------


def read_rules(
    aggregation: str, property_name: str = "", filters: Any = (), weights: Any = ()
) -> MeterRules:
    """Check a meter's definition and make it ready to use. Raises MeterError with every problem."""
    problems: list[tuple[str, str]] = []
    if aggregation not in AGGREGATIONS:
        problems.append(("aggregation", f"One of {', '.join(AGGREGATIONS)}."))
    if aggregation == "sum" and not property_name:
        problems.append(("property_name", "Name the property to sum."))
    if aggregation != "sum" and property_name:
        problems.append(("property_name", "Only a `sum` meter reads a property."))
    rules = MeterRules(
        aggregation,
        property_name,
        tuple(_read_conditions(filters, "filters", problems)),
        tuple(_read_weights(weights, problems)),
    )
    if problems:
        raise MeterError(problems)
    return rules


def _read_conditions(raw: Any, path: str, problems: list[tuple[str, str]]) -> Sequence[Condition]:
    if not isinstance(raw, list | tuple):
        problems.append((path, "A list of conditions."))
        return []
    if len(raw) > MAX_RULES:
        problems.append((path, f"At most {MAX_RULES} conditions."))
        return []
    read = (_read_condition(item, f"{path}[{i}]", problems) for i, item in enumerate(raw))
    return [condition for condition in read if condition is not None]


def _read_condition(raw: Any, path: str, problems: list[tuple[str, str]]) -> Condition | None:
    if not isinstance(raw, dict) or set(raw) != {"field", "op", "value"}:
        problems.append((path, 'An object with exactly "field", "op" and "value".'))
        return None
    name, op, value = raw["field"], raw["op"], raw["value"]
    problem = None
    if not _is_field(name):
        problem = ("field", f"One of {', '.join(sorted(FIELDS))}, or properties.NAME.")
    elif op not in OPERATORS:
        problem = ("op", f"One of {', '.join(OPERATORS)}.")
    elif message := _value_problem(op, value):
        problem = ("value", message)
    if problem is not None:
        problems.append((f"{path}.{problem[0]}", problem[1]))
        return None
    return Condition(name, op, tuple(value) if isinstance(value, list) else value)


def _is_field(name: object) -> bool:
    if not isinstance(name, str):
        return False
    return name in FIELDS or (len(name) > len(PROPERTY_PREFIX) and name.startswith(PROPERTY_PREFIX))


def _value_problem(op: str, value: object) -> str | None:
    match op:
        case "exists":
            return None if isinstance(value, bool) else "true or false."
        case "starts_with":
            return None if isinstance(value, str) and value else "A text that is not empty."
        case "in" | "not_in":
            if not isinstance(value, list) or not value:
                return "A list with at least one value."
            return next((problem for item in value if (problem := _scalar_problem(item))), None)
        case "gt" | "gte" | "lt" | "lte":
            if as_number(value) is None or isinstance(value, float):
                return 'An integer, or a decimal as a string: "2.5".'
            return None
    return _scalar_problem(value)


def _scalar_problem(value: object) -> str | None:
    if isinstance(value, float):
        return f'Write the number as a string: "{value}".'
    return None if isinstance(value, str | int) else "A text, an integer, true or false."


def _read_weights(raw: Any, problems: list[tuple[str, str]]) -> Sequence[Weight]:
    if not isinstance(raw, list | tuple):
        problems.append(("weights", "A list of weights."))
        return []
    if len(raw) > MAX_RULES:
        problems.append(("weights", f"At most {MAX_RULES} weights."))
        return []
    read = (_read_weight(item, f"weights[{i}]", problems) for i, item in enumerate(raw))
    return [weight for weight in read if weight is not None]


def _read_weight(raw: Any, path: str, problems: list[tuple[str, str]]) -> Weight | None:
    if not isinstance(raw, dict) or set(raw) != {"when", "multiply"}:
        problems.append((path, 'An object with exactly "when" and "multiply".'))
        return None
    when = _read_conditions(raw["when"], f"{path}.when", problems)
    number = None if isinstance(raw["multiply"], float) else as_number(raw["multiply"])
    if number is None:
        problems.append((f"{path}.multiply", 'An integer, or a decimal as a string: "2.5".'))
        return None
    try:
        unscaled(scaled(number, PLACES), PLACES)
    except ValueError:
        problems.append((f"{path}.multiply", f"At most {PLACES} decimal places."))
        return None
    if not 0 <= number <= MAX_WEIGHT:
        problems.append((f"{path}.multiply", f"From 0 to {MAX_WEIGHT:,}."))
        return None
    return Weight(tuple(when), number)
