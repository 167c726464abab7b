"""What may be computed in SQL with the scaled numbers of ``core.fields``.

A stored number is an integer counted in units of its field's last place. An expression is sound
for a scale when every number in it is counted in that same unit. Django asks nothing of the kind,
so the fields ask here: before an expression is written, when it is compared, and when a result is
read. Bare numbers about to be sent take the scale of what they meet; all else is refused.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldError
from django.db.models import expressions, lookups
from django.db.models.aggregates import Max, Min, Sum
from django.db.models.functions import (
    Abs,
    Cast,
    Coalesce,
    FirstValue,
    Greatest,
    Lag,
    LastValue,
    Lead,
    Least,
    NullIf,
)
from django.db.models.sql import Query

from agencyportal.core.prepared import Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

# What returns one of the things it is given, so that all of them count in one unit.
_SAME_UNIT = (
    Abs,
    Cast,  # from one BIGINT to the same one: what bulk_update() writes on PostgreSQL
    Coalesce,
    FirstValue,
    Greatest,
    LastValue,
    Least,
    NullIf,
    expressions.DatabaseDefault,
    expressions.ExpressionList,
    expressions.ExpressionWrapper,
    expressions.Ref,
)
# Expressions whose declared output field is to be believed.
_TYPED = (expressions.Col, expressions.RawSQL, Slot)


def refusal(expression: Any, field: Any, reason: str) -> FieldError:
    """The error for an expression that would be wrong by a power of ten."""
    kind = type(field).__name__
    return FieldError(
        f"{expression!r} cannot be computed in the database as {kind} ({field.places} decimal "
        f"places): {reason}. Combine columns of one scale by + and - only, write numbers as "
        f"{kind}.literal(...), or compute in Python."
    )


def require(expression: Any, field: Any) -> None:
    """Refuse a result just read unless its expression was sound; remembered per expression."""
    if getattr(expression, "sound_for_places", None) != field.places:
        conform(expression, field, adopt=False)
        expression.sound_for_places = field.places


def conform(expression: Any, field: Any, *, adopt: bool = True) -> None:
    """Check that a resolved ``expression`` counts in units of ``field``'s last place.

    With ``adopt``, bare numbers in it are given the field's scale. Without (the SQL has run
    already), only zero may be bare: it is the same in every scale. Raises FieldError.
    """
    if isinstance(expression, expressions.Value):
        _conform_value(expression, field, adopt=adopt)
    elif isinstance(expression, Query):
        _conform_query(expression, field, adopt=adopt)
    elif isinstance(expression, _TYPED):
        _require_scale(expression, field)
    elif not isinstance(expression, expressions.ResolvedOuterRef):
        # An outer reference is typed, and checked, when its subquery is put into the query.
        for operand in _operands(expression, field):
            conform(operand, field, adopt=adopt)


def _operands(expression: Any, field: Any) -> Sequence[Any]:
    """The parts of ``expression`` that must count in the unit of the whole."""
    match expression:
        case expressions.CombinedExpression(connector="+" | "-"):
            return [expression.lhs, expression.rhs]
        case expressions.Case():
            return [*(case.result for case in expression.cases), expression.default]
        case expressions.Window():  # partition and frame are none of the result's business
            return expression.get_source_expressions()[:1]
        case expressions.Subquery():
            return [expression.query]
        case Sum() | Min() | Max():
            return expression.get_source_expressions()[:1]
        case Lag() | Lead():
            value, _offset, *default = expression.get_source_expressions()
            return [value, *default]
    if isinstance(expression, _SAME_UNIT):
        return list(expression.get_source_expressions())
    raise refusal(expression, field, f"{type(expression).__name__} does not keep the scale")


def _conform_value(value: expressions.Value, field: Any, *, adopt: bool) -> None:
    if value.value is None:
        return
    if getattr(value.output_field, "places", None) is not None:
        _require_scale(value, field)
    elif isinstance(value.value, bool) or not isinstance(value.value, Decimal | int):
        raise refusal(value, field, f"{value.value!r} is not a Decimal")
    elif adopt:
        value.output_field = field
    elif value.value:
        raise refusal(value, field, f"the number {value.value} has no scale")


def _conform_query(query: Query, field: Any, *, adopt: bool) -> None:
    annotations = list(query.annotation_select.values())
    if len(annotations) == 1 and not query.select:
        conform(annotations[0], field, adopt=adopt)
    else:
        _require_scale(query, field)


def _require_scale(expression: Any, field: Any) -> None:
    output = expression.output_field
    places = getattr(output, "places", None)
    if places is None:
        raise refusal(expression, field, f"{type(output).__name__} has no scale")
    if places != field.places:
        raise refusal(expression, field, f"{type(output).__name__} has {places} decimal places")


class _OneScale:
    """Mixed into Django's comparisons: both sides must count in the unit of the left one."""

    lhs: Any
    rhs: Any

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        field = self.lhs.output_field
        sides = [self.lhs, *(self.rhs if isinstance(self.rhs, list | tuple | set) else [self.rhs])]
        for side in sides:
            if isinstance(side, expressions.BaseExpression | Query):
                conform(side, field)
        return super().as_sql(compiler, connection)  # type: ignore[misc]


class Exact(_OneScale, lookups.Exact):
    pass


class GreaterThan(_OneScale, lookups.GreaterThan):
    pass


class GreaterThanOrEqual(_OneScale, lookups.GreaterThanOrEqual):
    pass


class LessThan(_OneScale, lookups.LessThan):
    pass


class LessThanOrEqual(_OneScale, lookups.LessThanOrEqual):
    pass


class In(_OneScale, lookups.In):
    pass


class Range(_OneScale, lookups.Range):
    pass


LOOKUPS: dict[str | None, type[lookups.Lookup[Any]]] = {
    lookup.lookup_name: lookup
    for lookup in (
        Exact,
        GreaterThan,
        GreaterThanOrEqual,
        LessThan,
        LessThanOrEqual,
        In,
        Range,
        lookups.IsNull,
    )
}
