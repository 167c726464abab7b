"""How exact numbers look in JSON: strings without trailing zeros out, and no floats in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from agencyportal.core.fields import ScaledDecimalField
from agencyportal.core.money import plain


class PlainDecimalField(serializers.DecimalField):
    """A decimal as a string: ``"1200"``, ``"0.5"``.

    Accepts strings and integers. A JSON number with a fraction has been through a float by the
    time it is read, so it is refused.
    """

    default_error_messages = {
        "float": "Send decimals as strings: a JSON number with a fraction is not exact."
    }

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, float):
            self.fail("float")
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)

    def to_representation(self, value: Any) -> str:
        return plain(value if isinstance(value, Decimal | int) else Decimal(str(value)))


def register() -> None:
    """Teach model serializers the exact number fields; without it they refuse the models."""
    mapping = serializers.ModelSerializer.serializer_field_mapping
    mapping[ScaledDecimalField] = PlainDecimalField
