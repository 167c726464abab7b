"""Model fields for exact numbers and shared vocabulary.

``MoneyField`` (4 decimal places), ``QuantityField`` (6) and ``NanosField`` (9) are ``Decimal`` in
Python and ``BIGINT`` in the database, so that sums are exact and fast on SQLite and PostgreSQL.

What the database computes is right or refused, never silently wrong by a power of ten:

* ``F("a") + F("b")``, ``F("a") - Decimal("1.5")``, ``Case``, ``Coalesce``, ``Greatest``, ``Sum``,
  ``Min``, ``Max``, lookups and ``update()`` work within one scale; a bare number takes the scale
  of the field that it is written to or compared with. Where Django must know the type before
  (annotations), write ``MoneyField.literal(Decimal("1.5"))``.
* Mixing scales, multiplying, dividing and averaging raise ``FieldError``.
* Writing refuses floats, too many decimal places, NaN and overflow with ``ValidationError``; it
  never rounds. Round with ``core.money`` first.

Not covered, because Django offers no hook: ``JSONObject``, casts to other types, raw SQL and the
later parts of a ``union()`` see the scaled integers, and ``AlterField`` between scales converts
nothing (a data migration must).
"""
# ruff: noqa: ARG002  (Django hands every hook the connection)

from __future__ import annotations

import zoneinfo
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import (
    BaseExpression,
    Col,
    Combinable,
    Value,
    register_combinable_fields,
)
from django.utils.translation import gettext_lazy as _

from agencyportal.core import scales
from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.core.money import BIGINT_MAX, is_currency, plain, scaled, unscaled

if TYPE_CHECKING:
    from django.db.models import CharField as GenericCharField
    from django.db.models import Field as GenericField
else:

    class _Subscriptable:
        """Django's fields are generic for type checkers only."""

        def __class_getitem__(cls, _types: object) -> type:
            return cls

    class GenericField(_Subscriptable, models.Field):
        pass

    class GenericCharField(_Subscriptable, models.CharField):
        pass


__all__ = [
    "CurrencyField",
    "MoneyField",
    "NanosField",
    "QuantityField",
    "ScaledDecimalField",
    "TimeZoneField",
    "scaled",
    "unscaled",
]

_ST = TypeVar("_ST", contravariant=True)
_GT = TypeVar("_GT", covariant=True)


