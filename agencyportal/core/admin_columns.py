"""How the admin writes numbers, states and names in lists and on pages of one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from django.contrib.admin.utils import display_for_field
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.html import format_html
from unfold import decorators

from agencyportal.core.admin_dialogs import change_url
from agencyportal.core.fields import MoneyField, ScaledDecimalField
from agencyportal.core.formats import Formats
from agencyportal.core.money import plain

_F = TypeVar("_F", bound=Callable[..., Any])

LABELS = {
    "address_line1": "Address, line 1",
    "address_line2": "Address, line 2",
    "email": "E-mail",
    "tax_id": "Tax ID",
    "timezone": "Time zone",
}
"""Fields whose names make poor labels, wherever they are shown."""

Column = str | Callable[[Any], Any]
"""A field's name, or a function of a row with what `display` sets on it."""


def display(**options: Any) -> Callable[[_F], _F]:
    """Unfold's decorator of columns (``description``, ``ordering``, ``label``), typed."""
    decorate: Callable[[_F], _F] = decorators.display(**options)
    return decorate


def money(amount: Decimal | None, currency: str) -> str:
    """`$1,234.50`; a dash for an amount that is not known."""
    if amount is None:
        return "–"
    return Formats("en", currency).money(amount) if currency else plain(amount)


def quantity(number: Decimal | None) -> str:
    """`1,234.5` without trailing zeros; a dash for a number that is not known."""
    return "–" if number is None else Formats("en", "USD").quantity(number)


def column(model: type[models.Model], name: Any) -> Any:
    """What shows the field ``name``: exact numbers as people write them, others as they are."""
    if not isinstance(name, str):
        return name
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    if isinstance(field, ScaledDecimalField):
        return _number(field)
    return _text(field) if name in LABELS else name


@cache
def _number(field: ScaledDecimalField[Any, Any]) -> Callable[[Any], str]:
    name = str(field.name)

    @display(description=str(field.verbose_name), ordering=name)
    def shown(row: Any) -> str:
        value = getattr(row, name)
        if isinstance(field, MoneyField):
            return money(value, getattr(row, "currency", ""))
        return quantity(value)

    shown.__name__ = name
    return shown


@cache
def _text(field: Any) -> Callable[[Any], str]:
    name = str(field.name)

    @display(description=LABELS[name], ordering=name)
    def shown(row: Any) -> str:
        return str(getattr(row, name))

    shown.__name__ = name
    return shown


@cache
def opening(model: type[models.Model], name: Any) -> Callable[[Any], str]:
    """A column as a link to the row's own page; by the row's name where the column is empty."""
    shown_by = name if callable(name) else _plain(model._meta.get_field(name))

    @display(description=getattr(shown_by, "short_description", ""))
    def shown(row: Any) -> str:
        return format_html('<a href="{}">{}</a>', change_url(row), shown_by(row) or str(row))

    shown.__name__ = f"{getattr(name, '__name__', name)}_link"
    return shown


def _plain(field: Any) -> Callable[[Any], str]:
    @display(description=str(field.verbose_name))
    def shown(row: Any) -> str:
        value = getattr(row, field.name)
        return str(value or "" if field.is_relation else display_for_field(value, field, ""))

    return shown


def state(
    name: str, colours: Mapping[str, str], *, description: str = ""
) -> Callable[[Any], tuple[str, str]]:
    """A field with choices as a coloured label, in words."""

    @display(description=description or name.replace("_", " "), ordering=name, label=dict(colours))
    def shown(row: Any) -> tuple[str, str]:
        value = getattr(row, name)
        words = getattr(row, f"get_{name}_display", None)
        return value, str(words() if words else value)

    shown.__name__ = f"{name}_label"
    return shown


def told(description: str, *, ordering: str = "") -> Callable[[_F], _F]:
    """Decorates a function of a row as a column of that name."""
    return display(description=description, ordering=ordering or None)
