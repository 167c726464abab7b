"""Numbers in forms: what was typed is a number in plain digits, or it is refused.

Django's own fields hand the text to `Decimal` and `int`, which also read "1_000" and the digits of
every script. Spaces around a number are taken off, since people paste them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from agencyportal.core.money import is_number, plain


class PlainDecimalFormField(forms.DecimalField):
    """A decimal input that shows ``12.5``, not ``12.500000``."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(_plain_digits(self, value))

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Decimal) and value.is_finite():
            return Decimal(plain(value))
        return value


class WholeNumberFormField(forms.IntegerField):
    """A whole number."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(_plain_digits(self, value))


def _plain_digits(field: forms.Field, value: Any) -> Any:
    """What was typed, without the spaces around it. Raises ValidationError where it is no number;
    nothing, and what is no text, is the field's own matter."""
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text and not is_number(text):
        raise ValidationError(field.error_messages["invalid"], code="invalid")
    return text