class ScaledDecimalField(GenericField[_ST, _GT]):
    """Base of the exact number fields; ``places`` is the scale. Use one of the named classes.

    Derived from plain ``Field`` on purpose: under ``DecimalField`` or ``BigIntegerField`` Django
    would infer types for arithmetic and averages, and quietly compute with scaled integers.
    """

    places: ClassVar[int]
    empty_strings_allowed = False
    default_error_messages = {
        "invalid": _("“%(value)s” is not a decimal number."),
        "float": _("%(value)s is a float, which is not exact. Pass a Decimal or text."),
        "refused": _("%(reason)s"),
    }

    _pyi_private_set_type: Decimal | int | str | Combinable
    _pyi_private_get_type: Decimal
    _pyi_lookup_exact_type: Decimal | int | str

    @property
    def decimal_places(self) -> int:
        """What forms, filters and serializers call the scale."""
        return self.places

    @property
    def max_digits(self) -> int:
        return len(str(BIGINT_MAX))

    @classmethod
    def literal(cls, value: Decimal | int) -> Value:
        """A number of this scale inside a database expression."""
        return Value(value, output_field=cls())

    # -- column ---------------------------------------------------------------------------------

    def get_internal_type(self) -> str:
        return type(self).__name__

    def db_type(self, connection: Any) -> str:
        return "bigint"

    def rel_db_type(self, connection: Any) -> str:
        return "bigint"

    def db_check(self, connection: Any) -> str | None:
        """SQLite would store a REAL or a text in an integer column without a word."""
        if connection.vendor != "sqlite" or not self.column:
            return None
        column = connection.ops.quote_name(self.column)
        return f"typeof({column}) IN ('integer', 'null')"

    # -- values ---------------------------------------------------------------------------------

    def to_python(self, value: Any) -> Decimal | None:
        if value is None:
            return None
        if isinstance(value, float):
            raise ValidationError(
                self.error_messages["float"], code="float", params={"value": repr(value)}
            )
        try:
            number = Decimal(value.strip() if isinstance(value, str) else value)
        except (InvalidOperation, TypeError, ValueError):
            raise self._invalid(value) from None
        if isinstance(value, bool):
            raise self._invalid(value)
        try:
            scaled(number, self.places)
        except ValueError as error:
            raise ValidationError(
                self.error_messages["refused"], code="refused", params={"reason": str(error)}
            ) from None
        return number

    def _invalid(self, value: object) -> ValidationError:
        return ValidationError(
            self.error_messages["invalid"], code="invalid", params={"value": value}
        )

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        number = value if prepared else self.get_prep_value(value)
        return None if number is None else scaled(number, self.places)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if isinstance(value, BaseExpression):
            scales.conform(value, self)
            return value
        return super().get_db_prep_save(value, connection)

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        """Checks what ``update()`` is about to write; the placeholder itself is the usual one."""
        if isinstance(value, BaseExpression):
            scales.conform(value, self)
        return "%s"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        if type(expression) is not Col:
            scales.require(expression, self)
        if value is None:
            return None
        units = int(value)  # PostgreSQL sums BIGINT into NUMERIC
        if units != value:
            raise scales.refusal(expression, self, f"the database answered {value!r}")
        return unscaled(units, self.places)

    def value_to_string(self, obj: models.Model) -> str | None:  # type: ignore[override]
        number = self.to_python(self.value_from_object(obj))
        return None if number is None else plain(number)

    # -- queries and forms ----------------------------------------------------------------------

    def get_lookup(self, lookup_name: str) -> Any:
        """Only comparisons: ``contains`` and its kin would search the digits as stored."""
        return scales.LOOKUPS.get(lookup_name)

    def formfield(self, **kwargs: Any) -> Any:
        limit = unscaled(BIGINT_MAX, self.places)
        defaults: dict[str, Any] = {
            "form_class": PlainDecimalFormField,
            "max_digits": self.max_digits,
            "decimal_places": self.places,
            "min_value": -limit,
            "max_value": limit,
        }
        return super().formfield(**(defaults | kwargs))


class MoneyField(ScaledDecimalField[_ST, _GT]):
    """An amount of document money, 4 decimal places; its currency is a column beside it."""

    description = _("Exact amount of money (4 decimal places)")
    places = 4


class QuantityField(ScaledDecimalField[_ST, _GT]):
    """A quantity of a usage unit, 6 decimal places."""

    description = _("Exact quantity (6 decimal places)")
    places = 6


class NanosField(ScaledDecimalField[_ST, _GT]):
    """A cost, a price per million tokens or an exchange rate, 9 decimal places."""

    description = _("Exact number with 9 decimal places")
    places = 9


for _scale in (MoneyField, QuantityField, NanosField):
    for _connector in (Combinable.ADD, Combinable.SUB):
        register_combinable_fields(_scale, _connector, _scale, _scale)


def validate_currency(value: str) -> None:
    """Raise ValidationError unless ``value`` is an active ISO 4217 code."""
    if not is_currency(value):
        raise ValidationError(
            _("“%(value)s” is not an ISO 4217 currency code such as USD."),
            code="currency",
            params={"value": value},
        )


@cache
def timezone_names() -> frozenset[str]:
    """The IANA time zone names known to this machine."""
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "Factory"}


def validate_timezone(value: str) -> None:
    """Raise ValidationError unless ``value`` names an IANA time zone."""
    if value not in timezone_names():
        raise ValidationError(
            _("“%(value)s” is not an IANA time zone such as Europe/Berlin."),
            code="timezone",
            params={"value": value},
        )


class CurrencyField(GenericCharField[_ST, _GT]):
    """An ISO 4217 code, upper case."""

    description = _("Currency (ISO 4217)")
    default_validators = [validate_currency]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 3
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"]
        return name, path, args, kwargs


class TimeZoneField(GenericCharField[_ST, _GT]):
    """The name of an IANA time zone, as text; ``zoneinfo.ZoneInfo(name)`` makes use of it."""

    description = _("Time zone (IANA)")
    default_validators = [validate_timezone]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 64
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"]
        return name, path, args, kwargs
