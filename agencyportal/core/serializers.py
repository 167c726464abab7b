"""How values look in JSON: exact numbers as strings, text as text, and nothing guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from agencyportal.core.fields import ScaledDecimalField
from agencyportal.core.money import is_number, plain


class PlainDecimalField(serializers.DecimalField):
    """A decimal as a string: ``"1200"``, ``"0.5"``.

    Accepts strings and integers. A JSON number with a fraction has been through a float by the
    time it is read, so it is refused.
    """

    default_error_messages = {
        "float": "Send decimals as strings: a JSON number with a fraction is not exact.",
        "invalid": "A number in plain digits is needed, such as “0.5”.",
    }

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, float):
            self.fail("float")
        if isinstance(data, bool) or (isinstance(data, str) and not is_number(data)):
            self.fail("invalid")
        return super().to_internal_value(data)

    def to_representation(self, value: Any) -> str:
        return plain(value if isinstance(value, Decimal | int) else Decimal(str(value)))


class TextField(serializers.CharField):
    """Text that was sent as text: the number 5 is no reason and no name."""

    default_error_messages = {"invalid": "A string is needed."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a fraction; text with digits in it is none."""

    default_error_messages = {"invalid": "A whole number is needed."}

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


def register() -> None:
    """Teach model serializers the exact number fields; without it they refuse the models."""
    mapping = serializers.ModelSerializer.serializer_field_mapping
    mapping[ScaledDecimalField] = PlainDecimalField
