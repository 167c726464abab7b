"""What forms read strictly: numbers in plain digits, lists in JSON.

Django's own number fields hand the text to `Decimal` and `int`, which also read "1_000" and the
digits of every script. Spaces around a number are taken off, since people paste them.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput

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


class JsonListField(forms.JSONField):
    """A list, as JSON that any database can store. Django's own field takes any JSON, and text
    nested more deeply than Python reads brings it down."""

    default_error_messages = {
        "list": "Enter a list, such as [].",
        "unstorable": "It holds characters that cannot be stored.",
    }

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.strip():
            return super().to_python(value)
        try:
            found = json.loads(value, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None
        if not isinstance(found, list):
            raise ValidationError(self.error_messages["list"], code="list")
        text = json.dumps(found, ensure_ascii=False)
        if "\\u0000" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValidationError(self.error_messages["unstorable"], code="unstorable")
        return found

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed is shown again as it was typed."""
        if isinstance(data, str):
            return InvalidJSONInput(data)
        return super().bound_data(data, initial)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


def _plain_digits(field: forms.Field, value: Any) -> Any:
    """What was typed, without the spaces around it. Raises ValidationError where it is no number;
    nothing, and what is no text, is the field's own matter."""
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text and not is_number(text):
        raise ValidationError(field.error_messages["invalid"], code="invalid")
    return text
